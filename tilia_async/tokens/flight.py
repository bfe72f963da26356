"""One exchange with the token endpoint, however many wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum, auto
from typing import Final, TypeAlias

from tilia_async.errors import TiliaError
from tilia_async.tokens.token import AccessToken


class _Abandoned(Enum):
    ABANDONED = auto()


ABANDONED: Final = _Abandoned.ABANDONED
"""The flight ended without a result, because its client was closed or its loop ended: whoever waits starts anew."""

Outcome: TypeAlias = "AccessToken | TiliaError | _Abandoned"

_Waiter: TypeAlias = "tuple[asyncio.AbstractEventLoop, asyncio.Future[Outcome]]"


class Flight:
    """It belongs to nobody who waits for it: a cancelled waiter cancels only itself.

    ``join`` and ``settle`` are called under the cache's lock; waiting is not.

    Attributes:
        loop: where it runs.
        owner: the client that started it; when that is closed, the flight is abandoned.
        task: None until it runs.
        left_behind: somebody waited for it in vain, because its loop does not run any more.
    """

    __slots__ = ("_waiters", "generation", "left_behind", "loop", "owner", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: object, generation: int) -> None:
        self.loop = loop
        self.owner = owner
        self.generation = generation
        self.task: asyncio.Task[Outcome] | None = None
        self.left_behind = False
        self._waiters: list[_Waiter] = []

    def join(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Outcome]:
        waiter: asyncio.Future[Outcome] = loop.create_future()
        self._waiters.append((loop, waiter))
        return waiter

    def settle(self, outcome: Outcome) -> None:
        """Tell all who wait, each in its own loop. A second call tells nobody."""
        waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            # A loop that ended has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_tell, waiter, outcome)

    @property
    def dead(self) -> bool:
        """Its loop is closed, or does not run any more, so it will not settle by itself."""
        return self.left_behind or self.loop.is_closed()


def _tell(waiter: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not waiter.done():
        waiter.set_result(outcome)
