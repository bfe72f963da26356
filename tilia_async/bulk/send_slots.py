"""Slots for the requests of a job."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

import anyio

from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.bulk.job import Permits
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.work_item import WorkItem


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
        self._waiting: deque[asyncio.Future[None]] = deque()
        # Slots of those who were woken and have not looked yet: whoever comes meanwhile waits behind them.
        self._promised = 0
        self._acquiring: set[anyio.CancelScope] = set()
        stop.then(self._let_all_go)

    async def take(self, work: WorkItem) -> bool:
        """Wait until this one may be sent.

        Behind all who wait, unless it was sent before: what may have taken effect is not to lie about while others are
        sent.

        Returns:
            False if nothing more is sent.
        """
        while not self._stop.called:
            if (hindrance := self._held()) is not None:
                await hindrance
            elif self._room + (self._promised if work.attempts else 0) <= 0:
                await self._turn()
            else:
                self.in_flight += 1
                self.unsettled += 1
                if self._permits is None or await self._permitted(self._permits, work):
                    work.is_open = True
                    return True
        return False

    async def _turn(self) -> None:
        """Wait for a slot behind all who wait for one."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It was woken in the same instant: the slot is the next one's.
                self._promised -= 1
                self._wake(self._room)
            raise
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
        self._wake(len(self._waiting))
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
            self._wake(min(1, self._room))

    def let_go_on(self) -> None:
        """Wake as many as there is room for."""
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
        while number > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._promised += 1
                number -= 1
