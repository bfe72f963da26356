"""A bulk job, as the ledger knows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

from tilia_async.json_model import JsonResult
from tilia_async.ledger.job_state import JobState
from tilia_async.ledger.record import RecordState


@attrs.frozen(kw_only=True, eq=False, repr=False)
class BlockJob(JsonResult):
    """A bulk job on record, with its outcomes.

    Attributes:
        action: ``block``, ``unblock`` or ``undo``.
        environment: where its accounts are, as the client named it.
        undoes: the job whose blocks it lifts.
        total: how many accounts are on record for it.
        counts: how many of them are in which state.
        state: ``RUNNING`` while a process works on it, ``FINISHED`` if nothing is left to do, else ``PAUSED``: run it
            again, and it goes on. Of a job that a fleet shares: as ``tilia.fleet.status`` says.
        started_at: when it was begun; None if that is not on record.
    """

    job_id: str
    action: str
    environment: str
    state: JobState
    total: int
    counts: Mapping[RecordState, int] = attrs.field(hash=False)
    reason: str | None = None
    actor: str | None = None
    review_at: datetime | None = None
    undoes: str | None = None
    started_at: datetime | None = None


@attrs.frozen(kw_only=True)
class RecordSummary:
    """Sums of records with the same reason or actor.

    Attributes:
        value: the reason or the actor; None of those without one.
        counts: how many of them are in which state.
        first_at: when the first was asked for.
        last_at: when the last was.
    """

    value: str | None
    action: str
    total: int
    counts: Mapping[RecordState, int] = attrs.field(hash=False)
    first_at: datetime
    last_at: datetime
