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


class Unlimited:
    """A pace that permits all.

    Each worker only follows its own limit.
    """

    async def acquire(self, number: int) -> int:
        """Return the number that is wanted."""
        return number

    def refused(self, wait: float) -> None:
        """Do nothing: the worker's own limit has heard it."""


class WorkerPermits:
    """Permits of one worker, for all its batches.

    No more than its concurrency are out at once, and each is drawn from the pace of the fleet.
    """

    def __init__(self, concurrency: int, pace: Pace) -> None:
        self._pace = pace
        self._most = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._drawing = asyncio.Lock()
        self._left = 0

    async def acquire(self) -> None:
        """Wait until one more request may be sent."""
        await self._slots.acquire()
        try:
            while not self._left:
                async with self._drawing:
                    # Somebody else may have drawn some meanwhile.
                    if not self._left:
                        self._left = await self._pace.acquire(self._most)
        except BaseException:  # whatever it is, the slot is free again
            self._slots.release()
            raise
        self._left -= 1

    def release(self) -> None:
        """Note that a request was answered, or was not sent."""
        self._slots.release()

    def refused(self, wait: float) -> None:
        """Note that Tilia asked for less."""
        self._pace.refused(wait)
