"""A shared exchange with the token endpoint.

There is one, however many wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable
from enum import Enum, auto
from typing import Final, Protocol, TypeAlias

from tilia_async.errors import TiliaError
from tilia_async.tokens.token import AccessToken


class Fetch(Protocol):
    """Get a new token from the token endpoint."""

    def __call__(self, scopes: frozenset[str], generation: int) -> Awaitable[AccessToken]: ...


class Owner(Protocol):
    """Owner of flights.

    Whoever starts flights, and ends them when it is closed.
    """

    @property
    def closed(self) -> bool: ...


class _Abandoned(Enum):
    ABANDONED = auto()


ABANDONED: Final = _Abandoned.ABANDONED
"""Result of a flight that ended without one.

Its client was closed or its loop ended: whoever waits starts anew.
"""

Outcome: TypeAlias = "AccessToken | TiliaError | _Abandoned"

_Waiter: TypeAlias = "tuple[asyncio.AbstractEventLoop, asyncio.Future[Outcome]]"

_POLL_SECONDS: Final = 0.25
_MOST_STALLED_LOOKS: Final = 2
"""Looks at a stopped loop before its flight is abandoned."""


class SingleFlight:
    """A shared token request.

    It belongs to nobody who waits for it: a cancelled waiter cancels only itself.

    ``join`` and ``settle`` are called under the lock of ``IdentityTokens``; waiting is not.

    Attributes:
        loop: where it runs.
        owner: the client that started it; when that is closed, the flight is abandoned.
        task: None until it runs.
        left_behind: somebody waited for it in vain, because its loop does not run any more.
    """

    __slots__ = ("_process", "_waiters", "generation", "left_behind", "loop", "owner", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, generation: int) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self.owner: Owner = owner
        self.generation: int = generation
        self.task: asyncio.Task[Outcome] | None = None
        self.left_behind: bool = False
        self._process = os.getpid()
        self._waiters: list[_Waiter] = []

    def join(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Outcome]:
        waiter: asyncio.Future[Outcome] = loop.create_future()
        self._waiters.append((loop, waiter))
        return waiter

    async def wait(self, waiter: asyncio.Future[Outcome]) -> Outcome:
        """Wait for the result.

        For one who has joined.
        """
        if self.loop is asyncio.get_running_loop():
            return await waiter
        stalled = 0
        while not waiter.done():
            # A loop that was closed or left lying with the flight aboard tells nobody. One that only rests between
            # two runs is given the time of a few looks.
            stalled = 0 if self.loop.is_running() else stalled + 1
            if self.dead or stalled > _MOST_STALLED_LOOKS:
                self.left_behind = True
                return ABANDONED
            await asyncio.wait([waiter], timeout=_POLL_SECONDS)
        return waiter.result()

    def settle(self, outcome: Outcome) -> None:
        """Tell all who wait, each in its own loop.

        A second call tells nobody.
        """
        waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            # A loop that ended has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_tell, waiter, outcome)

    def cancel(self) -> asyncio.Task[Outcome] | None:
        """Cancel the flight.

        Returns the task to wait for, if it runs in the loop of the caller.
        """
        if self.task is None or self.dead:
            return None
        if self.loop is asyncio.get_running_loop():
            self.task.cancel()
            return self.task
        # A loop that ends at this moment ends the flight, too.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.task.cancel)
        return None

    @property
    def dead(self) -> bool:
        """True if it will not settle by itself.

        Its loop is closed, or does not run any more, or not here.
        """
        return self.left_behind or self.loop.is_closed() or self.is_inherited

    @property
    def is_inherited(self) -> bool:
        """True if it belongs to the parent process.

        The one that this process was forked from.
        """
        return self._process != os.getpid()


def _tell(waiter: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not waiter.done():
        waiter.set_result(outcome)
