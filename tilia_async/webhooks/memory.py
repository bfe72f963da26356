"""Memory of handled events, and turns of running ones."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from typing import Generic, TypeVar

from tilia_async.os_threads import ProcessLock
from tilia_async.webhooks.event import Event

L = TypeVar("L")


class Memory:
    """The last handled state of each entity.

    Only the most recent entities are kept, so it does not grow for ever.

    Only the last one counts: blocked, unblocked, blocked are three events and not two with a repetition.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = ProcessLock()

    def knows(self, event: Event) -> bool:
        """Return True if the event repeats its entity's last.

        What was handled last of its entity. Without an entity nobody can tell: False.
        """
        key = _key(event)
        return key is not None and self._last.get(key) == event.digest

    def forget(self, event: Event) -> None:
        """Forget the entity of an event about to be handled.

        It may end halfway: until it is done, nothing is its entity's state.
        """
        key = _key(event)
        if key is not None:
            with self._lock:
                self._last.pop(key, None)

    def remember(self, event: Event) -> None:
        """Remember an event that was handled to its end."""
        key = _key(event)
        if key is None:
            return
        with self._lock:
            self._last[key] = event.digest
            self._last.move_to_end(key)
            if len(self._last) > self._limit:
                self._last.popitem(last=False)

    def __len__(self) -> int:
        return len(self._last)


def _key(event: Event) -> bytes | None:
    """Return a key of fixed size for an entity.

    Its size does not depend on how long the ids in a message are.
    """
    entity = event.entity
    return None if entity is None else hashlib.sha256(repr(entity).encode()).digest()


class Turns(Generic[L]):
    """Locks of the entities that are being handled.

    One for each entity whose event is being handled, and none for the others.

    Args:
        new_lock: makes one; ``asyncio.Lock`` or ``threading.Lock``.
    """

    def __init__(self, new_lock: Callable[[], L]) -> None:
        self._new_lock = new_lock
        self._guard = ProcessLock()
        self._process = os.getpid()
        self._locks: dict[Hashable, tuple[L, int]] = {}

    @contextmanager
    def lock(self, key: Hashable) -> Generator[L, None, None]:
        """Return the lock of this key.

        Kept for as long as anybody holds it or waits for it.
        """
        with self._guard:
            if self._process != os.getpid():
                # Nobody here would release those of the process that this one was forked from.
                self._process, self._locks = os.getpid(), {}
            lock, users = self._locks.get(key) or (self._new_lock(), 0)
            self._locks[key] = (lock, users + 1)
        try:
            yield lock
        finally:
            with self._guard:
                lock, users = self._locks.pop(key, (lock, 1))
                if users > 1:
                    self._locks[key] = (lock, users - 1)

    def __len__(self) -> int:
        return len(self._locks)
