"""The states that the sandbox was in, for look-ups that lag behind."""

from __future__ import annotations

import copy

import attrs

from tilia_async.sandbox.world import World, tell_nobody


@attrs.define
class Past:
    """Earlier states, each with the moment of the sandbox's clock up to which it held."""

    _states: list[tuple[float, World]] = attrs.field(factory=list[tuple[float, World]], repr=False)

    def keep(self, world: World) -> None:
        """Remember the state that a write is about to change."""
        self._states.append((world.clock.now(), copy_of(world)))

    def at(self, moment: float, world: World) -> World:
        """The state at a moment, the present one if nothing has changed since."""
        return next((state for until, state in self._states if until > moment), world)

    def forget(self) -> None:
        """Begin anew."""
        self._states.clear()


def copy_of(world: World) -> World:
    """A copy that may be changed and tells nobody; clock and chance are those of the original."""
    shared = (world.clock, world.random, world.settings, world.notify)
    made = copy.deepcopy(world, {id(each): each for each in shared})
    made.notify = tell_nobody
    return made
