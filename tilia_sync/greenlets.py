"""Waiting where greenlets share a thread.

With gevent or eventlet: the others go on meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, Protocol

from tilia_async.os_threads import original

_LOOK_SECONDS: Final = 0.01
"""Seconds between looks of eventlet's greenlets.

Where they cannot be woken, because there are no file descriptors left.
"""

_write: Final[Callable[[int, bytes], int]] = original("os", "write")


class Waiter(Protocol):
    """A greenlet that waits, or is about to."""

    def wait(self, seconds: float) -> None:
        """Let the others go on until it is woken.

        It waits so long at most.
        """
        ...

    def wake(self) -> None:
        """End its waiting, from any thread.

        The end counts before it begins, too.
        """
        ...

    def close(self) -> None:
        """Give back what it took to be woken."""
        ...


def waiter() -> Waiter | None:
    """Return a waiter for a greenlet.

    None in an ordinary thread, and where a greenlet may not wait.
    """
    if (gevent := sys.modules.get("gevent.hub")) is not None and (hub := _gevents_hub()) is not None:
        # The hub's own greenlet runs callbacks, and a signal handler may be one; it has nobody to switch to.
        return None if gevent.getcurrent() is hub else _GeventWaiter(hub)
    if (eventlet := sys.modules.get("eventlet.hubs")) is not None and (hub := _eventlets_hub(eventlet)) is not None:
        return None if sys.modules["greenlet"].getcurrent() is hub.greenlet else _EventletWaiter(eventlet)
    return None


def forget_hub() -> None:
    """Give back the hub of a thread of ours.

    At the thread's end; gevent's sockets have made the hub in it.
    """
    hub = _gevents_hub() if "gevent.hub" in sys.modules else None
    if hub is not None:
        hub.destroy(destroy_loop=True)


def _gevents_hub() -> Any:  # gevent brings no types of its own
    """Return this thread's hub, if it has one.

    Asking for it in public makes one.
    """
    return sys.modules["gevent._hub_local"].get_hub_if_exists()


def _eventlets_hub(eventlet: ModuleType) -> Any:  # nor does eventlet
    return getattr(eventlet._threadlocal, "hub", None)  # noqa: SLF001 - asking in public makes one, as above


class _GeventWaiter:
    def __init__(self, hub: Any) -> None:  # as above
        self._woken = sys.modules["gevent.event"].Event()
        # gevent's only way into a hub from another thread.
        self._watcher = hub.loop.async_()
        self._watcher.start(self._woken.set)

    def wait(self, seconds: float) -> None:
        self._woken.wait(seconds)

    def wake(self) -> None:
        # The hub may have been destroyed, and the waiting be over.
        with contextlib.suppress(Exception):
            self._watcher.send()

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()


class _EventletWaiter:
    """A waiter for eventlet.

    eventlet has no way into a hub from another thread but a file descriptor.
    """

    def __init__(self, eventlet: ModuleType) -> None:
        self._trampoline: Callable[..., object] = eventlet.trampoline
        self._reader: int | None = None
        # Whoever takes it out closes it: whoever wakes, or the greenlet.
        self._writer: list[int] = []
        with contextlib.suppress(OSError):
            self._reader, writer = os.pipe()
            self._writer.append(writer)

    def wait(self, seconds: float) -> None:
        if self._reader is None:
            sys.modules["eventlet"].sleep(min(seconds, _LOOK_SECONDS))
            return
        with contextlib.suppress(_TimeIsUpError):
            self._trampoline(self._reader, read=True, timeout=seconds, timeout_exc=_TimeIsUpError)

    def wake(self) -> None:
        with contextlib.suppress(IndexError):
            writer = self._writer.pop()
            # Not by closing it alone, which a forked child undoes that has it, too.
            _write(writer, b"\0")
            os.close(writer)

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            os.close(reader)
        with contextlib.suppress(IndexError):
            os.close(self._writer.pop())


class _TimeIsUpError(Exception):
    """A greenlet has waited as long as it was to."""
