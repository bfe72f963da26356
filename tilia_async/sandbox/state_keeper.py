"""Keeps the sandbox's state in a file while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from tilia_async.sandbox.event_feed import EventFeed
from tilia_async.sandbox.state_file import collect, store, written
from tilia_async.sandbox.world import World

PAUSE: Final = 0.5
"""Seconds between two writes, at least.

A sandbox that is killed loses no more than these and the time of a write.
"""
_SHARE: Final = 10
"""Pause after a write, as a multiple of its collection.

A large state is collected in the event loop, which has other things to do.
"""

_log = logging.getLogger("tilia_async.sandbox")


class StateKeeper:
    """Writes the state after each change.

    Changes that follow each other soon are written together. The file is replaced at once, so that whoever reads it
    finds a whole state.

    Args:
        path: of the file.
        feed: tells of changes.
        world: returns the state, which a reset replaces.
    """

    def __init__(self, path: Path, feed: EventFeed, world: Callable[[], World]) -> None:
        self._path = path
        self._feed = feed
        self._world = world
        self._ending = asyncio.Event()
        self._last = b""
        self._has_failed = False
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def aclose(self) -> None:
        """Write the state for the last time.

        The feed has ended.

        Raises:
            OSError: it cannot be written.
        """
        self._ending.set()
        await self._task
        store(self._path, written(collect(self._world())))

    async def _keep(self) -> None:
        with self._feed.watch() as news:
            while not self._feed.ended:
                news.clear()
                pause = await self._write()
                try:
                    async with asyncio.timeout(pause):
                        await self._ending.wait()
                except TimeoutError:
                    await news.wait()

    async def _write(self) -> float:
        """Write the state, and return how long to pause then."""
        began = monotonic()
        state = collect(self._world())
        took = monotonic() - began
        try:
            await asyncio.to_thread(self._store, state)
        except OSError as error:
            if not self._has_failed:
                _log.warning("the sandbox's state cannot be written to %s: %s", error.filename, error.strerror)
            self._has_failed = True
        else:
            self._has_failed = False
        return max(PAUSE, _SHARE * took)

    def _store(self, state: object) -> None:
        content = written(state)
        if content != self._last:
            store(self._path, content)
            self._last = content
