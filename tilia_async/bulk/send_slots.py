"""Slots for the requests of a job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import TypeAlias

import anyio

from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.bulk.job import Permits
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.work_item import WorkItem

_Place: TypeAlias = tuple[bool, int]
"""A place in the line for a slot.

What was sent before comes first, and then who came first.
"""


class SendSlots:
    """Limit of the workers that send.

    As many as the pace allows, and as may be unsettled.

    What was sent and is not on record yet is sent again if the process is killed. So those that are under way and
    those that were answered and wait to be on record are never more together than the job's concurrency.

    Args:
        hindrance: what else keeps the next one back, on the monotonic clock: something to wait for, or None.
        permits: one is needed for each request, and held until that is settled; None: none is.

    Attributes:
        in_flight: how many are under way.
        unsettled: how many were sent and are not settled on record.
    """

    def __init__(
        self,
        limit: AdaptiveLimit,
        stop: StopSignal,
        hindrance: Callable[[float], Awaitable[object] | None],
        permits: Permits | None = None,
    ) -> None:
        self.in_flight: int = 0
        self.unsettled: int = 0
        self._limit = limit
        self._stop = stop
        self._hindrance = hindrance
        self._permits = permits
        self._line: list[tuple[_Place, asyncio.Future[None]]] = []
        self._numbers = count()
        # Slots of those who were woken and have not looked yet: whoever comes meanwhile waits behind them.
        self._promised = 0
        self._acquiring: set[anyio.CancelScope] = set()
        stop.then(self._let_all_go)

    async def take(self, work: WorkItem) -> bool:
        """Wait until this one may be sent.

        In the order of their coming; what was sent before goes first, as it may have taken effect.

        Returns:
            False if nothing more is sent.
        """
        place = work.attempts == 0, next(self._numbers)
        try:
            while not self._stop.called:
                if (hindrance := self._held()) is not None:
                    await hindrance
                elif not self._may_go(place):
                    await self._turn(place)
                else:
                    self.in_flight += 1
                    self.unsettled += 1
                    if self._permits is None or await self._permitted(self._permits, work):
                        work.is_open = True
                        return True
        except asyncio.CancelledError:
            self.let_go_on()
            raise
        return False

    def _may_go(self, place: _Place) -> bool:
        """Tell whether there is a slot, and nobody before."""
        return self._room > 0 and not (self._line and self._line[0][0] < place)

    async def _turn(self, place: _Place) -> None:
        """Wait in the line until there is a slot."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._line, (place, turn))
        self.let_go_on()
        try:
            await turn
        finally:
            if turn.done() and not turn.cancelled():
                self._promised -= 1

    def _held(self) -> Awaitable[object] | None:
        """Return the wait for what holds the next one back."""
        now = monotonic()
        hold = self._limit.hold(now)
        return self._hindrance(now) if hold <= 0 else self._stop.pause(hold)

    async def _permitted(self, permits: Permits, work: WorkItem) -> bool:
        """Wait for a permit.

        False: something holds it back by then.
        """
        is_permitted = False
        scope = anyio.CancelScope()
        hindrance: Awaitable[object] | None = None
        try:
            with scope:
                # A job that stops waits for no permit.
                self._acquiring.add(scope)
                work.epoch = await permits.acquire()
            if scope.cancelled_caught:
                return False
            hindrance = self._held()
            is_permitted = hindrance is None and not self._stop.called
            if not is_permitted:
                permits.release()
        finally:
            self._acquiring.discard(scope)
            if not is_permitted:
                self.in_flight -= 1
                self.unsettled -= 1
        if hindrance is not None:
            await hindrance
        return is_permitted

    def _let_all_go(self) -> None:
        self._wake(len(self._line))
        for scope in self._acquiring:
            scope.cancel()

    def close(self) -> None:
        """Give the permits back of what was never settled."""
        if self._permits is not None:
            for _ in range(self.unsettled):
                self._permits.release()

    def answered(self) -> None:
        """Note that an answer came, or that none will."""
        self.in_flight -= 1

    def settled(self, work: WorkItem) -> None:
        """Note that a work is settled.

        It is on record what came of it, or nothing did.
        """
        if work.is_open:
            work.is_open = False
            self.unsettled -= 1
            if self._permits is not None:
                self._permits.release()
            self.let_go_on()

    def let_go_on(self) -> None:
        """Wake as many as there is room for."""
        if self._line:
            self._wake(self._room)

    @property
    def waiting(self) -> int:
        """Number of works that wait for their record.

        They are not under way any more, and not settled on record yet.
        """
        return self.unsettled - self.in_flight

    @property
    def _room(self) -> int:
        return min(self._limit.limit - self.in_flight, self._limit.most - self.unsettled) - self._promised

    def _wake(self, number: int) -> None:
        while number > 0 and self._line:
            _, turn = heappop(self._line)
            if not turn.done():
                turn.set_result(None)
                self._promised += 1
                number -= 1
