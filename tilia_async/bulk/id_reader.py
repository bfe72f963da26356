"""Reads the accounts of a job as they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable
from time import monotonic
from typing import Final, Protocol, runtime_checkable

from tilia_async.bulk.bounded_queue import BoundedQueue

_SLICE_SECONDS: Final = 0.002
"""Seconds that a plain iterable is read at once.

Then the event loop has its turn.
"""


@runtime_checkable
class _Closable(Protocol):
    async def aclose(self) -> None: ...


class IdReader:
    """Reader of ids, with a bounded read-ahead.

    It reads an iterable of either kind, and never more than so many ahead.

    Args:
        ids: what to read, once.
        most: how many wait to be taken, at most.
    """

    def __init__(self, ids: Iterable[object] | AsyncIterable[object], most: int) -> None:
        self._ids = ids
        self._queue = BoundedQueue[object](most)

    async def read(self) -> None:
        """Read to the end.

        Raises:
            Exception: as the iterable does.
        """
        try:
            if isinstance(self._ids, AsyncIterable):
                async for each in self._ids:
                    if (room := self._queue.offer(each)) is not None:
                        await room
            else:
                await self._read_plain(self._ids)
        finally:
            self._queue.close()
            # A job that stops in the middle leaves no generator half done.
            if isinstance(self._ids, _Closable):
                await self._ids.aclose()

    async def take(self) -> list[object]:
        """Return all ids read so far, at least one.

        None at the end.
        """
        return await self._queue.take_all()

    async def _read_plain(self, ids: Iterable[object]) -> None:
        until = monotonic() + _SLICE_SECONDS
        for each in ids:
            if (room := self._queue.offer(each)) is not None:
                await room
            if monotonic() >= until:
                await asyncio.sleep(0)
                until = monotonic() + _SLICE_SECONDS
