"""Many tasks, few transactions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Generic, TypeAlias, TypeVar

T = TypeVar("T")

OnDurable: TypeAlias = Callable[[BaseException | None], bool]
"""A callback for rows that are durable, or failed.

It is called once rows are durable, or with the reason why they are not; returns whether anybody heard.
"""

LONGEST_WAIT: Final = 0.004
"""Longest wait of rows without urgency, in seconds.

They wait for others so that they share a transaction.
"""

SHORTEST_GAP: Final = 0.003
"""Seconds between two transactions without an urgent row, at least."""

_TURNS_OF_AN_ANSWER: Final = 3
"""Turns of the event loop between answer and row.

So often it goes round between the bytes of an answer and the row that comes of it.
"""

_log = logging.getLogger("tilia_async.ledger")


class GroupCommit(Generic[T]):
    """A writer that commits the rows of many tasks together.

    It writes what tasks hand in while the transaction before runs, all at once.

    Args:
        write: writes rows; they are durable when it returns.
    """

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._rows: list[T] = []
        self._waiting: list[OnDurable | None] = []
        self._is_urgent = False
        self._hurry = asyncio.Event()
        self._written_at = float("-inf")
        self._writer: asyncio.Task[None] | None = None

    async def add(self, *rows: T, urgent: bool = True) -> None:
        """Hand rows in; they are durable when this returns.

        Without rows, it waits until all that was handed in before is written, or told as not written.

        Raises:
            LedgerError: they were not written.
        """
        if not rows and self._writer is None:
            return
        # One for each who waits: the one that is cancelled takes its own along and no other.
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.put(*rows, on_durable=partial(_tell, durable), urgent=urgent)
        await durable

    def put(self, *rows: T, on_durable: OnDurable | None = None, urgent: bool = True) -> None:
        """Hand rows in, and do not wait for them.

        Args:
            on_durable: called in the event loop when they are durable, or with the error if they are not; None: an
                error is logged.
            urgent: False: they may wait a few milliseconds for others.
        """
        self._rows += rows
        self._waiting.append(on_durable)
        if urgent and not self._is_urgent:
            self._is_urgent = True
            self._hurry.set()
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_all())

    async def aclose(self) -> None:
        """Write all that was handed in, and wait for that."""
        self._is_urgent = True
        self._hurry.set()
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                if not self._is_urgent:
                    await self._let_come()
                self._is_urgent = False
                self._hurry.clear()
                rows, waiting = self._rows, self._waiting
                self._rows, self._waiting = [], []
                await self._write_some(rows, waiting)
                self._written_at = asyncio.get_running_loop().time()
        finally:
            self._writer = None

    async def _let_come(self) -> None:
        """Wait for more while they keep coming.

        It ends when one is urgent.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST_WAIT
        pause = self._written_at + SHORTEST_GAP - loop.time()
        if pause > 0:
            timer = loop.call_later(pause, self._hurry.set)
            await self._hurry.wait()
            timer.cancel()
        seen = 0
        while seen < len(self._waiting) and not self._is_urgent and loop.time() < until:
            seen = len(self._waiting)
            for _ in range(_TURNS_OF_AN_ANSWER):
                await asyncio.sleep(0)

    async def _write_some(self, rows: Sequence[T], waiting: Sequence[OnDurable | None]) -> None:
        failure: BaseException | None = None
        try:
            if rows:
                await self._write(rows)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            failure = error
        unheard = 0
        for on_durable in waiting:
            unheard += on_durable is None or not on_durable(failure)
        if failure is not None and unheard:
            _log.error("what %d calls left to the ledger is not on record: %s", unheard, failure)


def _tell(durable: asyncio.Future[None], failure: BaseException | None) -> bool:
    if durable.done():
        # Who waited was cancelled.
        return False
    if failure is None:
        durable.set_result(None)
    else:
        durable.set_exception(failure)
    return True
