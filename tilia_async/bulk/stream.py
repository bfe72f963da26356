"""The items of a job, one by one as they settle."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

from tilia_async.bulk.outcome import BulkItem, BulkReport
from tilia_async.bulk.run import Run

StartRun = Callable[[Callable[[BulkItem], Awaitable[None]]], Run]


class _Box:
    """What lies between the job's task and the consumer. It knows neither, so that either may go."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.items: deque[BulkItem] = deque()
        self.some = asyncio.Event()
        self.room = asyncio.Event()
        self.over = False

    async def put(self, item: BulkItem) -> None:
        while len(self.items) >= self._most:
            self.room.clear()
            await self.room.wait()
        self.items.append(item)
        self.some.set()


class BulkStream(AsyncIterator[BulkItem]):
    """Yields the items of a job as they settle. It begins with the first item that is asked for.

    A consumer that stops early ends the job: with ``async with`` or :meth:`aclose` at once, else when nothing refers to
    the stream any more. At most ``concurrency`` items wait for the consumer; then the job waits.
    """

    def __init__(self, start: StartRun, most: int) -> None:
        self._start = start
        self._most = most
        self._box: _Box | None = None
        self._task: asyncio.Task[BulkReport] | None = None
        self._closed = False

    async def __anext__(self) -> BulkItem:
        if self._closed:
            raise StopAsyncIteration
        box = self._begun()
        while not box.items and not box.over:
            box.some.clear()
            await box.some.wait()
        if box.items:
            item = box.items.popleft()
            box.room.set()
            return item
        await self._end()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the job, if it is not over: what is in flight is cancelled. A second time does nothing."""
        self._closed = True
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _begun(self) -> _Box:
        if self._box is None:
            box = self._box = _Box(self._most)
            loop = asyncio.get_running_loop()
            task = self._task = loop.create_task(_run(self._start(box.put), box))
            weakref.finalize(self, _abandon, loop, task).atexit = False
        return self._box

    async def _end(self) -> None:
        """Raise what the job ended with, once."""
        task, self._task = self._task, None
        if task is not None:
            await task


async def _run(run: Run, box: _Box) -> BulkReport:
    try:
        return await run.run()
    finally:
        box.over = True
        box.some.set()


def _abandon(loop: asyncio.AbstractEventLoop, task: asyncio.Task[BulkReport]) -> None:
    """Nobody reads any more. The garbage collector may say so in any thread."""
    if not loop.is_closed() and not task.done():
        loop.call_soon_threadsafe(task.cancel)
