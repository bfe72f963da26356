"""Many tasks, few transactions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Final, Generic, TypeVar

import anyio

T = TypeVar("T")

_log = logging.getLogger("tilia_async")

_LULL_SECONDS: Final = 0.004
"""When none has come for so long, those that are there are written."""


class GroupCommit(Generic[T]):
    """Writes what tasks hand in while the transaction before runs, all at once.

    Args:
        write: writes rows; they are durable when it returns.
        enough: rows that are written at once; fewer wait as long as more keep coming,
        patience: but no longer than that, in seconds.
    """

    def __init__(
        self, write: Callable[[Sequence[T]], Awaitable[None]], *, enough: int = 1, patience: float = 0.0
    ) -> None:
        self._write = write
        self._enough = enough
        self._patience = patience
        self._filled = asyncio.Event()
        self._rows: list[T] = []
        # None for those who do not wait.
        self._waiting: list[asyncio.Future[None] | None] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, *rows: T) -> None:
        """Hand rows in; they are durable when this returns.

        Raises:
            LedgerError: they were not written.
        """
        if not rows:
            return
        # One for each who waits: the one that is cancelled takes its own along and no other.
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hand_in(rows, durable)
        await durable

    def put(self, *rows: T) -> None:
        """Hand rows in, and do not wait for them."""
        self._hand_in(rows, None)

    def _hand_in(self, rows: Sequence[T], durable: asyncio.Future[None] | None) -> None:
        self._waiting.append(durable)
        self._rows += rows
        if len(self._rows) >= self._enough:
            self._filled.set()
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_all())

    async def aclose(self) -> None:
        """Write all that was handed in, and wait for that."""
        self._filled.set()
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write_all(self) -> None:
        try:
            while self._rows:
                await self._let_come()
                self._filled.clear()
                rows, waiting = self._rows, self._waiting
                self._rows, self._waiting = [], []
                await self._write_some(rows, waiting)
        finally:
            self._writer = None

    async def _let_come(self) -> None:
        """Wait for more as long as they keep coming."""
        until = monotonic() + self._patience
        seen = 0
        while seen < len(self._rows) < self._enough and monotonic() < until:
            seen = len(self._rows)
            with anyio.move_on_after(_LULL_SECONDS):
                await self._filled.wait()

    async def _write_some(self, rows: Sequence[T], waiting: Sequence[asyncio.Future[None] | None]) -> None:
        failure: BaseException | None = None
        try:
            await self._write(rows)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            failure = error
        unheard = 0
        for durable in waiting:
            if durable is None or durable.done():
                unheard += 1
            elif failure is None:
                durable.set_result(None)
            else:
                durable.set_exception(failure)
        if failure is not None and unheard:
            _log.error("what %d calls left to the ledger is not on record: %s", unheard, failure)
