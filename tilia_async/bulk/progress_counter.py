"""Counts the outcomes of a job while it runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

from tilia_async.bulk.outcome import MOST_FAILURES, BulkItem, BulkOutcome, BulkReport
from tilia_async.models.accounts import Account
from tilia_async.observe.watched_job import WatchedJob

_SAMPLE_SECONDS: Final = 0.25
_SAMPLES: Final = 20

_WELL: Final = frozenset({BulkOutcome.DONE, BulkOutcome.SKIPPED})


class ProgressCounter:
    """The outcomes of a job so far.

    Args:
        watched: is told of each account.
        keeps_accounts: keep what a look-up finds, for the report.
        now: seconds on the monotonic clock.
    """

    def __init__(self, now: float, watched: WatchedJob, *, keeps_accounts: bool) -> None:
        self._watched = watched
        self.total: int = 0
        self._counts = dict.fromkeys(BulkOutcome, 0)
        self._failures: list[BulkItem] = []
        self._overlaps: list[BulkItem] = []
        self._accounts: dict[str, Account] = {}
        self._keeps_accounts = keeps_accounts
        self._started = now
        self._samples: deque[tuple[float, int]] = deque([(now, 0)], _SAMPLES)

    def add(self, item: BulkItem) -> None:
        """Count an item."""
        self.total += 1
        self._counts[item.outcome] += 1
        self._watched.settled(item.outcome.value)
        if item.outcome not in _WELL and len(self._failures) < MOST_FAILURES:
            self._failures.append(item)
        if item.outcome is BulkOutcome.DONE and item.also_blocked_by and len(self._overlaps) < MOST_FAILURES:
            self._overlaps.append(item)
        if item.account is not None and self._keeps_accounts:
            self._accounts[item.account_id] = item.account

    def counts(self) -> Mapping[BulkOutcome, int]:
        """Return the number of accounts by outcome."""
        return dict(self._counts)

    def elapsed(self, now: float) -> float:
        """Return the seconds since the beginning."""
        return now - self._started

    def rate(self, now: float) -> float:
        """Accounts a second, over the last seconds."""
        if now - self._samples[-1][0] >= _SAMPLE_SECONDS:
            self._samples.append((now, self.total))
        since, before = self._samples[0]
        return (self.total - before) / (now - since) if now > since else 0.0

    def report(self, action: str, job_id: str, now: float, *, stopped: bool) -> BulkReport:
        """Return the whole report."""
        return BulkReport(
            action,
            job_id,
            self.total,
            self.counts(),
            tuple(self._failures),
            self.elapsed(now),
            stopped,
            dict(self._accounts),
            tuple(self._overlaps),
        )
