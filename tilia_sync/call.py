"""A call on its way through the loop thread."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Generic, TypeAlias, TypeVar

from tilia_async.errors import ClientClosedError
from tilia_async.os_threads import get_ident
from tilia_sync.latch import Latch

T = TypeVar("T")
CoroutineFunction: TypeAlias = Callable[[], Coroutine[object, object, T]]


class Call(Latch, Generic[T]):
    """A coroutine function, its waiting thread, and its result.

    It is set when nothing more will come. The coroutine is made in the loop's thread, which no signal interrupts: a
    caller that Ctrl-C strikes before the loop has the call leaves none behind that was never awaited.

    Attributes:
        context: the caller's context variables, and what the coroutine made of them.
        caller: the thread that waits.
        handed_back: its loop has ended before the coroutine began, which another can run.
    """

    __slots__ = ("_begun", "_cancelled", "_error", "_function", "_task", "_value", "caller", "context", "handed_back")

    def __init__(self, function: CoroutineFunction[T]) -> None:
        super().__init__()
        self.context: contextvars.Context = contextvars.copy_context()
        self.caller: int = get_ident()
        self.handed_back: bool = False
        self._function = function
        self._begun = False
        self._cancelled = False
        self._task: asyncio.Task[None] | None = None
        self._value: list[T] = []
        self._error: BaseException | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start it as a task, in the loop's thread."""
        if not self.is_set:
            self._task = loop.create_task(self._contain(), context=self.context)

    def cancel(self) -> None:
        """Ask it to stop.

        In the loop's thread, or where there is none. One that has not begun will not.
        """
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()
        if not self._begun:
            self.set()

    def hand_back(self) -> None:
        """Hand back what has not begun.

        In the loop's thread, when that is over: another may run it; the rest has ended.
        """
        self.handed_back = not (self._begun or self._cancelled)
        self.set()

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        """Return True if that task is the coroutine's."""
        return task is not None and self._task is task

    @property
    def failed(self) -> bool:
        """True if it has ended without a value."""
        return not self._value

    def result(self) -> T:
        """Return or raise what came of it.

        In the caller's thread, after it ended.
        """
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
            self._value.append(await self._function())
        except BaseException as error:  # noqa: BLE001 - SystemExit would end the loop for all clients; it is the caller's
            self._error = error
        finally:
            # Here, and not in a callback of the task: that would be one turn of the loop later.
            self.set()
