"""An event that happens once.

It is waited for in threads, in greenlets and in signal handlers.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

from tilia_async.os_threads import allocate_lock
from tilia_sync import greenlets

_POLL_SECONDS: Final = 0.1
"""Seconds that a thread waits at once.

A signal that comes just before a wait begins does not end it, and on Windows none does: it is seen when the wait is
over.
"""


class Latch:
    """An event that is set once.

    Unlike ``threading.Event`` it may be waited for, and set, while the same thread is anywhere inside: a signal
    handler or a finalizer may have interrupted a wait to make one of its own.

    Attributes:
        is_set: it has happened.
    """

    __slots__ = ("_lock", "_waiters", "is_set")

    def __init__(self) -> None:
        self.is_set: bool = False
        # A lock that is released once does what an event does, at a fraction of the price.
        self._lock = allocate_lock()
        self._lock.acquire()
        self._waiters: list[greenlets.Waiter] = []

    def set(self) -> None:
        """Let all go on that wait.

        A second time does nothing.
        """
        if self.is_set:
            return
        self.is_set = True
        try:
            self._lock.release()
        except RuntimeError:
            # Two threads came here at once: one of them is enough.
            return
        for each in self._waiters:
            each.wake()

    def wait(self, seconds: float) -> bool:
        """Wait until it is set.

        False if that took longer than so many seconds.
        """
        if self.is_set:
            return True
        waiter = greenlets.waiter()
        if waiter is not None:
            return self._wait_as_greenlet(waiter, seconds)
        # Most waits end within the first of these. An exception that a signal handler raises here is its thread's own,
        # so none is caught; if it strikes while this thread has the lock, others see that it is set at their next look.
        if self._lock.acquire(timeout=min(seconds, _POLL_SECONDS)):
            self._lock.release()
            return True
        latest = monotonic() + seconds - _POLL_SECONDS
        while not self.is_set:
            left = latest - monotonic()
            if left <= 0:
                return False
            if self._lock.acquire(timeout=min(left, _POLL_SECONDS)):
                self._lock.release()
        return True

    def _wait_as_greenlet(self, waiter: greenlets.Waiter, seconds: float) -> bool:
        latest = monotonic() + seconds
        try:
            self._waiters.append(waiter)
            while not self.is_set:
                left = latest - monotonic()
                if left <= 0:
                    return False
                waiter.wait(left)
        finally:
            waiter.close()
        return True
