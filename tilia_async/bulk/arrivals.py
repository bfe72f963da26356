"""Reads the accounts of a job as they are needed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Iterable
from time import monotonic
from typing import Final, Protocol, runtime_checkable

_SLICE_SECONDS: Final = 0.002
"""How long a plain iterable may be read in one go; then the event loop has its turn."""


@runtime_checkable
class _Closable(Protocol):
    async def aclose(self) -> None: ...


class Arrivals:
    """Reads ids from an iterable of either kind, and never more than so many ahead.

    Args:
        ids: what to read, once.
        most: how many wait to be taken, at most.
    """

    def __init__(self, ids: Iterable[object] | AsyncIterable[object], most: int) -> None:
        self._ids = ids
        self._most = most
        self._waiting: deque[object] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._over = False

    async def read(self) -> None:
        """Read to the end.

        Raises:
            Exception: as the iterable does.
        """
        try:
            if isinstance(self._ids, AsyncIterable):
                async for each in self._ids:
                    await self._put(each)
            else:
                await self._read_plain(self._ids)
        finally:
            self._over = True
            self._some.set()
            # A job that stops in the middle leaves no generator half done.
            if isinstance(self._ids, _Closable):
                await self._ids.aclose()

    async def take(self) -> list[object]:
        """Those that are there, at least one; none at the end."""
        while not self._waiting and not self._over:
            self._some.clear()
            await self._some.wait()
        taken = list(self._waiting)
        self._waiting.clear()
        self._room.set()
        return taken

    async def _read_plain(self, ids: Iterable[object]) -> None:
        until = monotonic() + _SLICE_SECONDS
        for each in ids:
            await self._put(each)
            if monotonic() >= until:
                await asyncio.sleep(0)
                until = monotonic() + _SLICE_SECONDS

    async def _put(self, each: object) -> None:
        while len(self._waiting) >= self._most:
            self._room.clear()
            await self._room.wait()
        self._waiting.append(each)
        self._some.set()
