"""Lists that come in pages (fact sheet "money", 0.9)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import attrs

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

    An item that moves in the list while it is read may come twice, or not at all.
    """

    def __init__(self, fetch: FetchPage[T]) -> None:
        self._fetch = fetch
        self._offset = 0
        self._ended = False
        self._waiting: list[T] = []

    async def page(self) -> Sequence[T]:
        """The rest of the page that was begun, or the next one; empty at the end."""
        if self._waiting:
            rest, self._waiting = self._waiting[::-1], []
            return rest
        if self._ended:
            return ()
        page = await self._fetch(self._offset)
        self._offset += len(page.items)
        # A page may be shorter than asked for without being the last: the server's maximum is not documented.
        self._ended = not page.items or (page.total is not None and self._offset >= page.total)
        return page.items

    async def __anext__(self) -> T:
        if not self._waiting:
            self._waiting = list(reversed(await self.page()))
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.pop()
