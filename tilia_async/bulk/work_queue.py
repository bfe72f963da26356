"""A queue of accounts for the job's workers.

Accounts that may be sent now, and the workers who wait for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from tilia_async.bulk.work_item import WorkItem


class WorkQueue:
    """A queue of work that ends.

    It knows when nothing more will come.

    Args:
        most: how many may wait before the one who brings them waits as well.

    Attributes:
        unfinished: how many were brought and have no outcome.
    """

    def __init__(self, most: int) -> None:
        self.unfinished: int = 0
        self._most = most
        self._ready: deque[WorkItem] = deque()
        self._workers: deque[asyncio.Future[None]] = deque()
        self._room = asyncio.Event()
        self._complete = False
        self._closed = False
        self._then: list[Callable[[], None]] = []

    @property
    def is_complete(self) -> bool:
        """No more will be brought."""
        return self._complete

    @property
    def idle(self) -> bool:
        """Nothing waits to be sent."""
        return not self._ready

    def then(self, do: Callable[[], None]) -> None:
        """Do something whenever fewer are left.

        One has its outcome, or no more will be brought.
        """
        self._then.append(do)

    def bring(self, works: Iterable[WorkItem]) -> None:
        """Add works."""
        before = len(self._ready)
        self._ready.extend(works)
        added = len(self._ready) - before
        self.unfinished += added
        self._wake(added)

    def put_back(self, work: WorkItem, *, last: bool = False) -> None:
        """Put back a work that has to be sent again.

        It comes before the others or after them.
        """
        if last:
            self._ready.append(work)
        else:
            self._ready.appendleft(work)
        self._wake(1)

    def finished(self) -> None:
        """Note that a work has its outcome.

        It may have to be put on record yet.
        """
        self.unfinished -= 1
        if not self.unfinished:
            self._wake(len(self._workers))
        self._tell()

    def complete(self) -> None:
        """Say that no more will be brought."""
        self._complete = True
        self._wake(len(self._workers))
        self._tell()

    def close(self) -> None:
        """Say that nothing more is to be sent."""
        self._closed = True
        self._wake(len(self._workers))
        self._room.set()

    async def room(self) -> None:
        """Wait until more may be brought."""
        while len(self._ready) >= self._most and not self._closed:
            self._room.clear()
            await self._room.wait()

    async def take(self) -> WorkItem | None:
        """Return the next work.

        None when nothing more will come.
        """
        while not self._closed:
            if self._ready:
                work = self._ready.popleft()
                if len(self._ready) < self._most:
                    self._room.set()
                return work
            if self._complete and not self.unfinished:
                return None
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._workers.append(turn)
            await turn
        return None

    def _tell(self) -> None:
        for do in self._then:
            do()

    def _wake(self, number: int) -> None:
        while number and self._workers:
            turn = self._workers.popleft()
            if not turn.done():
                turn.set_result(None)
                number -= 1
