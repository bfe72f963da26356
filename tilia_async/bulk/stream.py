"""The items of a job as a stream.

One by one as they settle.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from tilia_async.bulk.bounded_queue import BoundedQueue
from tilia_async.bulk.job import Sink
from tilia_async.bulk.outcome import BulkItem, BulkProgress, BulkReport, no_progress
from tilia_async.bulk.run import Run

StartRun = Callable[[Sink], Run]


class BulkStream(AsyncIterator[BulkItem]):
    """Yields the items of a job as they settle.

    It begins with the first item that is asked for.

    A consumer that stops early ends the job: with ``async with`` or ``aclose`` at once, else when nothing refers to
    the stream any more. At most ``concurrency`` items wait for the consumer; then the job waits.
    """

    def __init__(self, start: StartRun, most: int, nothing: BulkReport) -> None:
        self._start = start
        self._most = most
        self._items: BoundedQueue[BulkItem] | None = None
        self._task: asyncio.Task[BulkReport] | None = None
        self._progress: Callable[[], BulkProgress] = no_progress
        self._report: Callable[[], BulkReport] = lambda: nothing
        self._closed = False

    async def __anext__(self) -> BulkItem:
        if self._closed:
            raise StopAsyncIteration
        items = self._begun()
        if await items.has_some():
            return items.pop()
        await self._end()
        raise StopAsyncIteration

    def progress(self) -> BulkProgress:
        """Return the progress of the job.

        Before it begins and after its end, too.
        """
        return self._progress()

    def report(self) -> BulkReport:
        """Return the report so far.

        After the end it is the whole one.

        Accounts whose requests were under way when the job was cancelled are ``UNKNOWN`` in it. It keeps no accounts
        that were found.
        """
        return self._report()

    async def aclose(self) -> None:
        """End the job, if it is not over.

        What is in flight is cancelled. A second time does nothing.
        """
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

    def _begun(self) -> BoundedQueue[BulkItem]:
        if self._items is None:
            items = self._items = BoundedQueue[BulkItem](self._most)
            run = self._start(items.offer)
            self._progress, self._report = run.progress, run.report
            loop = asyncio.get_running_loop()
            task = self._task = loop.create_task(_run(run, items))
            weakref.finalize(self, _abandon, loop, task).atexit = False
        return self._items

    async def _end(self) -> None:
        """Raise what the job ended with, once."""
        task, self._task = self._task, None
        if task is not None:
            await task


async def _run(run: Run, items: BoundedQueue[BulkItem]) -> BulkReport:
    try:
        return await run.run()
    finally:
        items.close()


def _abandon(loop: asyncio.AbstractEventLoop, task: asyncio.Task[BulkReport]) -> None:
    """End the job that nobody reads any more.

    The garbage collector may say so in any thread.
    """
    if not loop.is_closed() and not task.done():
        loop.call_soon_threadsafe(task.cancel)
