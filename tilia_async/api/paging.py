"""Lists that come in pages (fact sheet "money", 0.9)."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import attrs

from tilia_async.errors import TransportError

T = TypeVar("T")

DEFAULT_PAGE = 100
"""Items on a page by Tilia's default.

Its maximum is not documented.
"""


_REMEMBERED: Final = 10_000
"""Number of items that are recognised when they come twice.

A list moves by a page or two while it is read.
"""


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
    """Items of a list, fetched page by page.

    Yields them one by one, and fetches each page when the one before it is used up.

    It is for one consumer at a time. Pages are counted from the start of the list, so an item that leaves the list or
    moves in it while it is read lets another slip past. What tells of that (the total falls; an item comes again
    although the list has not grown) is an error at the end, after all that was found: such a list does not pass for
    a whole one. An item that comes again is left out. A full page is never taken for the last one, whatever total it
    tells: the page after it has to be empty.

    Args:
        identify: the id of an item.
        page_size: as many items are asked for at once.
    """

    def __init__(
        self, operation: str, fetch: FetchPage[T], identify: Callable[[T], str], page_size: int = DEFAULT_PAGE
    ) -> None:
        self._operation = operation
        self._fetch = fetch
        self._identify = identify
        # A server may give no more at once than it gives by default.
        self._full = min(page_size, DEFAULT_PAGE)
        self._seen: dict[str, None] = {}
        self._total: int | None = None
        self._moved = ""
        self._flaw = ""
        self._offset = 0
        self._ended = False
        self._fetching = False
        self._latest: Sequence[T] = ()
        self._waiting: deque[T] = deque()

    @property
    def flaw(self) -> str:
        """The reason why the list may be incomplete.

        Empty while nothing tells against it.
        """
        return self._flaw or self._moved

    async def page(self) -> Sequence[T]:
        """Return the rest of the page, or the next.

        Empty at the end.

        Raises:
            RuntimeError: another consumer waits for a page of it.
            TransportError: the server ends the list early, or sends the same page again; at the end: it has changed.
        """
        if self._waiting:
            rest = list(self._waiting)
            self._waiting.clear()
            return rest
        while not self._ended:
            if items := await self._next():
                return items
        if self._moved:
            raise TransportError(self._moved, operation=self._operation)
        return ()

    async def _next(self) -> Sequence[T]:
        """Fetch the next page; return the items that are new."""
        if self._fetching:
            raise RuntimeError("a list is read by one consumer; let each ask for a list of its own")
        self._fetching = True
        try:
            page = await self._fetch(self._offset)
        finally:
            self._fetching = False
        self._check(page)
        fresh = self._without_known(page)
        self._latest = page.items
        self._total = page.total
        self._offset += len(page.items)
        # A page may be shorter than asked for without being the last: the server's maximum is not documented.
        self._ended = not page.items or (page.total == self._offset and len(page.items) < self._full)
        return fresh

    async def __anext__(self) -> T:
        if not self._waiting:
            self._waiting.extend(await self.page())
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.popleft()

    def _without_known(self, page: Page[T]) -> Sequence[T]:
        """Return the items that have not come before.

        A sign that the list has changed meanwhile is noted.
        """
        fresh = [item for item in page.items if self._identify(item) not in self._seen]
        again = len(page.items) - len(fresh)
        if again and not fresh:
            raise self._flawed("it goes round in circles: all of a page came before")
        grown = 0 if page.total is None or self._total is None else page.total - self._total
        if grown < 0:
            self._tell_of_move(f"of {self._total} entries {page.total} are left, so as many as {-grown} may be missing")
        elif again > grown:
            self._tell_of_move(f"{again} came again, so as many others may be missing")
        read = self._offset + len(page.items)
        if page.items and page.total is not None and page.total < read:
            self._tell_of_move(f"of {page.total} entries {read} came, so others may be missing")
        self._seen.update(dict.fromkeys(map(self._identify, fresh)))
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return fresh

    def _tell_of_move(self, how: str) -> None:
        advice = "Read it again; to change its entries, collect them first"
        self._moved = self._moved or f"the list changed while it was read: {how}. {advice}"

    def _check(self, page: Page[T]) -> None:
        """Refuse a list that is cut short or circular.

        A list that is cut short, or goes round in circles, must not pass for a whole one.
        """
        if page.items and page.items == self._latest:
            raise self._flawed("the same page came twice: offset is not heeded")
        if not page.items and page.total is not None and self._offset < page.total:
            raise self._flawed(f"the list ended at {self._offset} of {page.total}")

    def _flawed(self, how: str) -> TransportError:
        self._flaw = how
        return TransportError(how, operation=self._operation)
