"""A bounded queue between a producer and a consumer.

Both may take their time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """Holds back who puts more into it than may wait.

    It knows neither side, so that either may go.

    Args:
        most: how many may wait to be taken.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: deque[T] = deque()
        self._putting: deque[tuple[T, asyncio.Future[None]]] = deque()
        self._some = asyncio.Event()
        self._closed = False

    def offer(self, item: T) -> Awaitable[None] | None:
        """Put an item, if there is room.

        Else return an awaitable that puts it as soon as there is.
        """
        if len(self._items) >= self._most or self._putting:
            return self._put(item)
        self._items.append(item)
        self._some.set()
        return None

    def close(self) -> None:
        """Say that nothing more will be put."""
        self._closed = True
        self._some.set()

    async def has_some(self) -> bool:
        """Wait for an item; False if nothing more will come."""
        while not self._items and not self._closed:
            self._some.clear()
            await self._some.wait()
        return bool(self._items)

    async def take_all(self) -> list[T]:
        """Return all items that are there, at least one.

        None at the end.
        """
        await self.has_some()
        taken = list(self._items)
        self._items.clear()
        self._make_room()
        return taken

    def pop(self) -> T:
        """Return the first item; there has to be one."""
        item = self._items.popleft()
        self._make_room()
        return item

    async def _put(self, item: T) -> None:
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._putting.append((item, taken))
        await taken

    def _make_room(self) -> None:
        while self._putting and len(self._items) < self._most:
            item, taken = self._putting.popleft()
            # Who put it may have been cancelled.
            if not taken.done():
                taken.set_result(None)
                self._items.append(item)
                self._some.set()
