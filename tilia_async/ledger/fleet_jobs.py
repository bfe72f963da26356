"""Jobs of a fleet, as people see and steer them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tilia_async.errors import ConfigurationError
from tilia_async.ledger.database import Database
from tilia_async.ledger.job_state import JobState
from tilia_async.ledger.queries import record
from tilia_async.ledger.record import BlockRecord
from tilia_async.ledger.schema import BATCHES, RECORDS

Found = Row[tuple[object, ...]]

RATE_SECONDS: Final = 30.0
"""Seconds over which the rate of a job is measured."""

_PAGE: Final = 50
"""Batches that are looked into at once."""

_STATUS: Final = text(f"""
    WITH now AS MATERIALIZED (SELECT extract(epoch from clock_timestamp())::double precision AS at)
    SELECT j.job_id, j.action, j.reason, j.actor, j.state, j.started_at, j.finished_at,
           coalesce(j.total, b.entered, 0) AS total, b.*
    FROM tilia_bulk_jobs AS j CROSS JOIN LATERAL (
        SELECT sum(total) AS entered, sum(confirmed) AS confirmed, sum(not_found) AS not_found, sum(refused) AS refused,
               sum(unknown) AS unknown, sum(failed) AS failed, sum(overtaken) AS overtaken,
               count(DISTINCT worker) FILTER (WHERE run_id IS NOT NULL AND expires_at > now.at) AS workers,
               sum(answered * greatest(0, least(coalesce(finished_at, now.at), now.at)
                                          - greatest(taken_at, now.at - {RATE_SECONDS}))
                   / greatest(coalesce(finished_at, now.at) - taken_at, 0.001))
                   FILTER (WHERE taken_at IS NOT NULL) AS recently,
               greatest(1, least({RATE_SECONDS}, now.at - min(taken_at))) AS seconds
        FROM now LEFT JOIN tilia_bulk_batches ON job_id = j.job_id
        GROUP BY now.at
    ) AS b
    WHERE j.job_id = :job AND j.state IS NOT NULL
""")  # noqa: S608 - a number of ours

_WORKERS: Final = text("""
    SELECT w.worker, w.concurrency, w.started_at, b.job_id, b.number, b.taken_at
    FROM tilia_fleet_workers AS w
    LEFT JOIN tilia_bulk_batches AS b ON b.worker = w.worker AND b.run_id IS NOT NULL
    WHERE w.expires_at > extract(epoch from clock_timestamp())
    ORDER BY w.started_at, w.worker, b.taken_at
""")

FOUND_JOB: Final = """
    SELECT j.state, j.total, j.started_at,
           EXISTS (
               SELECT 1 FROM tilia_bulk_runs AS r
               WHERE r.job_id = j.job_id AND r.expires_at > extract(epoch from clock_timestamp())
           )
    FROM tilia_bulk_jobs AS j
"""
"""Select what ``refuse_known`` decides by."""

_FOUND: Final = text(f"{FOUND_JOB} WHERE j.job_id = :job")


async def check_submittable(database: Database, job_id: str) -> None:
    """Refuse a job that could not be submitted.

    Raises:
        ConfigurationError: there is such a job already, or it is being submitted.
        LedgerError: the ledger cannot be read.
    """
    for row in await _read(database, _FOUND, job_id):
        refuse_known(job_id, *cast("tuple[str | None, int | None, datetime | None, bool]", tuple(row)))


def refuse_known(job_id: str, state: str | None, total: int | None, started_at: datetime | None, is_live: bool) -> None:
    """Refuse to submit a job that the ledger has.

    A plan whose submitter died is no such job.

    Args:
        is_live: a run of one process, or a submitter, has it.

    Raises:
        ConfigurationError: as ``check_submittable``.
    """
    name = f"the job {job_id!r} of this ledger"
    if state is None:
        raise ConfigurationError(f"{name} is one process's, not a fleet's: take another job_id")
    if state != JobState.PLANNED.value:
        raise ConfigurationError(
            f"{name} was submitted at {started_at:%Y-%m-%d %H:%M:%S%z}, with {total} accounts, and is {state}: "
            "see its status, and take another job_id for other accounts"
        )
    if is_live:
        raise ConfigurationError(f"{name} is being submitted by another process: wait for it")


async def status(database: Database, job_id: str) -> Found:
    """Read a job, and the sums of its batches.

    Raises:
        ConfigurationError: the ledger has no such job of a fleet.
        LedgerError: the ledger cannot be read.
    """
    rows = await _read(database, _STATUS, job_id)
    if not rows:
        raise no_job(job_id)
    return rows[0]


async def workers(database: Database) -> Sequence[Found]:
    """Read who works, and on which batches.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    return await _read(database, _WORKERS, None)


def no_job(job_id: str) -> ConfigurationError:
    """Return the error for a job that no fleet has."""
    return ConfigurationError(f"this ledger has no job {job_id!r} of a fleet: submit it first")


def wrong_state(job_id: str, state: str, after: JobState) -> ConfigurationError:
    """Return the error for an impossible change of state."""
    return ConfigurationError(f"the job {job_id!r} is {state}, and cannot be {after.value} from there: see its status")


async def failures(database: Database, job_id: str, after: int) -> tuple[Sequence[BlockRecord], int | None]:
    """Read settled accounts that are not confirmed.

    Args:
        after: the number of the last batch that was looked into.

    Returns:
        The records of some batches, and where to go on; None at the end.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    b, r = BATCHES.c, RECORDS.c
    troubled = b.not_found + b.refused + b.unknown + b.failed + b.overtaken > 0
    some = (
        BATCHES.select()
        .where(b.job_id == job_id, b.number > after, troubled)
        .order_by(b.number)
        .limit(_PAGE)
        .subquery("some")
    )
    found = (
        RECORDS.select()
        .add_columns(some.c.number.label("batch"))
        .join(some, r.id.between(some.c.first_id, some.c.last_id) & (r.job_id == some.c.job_id))
        .where(r.state.in_(_UNHAPPY), r.settled_at.is_not(None))
        .order_by(r.id)
    )

    async def ask(connection: AsyncConnection) -> tuple[Sequence[BlockRecord], int | None]:
        numbers = (await connection.execute(some.select().with_only_columns(some.c.number))).scalars().all()
        rows = (await connection.execute(found)).all() if numbers else ()
        return [record(row) for row in rows], max(map(int, numbers), default=None)

    return await database.read(ask)


_UNHAPPY: Final = ("not_found", "refused", "unknown", "failed")


async def _read(database: Database, query: TextClause, job_id: str | None) -> Sequence[Found]:
    async def ask(connection: AsyncConnection) -> Sequence[Found]:
        return (await connection.execute(query, {} if job_id is None else {"job": job_id})).all()

    return await database.read(ask)
