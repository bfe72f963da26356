"""Many tasks, few transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class GroupCommit(Generic[T]):
    """Writes what tasks hand in while the transaction before runs, all at once.

    Args:
        write: writes rows; they are durable when it returns.
    """

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._rows: list[T] = []
        self._done: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    async def add(self, *rows: T) -> None:
        """Hand rows in; they are durable when this returns.

        Raises:
            LedgerError: they were not written.
        """
        loop = asyncio.get_running_loop()
        if self._done is None:
            self._done = loop.create_future()
        done = self._done
        self._rows += rows
        if self._writer is None:
            self._writer = loop.create_task(self._write_all())
        # One future for all who wait; the one that is cancelled must not cancel it for the others.
        await asyncio.shield(done)

    async def aclose(self) -> None:
        """Wait until all that was handed in is written."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write_all(self) -> None:
        try:
            while self._done is not None:
                rows, done = self._rows, self._done
                self._rows, self._done = [], None
                await self._write_some(rows, done)
        finally:
            self._writer = None

    async def _write_some(self, rows: Sequence[T], done: asyncio.Future[None]) -> None:
        try:
            await self._write(rows)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            done.set_exception(error)
            # Those who waited may be gone.
            done.exception()
        else:
            done.set_result(None)
