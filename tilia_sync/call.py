"""One coroutine on its way through the loop thread."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Coroutine
from time import monotonic
from typing import Final, Generic, TypeVar

from tilia_async.errors import ClientClosedError

T = TypeVar("T")

_POLL_SECONDS: Final = 0.1
"""How long the main thread waits at once. A signal that comes just before a wait begins does not end it, and on Windows
none does: it is seen when the wait is over."""


class Call(Generic[T]):
    """A coroutine, the thread that waits for it, and what came of it.

    Attributes:
        context: the caller's context variables, and what the coroutine made of them.
        caller: the thread that waits.
        ended: nothing more will come of it.
    """

    __slots__ = (
        "_begun",
        "_cancelled",
        "_coroutine",
        "_end",
        "_error",
        "_task",
        "_value",
        "caller",
        "context",
        "ended",
    )

    def __init__(self, coroutine: Coroutine[object, object, T]) -> None:
        self.context = contextvars.copy_context()
        self.caller = threading.get_ident()
        self.ended = False
        self._coroutine = coroutine
        # A lock that is released once does what an event does, at a fraction of the price.
        self._end = threading.Lock()
        self._end.acquire()
        self._begun = False
        self._cancelled = False
        self._task: asyncio.Task[None] | None = None
        self._value: list[T] = []
        self._error: BaseException | None = None

    def start(self) -> None:
        """In the loop's thread: make a task of it."""
        self._task = asyncio.get_running_loop().create_task(self._contain(), context=self.context)

    def cancel(self) -> None:
        """In the loop's thread, or where there is none: ask it to stop; one that has not begun will not."""
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()
        if not self._begun:
            self._coroutine.close()
            self.end()

    def end(self) -> None:
        """Nothing more will come of it. A second time does nothing."""
        if not self.ended:
            self.ended = True
            # Two threads may come here at once when the loop ends: one of them is enough.
            with contextlib.suppress(RuntimeError):
                self._end.release()

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        """Whether that task is the coroutine's."""
        return task is not None and self._task is task

    @property
    def failed(self) -> bool:
        """It has ended without a value."""
        return not self._value

    def wait(self, seconds: float | None = None) -> bool:
        """In the caller's thread: until it ended; False if that took too long."""
        # Most calls end within this time, and the rest of the rules costs more than the lock.
        at_once = _POLL_SECONDS if seconds is None else min(seconds, _POLL_SECONDS)
        if self.ended or self._end.acquire(timeout=at_once):
            return True
        left = None if seconds is None else seconds - at_once
        if self.caller != threading.main_thread().ident:
            # Python handles signals in the main thread only.
            return self.ended or self._end.acquire(timeout=-1 if left is None else left)
        latest = None if left is None else monotonic() + left
        # The boolean says whether it ended. An exception that a signal handler raises here is the caller's own,
        # whatever its class, so none is caught.
        while not (self.ended or self._end.acquire(timeout=_POLL_SECONDS)):
            if latest is not None and monotonic() >= latest:
                return False
        return True

    def result(self) -> T:
        """In the caller's thread, after it ended: what came of it."""
        if self._value:
            return self._value[0]
        if self._error is None or (self._cancelled and isinstance(self._error, asyncio.CancelledError)):
            # Nobody who could have cancelled it is here any more: the thread was stopped.
            raise ClientClosedError("the loop thread was stopped during the call", took_effect=None)
        error, self._error = self._error, None
        try:
            raise error
        finally:
            # A frame that holds the exception that holds the frame is a circle.
            del error

    async def _contain(self) -> None:
        self._begun = True
        try:
            self._value.append(await self._coroutine)
        except BaseException as error:  # noqa: BLE001 - SystemExit would end the loop for all clients; it is the caller's
            self._error = error
        finally:
            # Here, and not in a callback of the task: that would be one turn of the loop later.
            self.end()
