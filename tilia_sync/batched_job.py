"""A job in the loop thread, fed in batches.

It is fed from elsewhere: its input and its output cross the border in batches.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from itertools import islice
from time import monotonic
from typing import Final, Generic, TypeVar

import attrs

from tilia_sync.latch import Latch

T = TypeVar("T")
R = TypeVar("R")
Put = Callable[[T], Awaitable[None]]

_READ_SECONDS: Final = 0.02
"""Seconds of reading before a hand-over.

A caller's iterable is read for so long, although more was asked for.
"""


class Feed(AsyncIterator[str]):
    """The feed of a job with a caller's items.

    The caller's thread reads them, as the job asks for them.
    """

    def __init__(self) -> None:
        self.hungry: asyncio.Event = asyncio.Event()
        self._ids: deque[str] = deque()
        self._some = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def give(self, supply: Supply) -> None:
        """Hand over what was read, in the loop's thread."""
        self._ids.extend(supply.ids)
        if supply.error is not None:
            self._ids.clear()
        self._ended = self._ended or supply.ended
        self._error = self._error or supply.error
        if self._ids or self._ended:
            self.hungry.clear()
            self._some.set()

    async def __anext__(self) -> str:
        while not self._ids:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self.hungry.set()
            self._some.clear()
            await self._some.wait()
        return self._ids.popleft()


@attrs.frozen
class Supply:
    """The items of a caller's iterable.

    Attributes:
        ended: there is no more.
        error: what it raised.
    """

    ids: Sequence[str] = ()
    ended: bool = False
    error: Exception | None = None


def supplies(ids: Iterator[str], most: int) -> Iterator[Supply]:
    """Read an iterator in its owner's thread.

    Some at a time, and not for long.
    """
    while True:
        some: list[str] = []
        until = monotonic() + _READ_SECONDS
        try:
            for each in islice(ids, most):
                some.append(each)
                if monotonic() >= until:
                    break
            else:
                if len(some) < most:
                    yield Supply(some, ended=True)
                    return
        except Exception as error:  # noqa: BLE001 - it is the caller's iterable: the job ends with what it raised
            yield Supply(some, ended=True, error=error)
            return
        yield Supply(some)


class BatchedJob(Generic[T, R]):
    """A job in the loop's thread for a caller elsewhere.

    A caller that takes its time hands no ids over meanwhile, and so the job waits for it.

    Args:
        feed: what the job reads.
        work: the job: it puts out what the caller is to get.

    Attributes:
        over: set when the job has ended, or has not begun.
        refusal: what the caller's function raised that takes the results; the job stops for it.
    """

    refusal: Exception | None = None

    def __init__(self, feed: Feed, work: Callable[[Put[T]], Awaitable[R]]) -> None:
        self.over: Latch = Latch()
        self.over.set()
        self._work = work
        self._feed = feed
        self._out: list[T] = []
        self._some = asyncio.Event()
        self._task: asyncio.Task[R] | None = None

    async def turn(self, supply: Supply) -> tuple[Sequence[T], bool]:
        """Hand ids over, in the loop's thread.

        Returns what came of the job, and whether it wants more ids.

        It returns when there is either, and with neither when the job is over.
        """
        self._feed.give(supply)
        if self._task is None:
            self.over = Latch()
            self._task = asyncio.get_running_loop().create_task(self._run())
        waits = [asyncio.ensure_future(event.wait()) for event in (self._some, self._feed.hungry)]
        try:
            await asyncio.wait([*waits, self._task], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        out, self._out = self._out, []
        self._some.clear()
        return out, self._feed.hungry.is_set() and not self._task.done()

    async def result(self) -> R:
        """Return or raise the job's result.

        It runs in the loop's thread.
        """
        if self._task is None:
            raise RuntimeError("the job has not begun")
        return await self._task

    def stop(self) -> None:
        """Stop the job, in the loop's thread."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> R:
        try:
            return await self._work(self._put)
        finally:
            self.over.set()

    async def _put(self, item: T) -> None:
        self._out.append(item)
        self._some.set()
