"""The status of a fleet: its jobs and its workers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

from tilia_async.bulk.outcome import BulkOutcome
from tilia_async.json_model import JsonResult
from tilia_async.json_value import JsonValue
from tilia_async.ledger.job_state import JobState


@attrs.frozen(eq=False, repr=False)
class JobStatus(JsonResult):
    """The status of a job that a fleet shares.

    Attributes:
        action: ``block`` or ``unblock``.
        reason: why, as it was submitted.
        actor: who submitted it.
        total: how many accounts it has; while it is planned, how many were entered so far.
        counts: how many accounts have which outcome now; an account that is tried again leaves its old one.
        rate: accounts a second, over the last half minute.
        workers: how many work on it.
        started_at: when it had all its accounts; None while it is planned.
        finished_at: when the last account had its outcome; None before.
    """

    job_id: str
    action: str
    state: JobState
    total: int
    counts: Mapping[BulkOutcome, int] = attrs.field(hash=False)
    rate: float
    workers: int
    reason: str | None = None
    actor: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def settled(self) -> int:
        """Number of accounts that have an outcome."""
        return sum(self.counts.values())

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the status as JSON has it, with ``settled``."""
        return {**super().to_dict(), "settled": self.settled}


@attrs.frozen(eq=False, repr=False)
class WorkerBatch(JsonResult):
    """A batch that a worker has in hand.

    Attributes:
        number: of the batch in its job, from 0.
        since: when the worker took it.
    """

    job_id: str
    number: int
    since: datetime


@attrs.frozen(eq=False, repr=False)
class FleetWorker(JsonResult):
    """A worker of a fleet.

    Attributes:
        name: host, process and a word of its own.
        concurrency: the most requests that it has in flight.
        started_at: when it began.
        batches: what it works on; empty: it waits for work.
    """

    name: str
    concurrency: int
    started_at: datetime
    batches: tuple[WorkerBatch, ...] = ()

    @property
    def host(self) -> str:
        """Name of the host it runs on."""
        return self.name.split("/", 1)[0]
