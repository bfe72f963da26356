"""A bulk job that may be observed."""

from __future__ import annotations

from time import monotonic
from types import TracebackType
from typing import Self

from tilia_async.observe import log_lines
from tilia_async.observe.hooks import EVERYWHERE, Observers, tell
from tilia_async.observe.observer import ObservedJob


class WatchedJob:
    """A bulk job whose observers are told of it.

    It is entered for as long as the run lasts.

    Args:
        observers: those of the client; those of the whole process are told, too.
    """

    def __init__(self, observers: Observers, action: str) -> None:
        self._own = observers
        self._observers: Observers = ()
        self._job = ObservedJob(action)
        self._started = 0.0

    def __enter__(self) -> Self:
        self._observers = (*EVERYWHERE, *self._own)
        self._started = monotonic()
        for each in (*log_lines.LINES, *self._observers):
            tell(each.job_started, self._job)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._job.elapsed = monotonic() - self._started
        self._job.stopped_by = None if exc_type is None else exc_type.__name__
        for each in (*log_lines.LINES, *self._observers):
            tell(each.job_ended, self._job)

    def settled(self, outcome: str) -> None:
        """Note that an account has its outcome."""
        counts = self._job.counts
        counts[outcome] = counts.get(outcome, 0) + 1
        for each in self._observers:
            tell(each.account_settled, self._job, outcome)
