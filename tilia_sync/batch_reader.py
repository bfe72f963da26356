"""An asynchronous iterator for a consumer elsewhere.

It is read in the loop thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, Generic, Protocol, TypeVar, runtime_checkable

from tilia_sync.latch import Latch

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LONGEST_BATCH: Final = 256
"""Most items that cross at once.

So it is the most that wait for a consumer that takes its time.
"""


@runtime_checkable
class Paged(Protocol[T_co]):
    """An iterator that hands out fetched items.

    Lists of Tilia and of a ledger do so.
    """

    async def page(self) -> Sequence[T_co]:
        """Return the items that come next.

        None at the end.
        """
        ...


@runtime_checkable
class Closable(Protocol):
    """An iterator that can be left in the middle.

    It cleans up then, as asynchronous generators do.
    """

    async def aclose(self) -> None:
        """Clean up. A second time does nothing."""
        ...


class BatchReader(Generic[T]):
    """A reader of an asynchronous iterator in batches.

    It hands out whatever is there when the consumer asks.

    One task reads the iterator from its beginning to its end, because task groups and timeouts inside it may not change
    tasks. It reads while the consumer waits; else it goes no further than the item that it was waiting for.

    Attributes:
        over: set when the reading has ended, or has not begun.
    """

    def __init__(self, items: AsyncIterator[T]) -> None:
        self.over: Latch = Latch()
        self.over.set()
        self._items = items
        self._pages: Paged[T] | None = items if isinstance(items, Paged) else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._some = asyncio.Event()
        self._batch: list[T] = []
        self._error: BaseException | None = None

    async def batch(self) -> Sequence[T]:
        """Return the next items; none at the end.

        It runs in the loop's thread.

        Raises:
            RuntimeError: the stream was begun in another loop, as that of a process that this one was forked from.
        """
        if self._pages is not None:
            return await self._pages.page()
        self._begin()
        self._wanted.set()
        # One turn for the reader, which may find many items at once.
        await asyncio.sleep(0)
        if not self._batch:
            await self._some.wait()
        return self._take()

    def stop(self) -> None:
        """End the reading, and let the iterator clean up.

        It runs in the loop's thread.
        """
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        if self._task is None:
            self.over = Latch()
            self._loop = loop
            self._task = loop.create_task(self._read())
        elif self._loop is not loop:
            raise RuntimeError("this iterator was begun in a loop that is not here, as after a fork: ask for a new one")

    def _take(self) -> Sequence[T]:
        self._wanted.clear()
        if self.over.is_set and not self._batch and self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                # A frame that holds the exception that holds the frame is a circle.
                del error
        batch, self._batch = self._batch, []
        if not self.over.is_set:
            self._some.clear()
        return batch

    async def _read(self) -> None:
        try:
            async for item in self._items:
                self._batch.append(item)
                self._some.set()
                if len(self._batch) >= LONGEST_BATCH:
                    self._wanted.clear()
                await self._wanted.wait()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the consumer's
            self._error = error
        try:
            if isinstance(self._items, Closable):
                # In the task that it has run in.
                await self._items.aclose()
        finally:
            self.over.set()
            self._some.set()
