"""The sandbox's events, for whoever watches from outside."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import attrs
import orjson

from tilia_async.json_value import JsonObject

MOST_EVENTS: Final = 2_000
"""Events that are remembered for watchers who come back."""
CHANGED: Final = "state"
RESET: Final = "reset"


@attrs.frozen
class Event:
    """An event, ready to be sent.

    Attributes:
        number: counts the events since the start, from 1.
        data: JSON.
    """

    number: int
    name: str
    data: bytes = attrs.field(repr=False)


class EventFeed:
    """The latest events, and those who wait for the next.

    A watcher holds no queue, only the number of the last event that it was sent: one that is slow costs nothing.

    Attributes:
        ended: nothing follows, until it begins again.
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._watchers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._last = 0
        self._lock = threading.Lock()
        self.ended: bool = False

    @property
    def last(self) -> int:
        """Number of the last event; 0 before the first."""
        return self._last

    @property
    def watchers(self) -> int:
        """Number of those who watch."""
        return len(self._watchers)

    def publish(self, name: str, data: JsonObject) -> None:
        """Remember an event, and wake those who wait.

        Any thread may call this.
        """
        with self._lock:
            self._last += 1
            self._events.append(Event(self._last, name, orjson.dumps(data)))
            self._wake_locked()

    def begin(self) -> None:
        """Let watchers wait for what follows."""
        self.ended = False

    def end(self) -> None:
        """Wake those who wait: nothing follows."""
        with self._lock:
            self.ended = True
            self._wake_locked()

    def after(self, number: int) -> list[Event]:
        """Return the events after a number.

        Where some of them are forgotten, or the number is from before a restart, ``reset`` comes first: load anew.
        """
        with self._lock:
            events, last = list(self._events), self._last
        first = last - len(events)
        if first <= number <= last:
            return events[number - first :]
        return [Event(first, RESET, b"{}"), *events]

    def _wake_locked(self) -> None:
        for watcher, loop in self._watchers.items():
            # A watcher whose loop was closed under it waits for nothing any more.
            if not loop.is_closed():
                loop.call_soon_threadsafe(watcher.set)

    @contextmanager
    def watch(self) -> Generator[asyncio.Event, None, None]:
        """Give an event that is set by the next publication."""
        watcher = asyncio.Event()
        with self._lock:
            self._watchers[watcher] = asyncio.get_running_loop()
        try:
            yield watcher
        finally:
            with self._lock:
                del self._watchers[watcher]
