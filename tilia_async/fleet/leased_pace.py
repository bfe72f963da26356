"""A worker's share of the fleet's budget."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from types import TracebackType
from typing import Final, Self

from tilia_async.errors import LedgerError
from tilia_async.fleet.budget import LONGEST_HOLD, SPARE_SECONDS, Budget, Permits

_LONGEST_PAUSE: Final = 2.0
_LONGEST_HELD: Final = 10.0
_AWAY_SECONDS: Final = 1.0
_NONE: Final = Permits(0, 0.0, 0.0, 0)

_log = logging.getLogger("tilia_async.fleet")


class LeasedPace:
    """Pace of a worker, out of its fleet's budget.

    It leases some permits at a time and hands them out when each is due. When Tilia asks for less it hands out none of
    those that are left, and tells the fleet at once. While the budget cannot be reached it hands out none.

    ::

        async with LeasedPace(budget) as pace:
            number = await pace.acquire(8)

    Used from one event loop.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._permits = _NONE
        self._left = 0
        self._due_at = 0.0
        self._held_until = float("-inf")
        self._drawing = asyncio.Lock()
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

    async def acquire(self, number: int) -> int:
        """Wait for permits to send, and return their number.

        Args:
            number: as many are wanted, at least 1; there may be fewer, and never none.
        """
        async with self._drawing:
            pause = 0.0
            while True:
                wait = max(self._held_until, self._due_at) - _now()
                if self._left and wait <= 0:
                    return self._hand_out(number)
                if self._left:
                    await asyncio.sleep(wait)
                    continue
                self._raise_defect()
                refusals = self._refusals
                permits = await self._leased(number)
                if refusals != self._refusals:
                    # They are of a budget that was too large.
                    continue
                if permits.number:
                    self._permits, self._left, self._due_at = permits, permits.number, _now() + permits.begins_in
                    continue
                # Many that wait must not all ask again at the same moment, nor ever oftener.
                pause = max(min(permits.begins_in, _LONGEST_HELD), min(pause * 1.5, _LONGEST_PAUSE))
                await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load

    def refused(self, wait: float) -> None:
        """Note that Tilia asked for less.

        Args:
            wait: seconds for which nothing should be sent; no more than 300 count, as in the budget.
        """
        wait = min(wait, LONGEST_HOLD)
        self._left = 0
        self._refusals += 1
        self._held_until = max(self._held_until, _now() + wait)
        self._refusal = (self._permits.epoch, max(wait, self._refusal[1] if self._refusal else 0.0))
        self._is_refused.set()

    def _hand_out(self, number: int) -> int:
        self._lose_late()
        due = 1 + int((_now() - self._due_at) / self._permits.interval)
        number = min(number, due, self._left)
        self._take(number)
        return number

    def _lose_late(self) -> None:
        """Lose the permits that were not used in time.

        All but one: all at once they would be more than the server lets through.
        """
        late = int((_now() - self._due_at - SPARE_SECONDS) / self._permits.interval)
        self._take(max(0, min(late, self._left - 1)))

    def _take(self, number: int) -> None:
        self._left -= number
        self._due_at += number * self._permits.interval

    async def _leased(self, number: int) -> Permits:
        try:
            return await self._budget.lease(number)
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
