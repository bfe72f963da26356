"""The deadlines of the calls in one event loop."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

_NEVER: Final = float("inf")


class Deadlines:
    """The deadlines of a loop, on one timer.

    Hardly a call lives until its deadline: setting a timer for each costs more than the calls do.

    It is set for the earliest deadline that there was when it was set. When it rings, it may find that call gone, and
    is set for the earliest that there is then.

    Attributes:
        running: those whose calls are under way. They enter and leave by themselves.
        draining: wait until there are none.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self.running: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.rings_at: float = _NEVER
        self.draining: list[asyncio.Future[None]] = []
        self._kept = 0

    def __len__(self) -> int:
        return len(self.running)

    def keep(self) -> None:
        """Count something that is under way without a deadline.

        Between the requests of one call, for example.
        """
        self._kept += 1

    def release(self) -> None:
        """End what ``keep`` began."""
        self._kept -= 1
        if self.draining and not self.running:
            self.tell_drained()

    async def drained(self) -> None:
        """Wait until nothing is under way."""
        if self.running or self._kept:
            over = self.loop.create_future()
            self.draining.append(over)
            await over

    def end_all(self) -> None:
        """End them now, and leave no timer behind."""
        self._end(_NEVER)

    def ring_at(self, ends_at: float) -> None:
        """Set the timer for that time of the loop's clock."""
        if self._timer is not None:
            self._timer.cancel()
        self.rings_at = ends_at
        self._timer = self.loop.call_at(ends_at, self._ring)

    def _ring(self) -> None:
        # The clock of a loop may be coarser than its timers: this deadline is over, whatever the clock says.
        self._end(max(self.loop.time(), self.rings_at))

    def _end(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.rings_at = _NEVER
        for deadline in [each for each in self.running if each.ends_at <= now]:
            self.running.discard(deadline)
            deadline.end()
        if self.draining and not self.running:
            self.tell_drained()
        if self.running:
            self.ring_at(min(each.ends_at for each in self.running))

    def tell_drained(self) -> None:
        """Wake those who wait, if nothing is under way."""
        if self._kept or self.running:
            return
        waiting, self.draining = self.draining, []
        for over in waiting:
            if not over.done():
                over.set_result(None)


class Deadline:
    """A deadline to be entered by ``with``.

    It raises TimeoutError when the time is up, or when it is ended from outside.

    It cancels the task, and tells its own cancellation from those of others as ``asyncio.timeout`` does.

    Attributes:
        ends_at: on the loop's clock.
    """

    __slots__ = ("_cancelling", "_deadlines", "_over", "_seconds", "_task", "ends_at")

    _cancelling: int
    _task: asyncio.Task[object]
    ends_at: float

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self._over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call runs in a task")
        self._task = task
        self._cancelling = task.cancelling()
        deadlines = self._deadlines
        self.ends_at = deadlines.loop.time() + self._seconds
        deadlines.running.add(self)
        if self.ends_at < deadlines.rings_at:
            deadlines.ring_at(self.ends_at)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        deadlines = self._deadlines
        deadlines.running.discard(self)
        if deadlines.draining and not deadlines.running:
            deadlines.tell_drained()
        # Somebody else's cancellation that came meanwhile goes on.
        if self._over and self._task.uncancel() <= self._cancelling and exc_type is asyncio.CancelledError:
            raise TimeoutError from exc

    def end(self) -> None:
        """End the call: the time is up.

        Only while the call is under way, and once.
        """
        self._over = True
        self._task.cancel()
