"""A worker's share of the fleet's budget."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from types import TracebackType
from typing import Final, Self

from tilia_async.errors import LedgerError
from tilia_async.fleet.budget import LONGEST_HOLD, SLICE_SECONDS, SPARE_SECONDS, Budget, Permits

_LONGEST_PAUSE: Final = 2.0
_LONGEST_HELD: Final = 10.0
_AWAY_SECONDS: Final = 1.0
_SHORTEST_LOOK: Final = 0.05
"""Shortest time over which use is measured."""
_NONE: Final = Permits(0, 0.0, 0.0, 0)

_log = logging.getLogger("tilia_async.fleet")


class LeasedPace:
    """Pace of a worker, out of its fleet's budget.

    It leases some permits at a time, as many as it used lately in a quarter of a second, and hands them out when each
    is due. When Tilia asks for less it hands out none of those that are left, and tells the fleet at once. While the
    budget cannot be reached it hands out none.

    ::

        async with LeasedPace(budget) as pace:
            epoch = await pace.acquire()

    Used from one event loop.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._permits = _NONE
        self._left = 0
        self._due_at = 0.0
        self._valid_until = 0.0
        self._held_until = float("-inf")
        self._drawing = asyncio.Lock()
        self._waiting = 0
        self._used = 0
        self._leased_at = 0.0
        self._refusals = 0
        self._refusal: tuple[int, float] | None = None
        self._is_refused = asyncio.Event()
        self._reporting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reporting = asyncio.create_task(self._report(), name="tilia pace")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.wait([self._reporting])
            if exc is None:
                self._raise_defect()
        # The fleet goes on without this worker, and has to know.
        await self._tell()

    async def acquire(self) -> int:
        """Wait for a permit, and return its epoch.

        It is for one request.
        """
        self._waiting += 1
        try:
            async with self._drawing:
                return await self._draw()
        finally:
            self._waiting -= 1

    async def _draw(self) -> int:
        pause = 0.0
        while True:
            wait = max(self._held_until, self._due_at) - _now()
            if self._left and wait <= 0:
                return self._hand_out()
            if self._left:
                await asyncio.sleep(wait)
                continue
            self._raise_defect()
            refusals = self._refusals
            permits = await self._leased()
            if refusals != self._refusals:
                # They are of a budget that was too large.
                continue
            if permits.number:
                self._take_in(permits)
                continue
            # Many that wait must not all ask again at the same moment, nor ever oftener.
            pause = max(min(permits.begins_in, _LONGEST_HELD), min(pause * 1.5, _LONGEST_PAUSE))
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load

    def refused(self, epoch: int, wait: float) -> None:
        """Note that Tilia asked for less.

        Args:
            epoch: of the permit under which the refused request was sent. If the budget was cut since, only the wait
                is news.
            wait: seconds for which nothing should be sent; no more than 300 count, as in the budget.
        """
        wait = min(wait, LONGEST_HOLD)
        if epoch >= self._permits.epoch:
            self._left = 0
            self._refusals += 1
        self._held_until = max(self._held_until, _now() + wait)
        latest, longest = self._refusal or (epoch, 0.0)
        self._refusal = (max(epoch, latest), max(wait, longest))
        self._is_refused.set()

    def _take_in(self, permits: Permits) -> None:
        now = _now()
        self._permits, self._left, self._due_at = permits, permits.number, now + permits.begins_in
        self._valid_until = self._due_at + SLICE_SECONDS
        self._used, self._leased_at = 0, now

    def _hand_out(self) -> int:
        self._lose_late()
        self._left -= 1
        self._due_at += self._permits.interval
        self._used += 1
        return self._permits.epoch

    def _lose_late(self) -> None:
        """Lose the permits that were not used in time.

        All but one: all at once they would be more than the server lets through.
        """
        now = _now()
        if now > self._valid_until:
            late = max(0, min(int((now - self._due_at - SPARE_SECONDS) / self._permits.interval), self._left - 1))
            self._left -= late
            self._due_at += late * self._permits.interval

    @property
    def _wanted(self) -> int:
        """Number of permits for a quarter of a second."""
        elapsed = max(_now() - self._leased_at, _SHORTEST_LOOK)
        return max(self._waiting, math.ceil(self._used * SLICE_SECONDS / elapsed))

    async def _leased(self) -> Permits:
        try:
            return await self._budget.lease(self._wanted)
        except LedgerError as error:
            _log.warning("nothing is sent until the fleet's budget can be reached: %s", error)
            return Permits(0, _AWAY_SECONDS, 0.0, self._permits.epoch)

    async def _report(self) -> None:
        while True:
            await self._is_refused.wait()
            self._is_refused.clear()
            await self._tell()

    async def _tell(self) -> None:
        refusal, self._refusal = self._refusal, None
        if refusal is None:
            return
        try:
            # The next refusal is told, if there is one.
            with contextlib.suppress(LedgerError):
                await self._budget.report(*refusal)
        except asyncio.CancelledError:
            self._refusal = self._refusal or refusal
            raise

    def _raise_defect(self) -> None:
        """Raise what ended the reports; nobody else hears of it."""
        if self._reporting is not None and self._reporting.done() and not self._reporting.cancelled():
            self._reporting.result()


def _now() -> float:
    return asyncio.get_running_loop().time()
