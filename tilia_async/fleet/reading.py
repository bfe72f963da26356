"""Jobs and workers of a fleet, read from its ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, cast

import attrs

from tilia_async import errors
from tilia_async.bulk.outcome import BulkItem, BulkOutcome
from tilia_async.fleet.status import FleetWorker, JobStatus, WorkerBatch
from tilia_async.ledger import fleet_jobs
from tilia_async.ledger.database import Database
from tilia_async.ledger.fleet_jobs import Found
from tilia_async.ledger.job_state import JobState
from tilia_async.ledger.record import BlockRecord, RecordState

_OUTCOMES: Final = {
    "confirmed": BulkOutcome.DONE,
    "not_found": BulkOutcome.NOT_FOUND,
    "refused": BulkOutcome.REFUSED,
    "unknown": BulkOutcome.UNKNOWN,
    "failed": BulkOutcome.FAILED,
    "overtaken": BulkOutcome.OVERTAKEN,
}


async def status(database: Database, job_id: str) -> JobStatus:
    """Return how far a job is.

    Raises:
        ConfigurationError: there is no such job.
        LedgerError: the ledger cannot be read.
    """
    return _read(await fleet_jobs.status(database, job_id))


async def status_after(database: Database, job_id: str, change: str) -> JobStatus:
    """Return the status of a job that was changed.

    Args:
        change: what was done to it, in one word.

    Raises:
        LedgerError: the status cannot be read; the text says that the change is on record.
    """
    try:
        return await status(database, job_id)
    except errors.LedgerError as error:
        why = str(error)
    raise errors.LedgerError(f"the job {job_id!r} was {change}, and only its status cannot be read: {why}")


async def failures(database: Database, job_id: str, after: int) -> tuple[Sequence[BulkItem], int | None]:
    """Return accounts that are not done, and where to continue.

    Raises:
        ConfigurationError: there is no such job.
        LedgerError: the ledger cannot be read.
    """
    records, last = await fleet_jobs.failures(database, job_id, after)
    return [_item(each) for each in records], last


async def workers(database: Database) -> tuple[FleetWorker, ...]:
    """Return the workers of a fleet.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    found: dict[str, FleetWorker] = {}
    for row in await fleet_jobs.workers(database):
        worker = found.get(row.worker) or FleetWorker(row.worker, row.concurrency, _moment(row.started_at))
        if row.job_id is not None:
            batch = WorkerBatch(row.job_id, row.number, _moment(row.taken_at))
            worker = attrs.evolve(worker, batches=(*worker.batches, batch))
        found[row.worker] = worker
    return tuple(found.values())


def _read(row: Found) -> JobStatus:
    counts = dict.fromkeys(BulkOutcome, 0)
    counts |= {outcome: int(getattr(row, name) or 0) for name, outcome in _OUTCOMES.items()}
    return JobStatus(
        job_id=row.job_id,
        action=row.action,
        state=JobState(row.state),
        total=int(row.total),
        counts=counts,
        rate=float(row.recently or 0) / float(row.seconds or 1),
        workers=int(row.workers or 0),
        reason=row.reason,
        actor=row.actor,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _item(found: BlockRecord) -> BulkItem:
    outcome = _OUTCOMES[found.state.value]
    effect = None if found.state is RecordState.UNKNOWN else False
    return BulkItem(found.account_id, outcome, errors.TiliaError(found.error or found.state.value, took_effect=effect))


def _moment(seconds: object) -> datetime:
    return datetime.fromtimestamp(cast("float", seconds), UTC)
