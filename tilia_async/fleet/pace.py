"""The pace of a fleet, as a worker needs it."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Pace(Protocol):
    """A budget of requests that all workers draw from."""

    async def acquire(self) -> int:
        """Wait for a permit to send one request, and return its epoch."""
        ...

    def refused(self, epoch: int, wait: float) -> None:
        """Note that Tilia asked for less.

        Args:
            epoch: of the permit under which the refused request was sent.
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

    async def acquire(self) -> int:
        """Wait until one more request may be sent, and return the epoch of its permit."""
        await self._slots.acquire()
        try:
            return await self._pace.acquire()
        except BaseException:  # whatever it is, the slot is free again
            self._slots.release()
            raise

    def release(self) -> None:
        """Note that a request was answered, or was not sent."""
        self._slots.release()

    def refused(self, epoch: int, wait: float) -> None:
        """Note that Tilia asked for less."""
        self._pace.refused(epoch, wait)
