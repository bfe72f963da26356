"""The pace of a fleet, as a worker needs it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import Protocol


class Pace(Protocol):
    """A budget of requests that all workers draw from."""

    async def acquire(self) -> int:
        """Wait for a permit, and return its epoch.

        It is for one request.
        """
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

    No more than its concurrency are out at once, and each is drawn from the pace of the fleet. The batch that was begun
    first comes first: so one ends while another has still much to send, and the worker's connections are not idle
    between two batches.
    """

    def __init__(self, concurrency: int, pace: Pace) -> None:
        self.pace: Pace = pace
        self._free = concurrency
        self._batches = 0
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    def of_batch(self) -> BatchPermits:
        """Return the permits of a batch that begins now."""
        self._batches += 1
        return BatchPermits(self, self._batches)

    async def take(self, batch: int) -> None:
        """Wait for one of the worker's connections."""
        if self._free > 0:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (batch, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give()
            raise

    def give(self) -> None:
        """Leave a connection to the next who waits."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class BatchPermits:
    """Permits of one batch of a worker."""

    def __init__(self, worker: WorkerPermits, number: int) -> None:
        self._worker = worker
        self._number = number

    async def acquire(self) -> int:
        """Wait for a permit, and return its epoch."""
        await self._worker.take(self._number)
        try:
            return await self._worker.pace.acquire()
        except BaseException:  # whatever it is, the connection is free again
            self._worker.give()
            raise

    def release(self) -> None:
        """Note that a request was answered, or was not sent."""
        self._worker.give()

    def refused(self, epoch: int, wait: float) -> None:
        """Note that Tilia asked for less."""
        self._worker.pace.refused(epoch, wait)
