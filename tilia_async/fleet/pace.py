"""The pace of a fleet, as a worker needs it."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Pace(Protocol):
    """A budget of requests that all workers draw from."""

    async def acquire(self, number: int) -> int:
        """Wait for permits to send, and return their number.

        Args:
            number: as many are wanted, at least 1; there may be fewer, and never none.
        """
        ...

    def refused(self, wait: float) -> None:
        """Note that Tilia asked for less.

        Args:
            wait: seconds for which nothing should be sent.
        """
        ...


class WorkerPermits:
    """Permits of one worker, for all its batches.

    No more than its concurrency are out at once, and each is drawn from the pace of the fleet.
    """

    def __init__(self, concurrency: int, pace: Pace) -> None:
        self._pace = pace
        self._slots = asyncio.Semaphore(concurrency)

    async def acquire(self) -> None:
        """Wait until one more request may be sent."""
        await self._slots.acquire()
        try:
            await self._pace.acquire(1)
        except BaseException:  # whatever it is, the slot is free again
            self._slots.release()
            raise

    def release(self) -> None:
        """Note that a request was answered, or was not sent."""
        self._slots.release()

    def refused(self, wait: float) -> None:
        """Note that Tilia asked for less."""
        self._pace.refused(wait)
