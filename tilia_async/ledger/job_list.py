"""Jobs and sums of records, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tilia_async.ledger.block_job import BlockJob, RecordSummary
from tilia_async.ledger.database import Database
from tilia_async.ledger.job_state import JobState
from tilia_async.ledger.queries import Query
from tilia_async.ledger.record import OPEN_STATES, RecordState
from tilia_async.ledger.schema import JOBS, RECORDS, RUNS
from tilia_async.ledger.statements import IS_LIVE

_PAGE: Final = 200
_R = RECORDS.c

_Rows = Sequence[Row[tuple[object, ...]]]


async def jobs(database: Database, after: int) -> tuple[Sequence[BlockJob], int]:
    """Read the next jobs, the earliest first.

    Args:
        after: how many were read before.
    """
    some = select(JOBS).order_by(JOBS.c.started_at, JOBS.c.job_id).offset(after).limit(_PAGE)

    async def ask(connection: AsyncConnection) -> tuple[_Rows, _Rows, frozenset[str]]:
        found = (await connection.execute(some)).all()
        names = [row.job_id for row in found]
        firsts = [func.min(each).label(each.name) for each in (_R.action, _R.reason, _R.actor, _R.requested_at)]
        sums = _selected([_R.job_id, _R.state, func.count().label("number"), *firsts])
        counted = (await connection.execute(sums.where(_R.job_id.in_(names)).group_by(_R.job_id, _R.state))).all()
        live = select(RUNS.c.job_id).where(RUNS.c.job_id.in_(names), IS_LIVE)
        return found, counted, frozenset((await connection.execute(live)).scalars())

    found, counted, live = await database.read(ask)
    of_job: dict[str, list[Row[tuple[object, ...]]]] = {}
    for row in counted:
        of_job.setdefault(row.job_id, []).append(row)
    return [_job(row, of_job.get(row.job_id, []), is_live=row.job_id in live) for row in found], after + len(found)


def _selected(columns: Sequence[ColumnElement[Any]]) -> Query:
    return select(*columns)


def _state_of(shared: str | None, *, is_live: bool, is_open: bool) -> JobState:
    """Return the state of a job.

    Args:
        shared: the state on record, which only a job has that a fleet shares.
        is_live: a process works on it.
        is_open: some accounts have no final outcome.
    """
    if shared is not None:
        return JobState(shared)
    return JobState.RUNNING if is_live else JobState.PAUSED if is_open else JobState.FINISHED


def _job(row: Row[tuple[object, ...]], sums: _Rows, *, is_live: bool) -> BlockJob:
    counts = {RecordState(each.state): each.number for each in sums}
    is_open = any(counts.get(state) for state in OPEN_STATES)
    # Of a job of an older version its records alone know more than the name.
    begun = row if row.action is not None else min(sums, key=lambda each: each.requested_at, default=row)
    return BlockJob(
        job_id=row.job_id,
        action=begun.action or "block",
        environment=row.origin,
        state=_state_of(row.state, is_live=is_live, is_open=is_open),
        total=sum(counts.values()),
        counts=counts,
        reason=begun.reason,
        actor=begun.actor,
        review_at=row.review_at,
        undoes=row.undoes,
        started_at=row.started_at if begun is row else begun.requested_at,
    )


async def summaries(database: Database, by: str) -> Sequence[RecordSummary]:
    """Sum the records up by ``reason`` or ``actor``.

    Those of single calls are among them.

    The largest sum comes first.
    """
    value = {"reason": _R.reason, "actor": _R.actor}[by]
    times = [func.min(_R.requested_at).label("first_at"), func.max(_R.requested_at).label("last_at")]
    columns = [value.label("value"), _R.action, _R.state, func.count().label("number"), *times]
    sums = _selected(columns).group_by(value, _R.action, _R.state)

    async def ask(connection: AsyncConnection) -> _Rows:
        return (await connection.execute(sums)).all()

    groups: dict[tuple[str | None, str], list[Row[tuple[object, ...]]]] = {}
    for row in await database.read(ask):
        groups.setdefault((row.value, row.action), []).append(row)
    found = [_summary(named, action, rows) for (named, action), rows in groups.items()]
    return sorted(found, key=lambda each: (-each.total, each.value or "", each.action))


def _summary(value: str | None, action: str, rows: _Rows) -> RecordSummary:
    counts: Mapping[RecordState, int] = {RecordState(row.state): row.number for row in rows}
    return RecordSummary(
        value=value,
        action=action,
        total=sum(counts.values()),
        counts=counts,
        first_at=min(row.first_at for row in rows),
        last_at=max(row.last_at for row in rows),
    )
