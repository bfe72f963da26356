"""The past states of the sandbox.

Look-ups that lag behind see them.
"""

from __future__ import annotations

import copy
from typing import Final

import attrs

from tilia_async.sandbox.world import World, tell_nobody

_STATES_AT_ONCE: Final = 100
"""States that are kept for a lag, at most.

They lie evenly over its time: each is a copy of everything.
"""


@attrs.define
class Past:
    """Earlier states, each with its end.

    The moment of the sandbox's clock up to which it held.
    """

    _states: list[tuple[float, World]] = attrs.field(factory=list[tuple[float, World]], repr=False)

    def keep(self, world: World, seconds: float) -> None:
        """Remember the state before a write changes it.

        It does not if another of almost the same time is there.

        Args:
            seconds: how far anybody looks back.
        """
        now = world.clock.now()
        self._states = [(until, state) for until, state in self._states if until > now - seconds]
        if not self._states or now - self._states[-1][0] >= seconds / _STATES_AT_ONCE:
            self._states.append((now, copy_of(world)))

    def at(self, moment: float, world: World) -> World:
        """Return the state at a moment.

        The present one if nothing has changed since.
        """
        return next((state for until, state in self._states if until > moment), world)

    def __len__(self) -> int:
        return len(self._states)

    def forget(self) -> None:
        """Begin anew."""
        self._states.clear()


def copy_of(world: World) -> World:
    """Return a copy of the state that tells nobody.

    It may be changed; clock and chance are those of the original.
    """
    shared = (world.clock, world.random, world.settings, world.notify)
    made = copy.deepcopy(world, {id(each): each for each in shared})
    made.notify = tell_nobody
    return made
