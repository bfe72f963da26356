"""Lists that come in pages (fact sheet "money", 0.9)."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import attrs

from tilia_async.errors import TransportError

T = TypeVar("T")

DEFAULT_PAGE = 100
"""What Tilia gives by default; its maximum is not documented."""


@attrs.frozen
class Page(Generic[T]):
    """A part of a list.

    Attributes:
        total: how many there are in all; None if the answer does not say.
    """

    items: Sequence[T]
    total: int | None = None


FetchPage = Callable[[int], Awaitable[Page[T]]]


class Pages(AsyncIterator[T]):
    """Yields the items of a list one by one, and fetches each page when the one before it is used up.

    It is for one consumer at a time. An item that moves in the list while it is read may come twice, or not at all.
    """

    def __init__(self, operation: str, fetch: FetchPage[T]) -> None:
        self._operation = operation
        self._fetch = fetch
        self._offset = 0
        self._ended = False
        self._fetching = False
        self._latest: Sequence[T] = ()
        self._waiting: deque[T] = deque()

    async def page(self) -> Sequence[T]:
        """The rest of the page that was begun, or the next one; empty at the end.

        Raises:
            RuntimeError: another consumer waits for a page of it.
            TransportError: the server ends the list early, or sends the same page again.
        """
        if self._waiting:
            rest = list(self._waiting)
            self._waiting.clear()
            return rest
        if self._ended:
            return ()
        if self._fetching:
            raise RuntimeError("a list is read by one consumer; let each ask for a list of its own")
        self._fetching = True
        try:
            page = await self._fetch(self._offset)
        finally:
            self._fetching = False
        self._check(page)
        self._latest = page.items
        self._offset += len(page.items)
        # A page may be shorter than asked for without being the last: the server's maximum is not documented.
        self._ended = not page.items or (page.total is not None and self._offset >= page.total)
        return page.items

    async def __anext__(self) -> T:
        if not self._waiting:
            self._waiting.extend(await self.page())
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.popleft()

    def _check(self, page: Page[T]) -> None:
        """A list that is cut short, or goes round in circles, must not pass for a whole one."""
        if page.items and page.items == self._latest:
            raise TransportError("the same page came twice: offset is not heeded", operation=self._operation)
        if not page.items and page.total is not None and self._offset < page.total:
            raise TransportError(f"the list ended at {self._offset} of {page.total}", operation=self._operation)
