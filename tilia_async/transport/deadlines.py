"""The deadlines of the calls in one event loop."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadlines:
    """They share one timer, since hardly a call lives until its deadline: setting one for each costs more than they do.

    It is set for the earliest deadline that there was when it was set. When it rings, it may find that call gone, and
    is set for the earliest that there is then.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._drained: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._running)

    def add(self, deadline: Deadline, seconds: float) -> None:
        """Let a deadline end in so many seconds."""
        deadline.ends_at = self._loop.time() + seconds
        self._running.add(deadline)
        if self._timer is None or deadline.ends_at < self._rings_at:
            self._set(deadline.ends_at)

    def remove(self, deadline: Deadline) -> None:
        """Its call has ended."""
        self._running.discard(deadline)
        if self._drained and not self._running:
            self._tell()

    async def drained(self) -> None:
        """Wait until no call is under way."""
        if self._running:
            over = self._loop.create_future()
            self._drained.append(over)
            await over

    def end_all(self) -> None:
        """End them now, and leave no timer behind."""
        self._end(float("inf"))

    def _set(self, ends_at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = ends_at
        self._timer = self._loop.call_at(ends_at, self._ring)

    def _ring(self) -> None:
        # The clock of a loop may be coarser than its timers: this deadline is over, whatever the clock says.
        self._end(max(self._loop.time(), self._rings_at))

    def _end(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for deadline in [each for each in self._running if each.ends_at <= now]:
            self._running.discard(deadline)
            deadline.end()
        if self._drained and not self._running:
            self._tell()
        if self._running:
            self._set(min(each.ends_at for each in self._running))

    def _tell(self) -> None:
        waiting, self._drained = self._drained, []
        for over in waiting:
            if not over.done():
                over.set_result(None)


class Deadline:
    """``with`` it: raises TimeoutError when the time is up, or when it is ended from outside.

    It cancels the task, and tells its own cancellation from those of others as :func:`asyncio.timeout` does.

    Attributes:
        ends_at: on the loop's clock.
    """

    __slots__ = ("_cancelling", "_deadlines", "_over", "_seconds", "_task", "ends_at")

    _task: asyncio.Task[object]

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self.ends_at = 0.0
        self._cancelling = 0
        self._deadlines = deadlines
        self._over = False
        self._seconds = seconds

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call runs in a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._deadlines.add(self, self._seconds)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._deadlines.remove(self)
        # Somebody else's cancellation that came meanwhile goes on.
        if self._over and self._task.uncancel() <= self._cancelling and exc_type is asyncio.CancelledError:
            raise TimeoutError from exc

    def end(self) -> None:
        """The time is up. Only while the call is under way, and once."""
        self._over = True
        self._task.cancel()
