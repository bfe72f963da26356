"""Bulk jobs as they were begun.

What runs later under the same name has to agree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import attrs
from sqlalchemy import Column, Row, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from tilia_async.errors import ConfigurationError
from tilia_async.ledger.database import clock, database_now
from tilia_async.ledger.job_run import JobRun, this_host, this_process
from tilia_async.ledger.job_state import JobState
from tilia_async.ledger.record import BlockAction
from tilia_async.ledger.schema import BATCHES, JOBS, RECORDS, RUNS
from tilia_async.ledger.statements import IS_LIVE

UNDO: Final = "undo"
"""The action of a job that lifts what another blocked."""

_JOB_RUN: Final[list[Column[Any]]] = [RUNS.c[each.name] for each in attrs.fields(JobRun)]


@attrs.frozen(kw_only=True)
class JobDefinition:
    """The parts of a job that stay the same.

    They do so in all its runs.

    Attributes:
        origin: the environment that its accounts are in; empty, of one that is only checked: not known yet.
        action: ``block``, ``unblock`` or ``undo``.
        undoes: the job whose blocks it lifts.
    """

    job_id: str
    origin: str
    action: str
    reason: str | None = None
    actor: str | None = None
    review_at: datetime | None = None
    undoes: str | None = None


async def enter_job(connection: AsyncConnection, job: JobDefinition) -> JobDefinition:
    """Enter a job, or check it against its entry.

    Makes sure that it is the one that was begun under this name, and returns it as it was begun.

    A reason, actor or review date that is not given is no other one.

    Raises:
        ConfigurationError: another was begun under it, or it is being undone.
    """
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = {**attrs.asdict(job), "started_at": await clock(connection)}
    await connection.execute(insert(JOBS).values(row).on_conflict_do_nothing())
    begun = await _begun(connection, job.job_id)
    if begun is None:
        raise RuntimeError(f"the job {job.job_id!r} is not there, although it was entered")
    if begun.action is None:
        begun = await _completed(connection, job)
    await _refuse_another(connection, begun, job)
    return attrs.evolve(job, reason=begun.reason, actor=begun.actor, review_at=begun.review_at)


async def check_job(connection: AsyncConnection, job: JobDefinition) -> None:
    """Refuse a job that could not begin, and enter nothing.

    Raises:
        ConfigurationError: as ``enter_job``; or there is nothing to undo.
    """
    if job.undoes is not None:
        await check_undoable(connection, job.undoes, job.origin)
    begun = await _begun(connection, job.job_id)
    # What a job of an older version was begun as is known when it goes on.
    if begun is not None and begun.action is not None:
        await _refuse_another(connection, begun, job)


async def _refuse_another(connection: AsyncConnection, begun: Row[tuple[object, ...]], job: JobDefinition) -> None:
    """Refuse a job unlike the one begun.

    Raises:
        ConfigurationError: it is another one, a fleet's, or being undone.
    """
    if begun.state is not None:
        raise ConfigurationError(
            f"the job {job.job_id!r} of this ledger is a fleet's: see tilia.fleet.status, and begin another one here"
        )
    differences = list(_differences(begun, job))
    if differences:
        raise ConfigurationError(
            f"the job {job.job_id!r} of this ledger was begun {'; '.join(differences)}: "
            "a job is what it was begun as; run it again as that, or take another job_id"
        )
    being_undone = await connection.execute(
        select(JOBS.c.job_id).join(RUNS, RUNS.c.job_id == JOBS.c.job_id).where(JOBS.c.undoes == job.job_id, IS_LIVE)
    )
    if (by := being_undone.scalar()) is not None:
        raise ConfigurationError(f"the job {job.job_id!r} is being undone by the job {by!r}: wait for its end")


async def check_undoable(connection: AsyncConnection, job_id: str, origin: str) -> None:
    """Refuse to undo a job from another environment.

    Raises:
        ConfigurationError: there is no such job, it blocked nobody, or it was begun in another environment.
    """
    begun = await _begun(connection, job_id)
    action = None if begun is None else begun.action
    if action is None:
        first = await _first_record(connection, job_id)
        action = None if first is None else first.action
    if action is None:
        raise ConfigurationError(f"this ledger has no job {job_id!r} that could be undone")
    if action != BlockAction.BLOCK.value:
        raise ConfigurationError(
            f"the job {job_id!r} blocked nobody, its action is {action}: only a job that blocks can be undone. "
            "To block accounts again, run a new job that blocks them, with its reason"
        )
    if begun is not None and begun.state not in {None, JobState.CANCELLED.value, JobState.FINISHED.value}:
        raise ConfigurationError(f"the job {job_id!r} is {begun.state} in a fleet: cancel it before you undo it")
    in_hand = select(BATCHES.c.worker).where(
        BATCHES.c.job_id == job_id, BATCHES.c.run_id.is_not(None), BATCHES.c.expires_at > database_now()
    )
    if (await connection.execute(in_hand.limit(1))).scalar() is not None:
        raise under_way(job_id, "in a fleet")
    if begun is not None and origin not in {"", begun.origin}:
        raise ConfigurationError(
            f"the job {job_id!r} of this ledger was begun at {begun.origin}, and this client is for {origin}: "
            "undo it with a client for that environment"
        )


def under_way(job_id: str, place: str) -> ConfigurationError:
    """Return the error for undoing a running job."""
    return ConfigurationError(f"the job {job_id!r} is under way {place}: stop it before you undo it")


async def live_runs(connection: AsyncConnection, job_id: str, undoes: str | None) -> Sequence[JobRun]:
    """Return the live runs that another must not meet.

    Those of the job itself, of the one that it undoes, and of those that undo it.
    """
    undoing = select(JOBS.c.job_id).where(JOBS.c.undoes == job_id)
    related = RUNS.c.job_id.in_([job_id, undoes or job_id]) | RUNS.c.job_id.in_(undoing)
    rows = await connection.execute(select(*_JOB_RUN).where(related, IS_LIVE))
    return [JobRun(*row) for row in rows]


async def enter_run(connection: AsyncConnection, run_id: str, job: JobDefinition, lease: float) -> None:
    """Enter a run, in place of earlier ones.

    A run that is over finds itself gone when it wakes up, and does nothing more.

    Raises:
        ConfigurationError: another run has the job; or the one to undo is under way.
    """
    found = await live_runs(connection, job.job_id, job.undoes)
    # Looked at here, too: a run that was cancelled as it began may have been entered since anybody asked.
    over = [each.run_id for each in found if each.is_dead]
    names = {job.job_id, job.undoes or job.job_id}
    undoing = select(JOBS.c.job_id).where(JOBS.c.undoes == job.job_id)
    related = RUNS.c.job_id.in_(sorted(names)) | RUNS.c.job_id.in_(undoing)
    # The condition is looked at once more for a row that is being renewed.
    await connection.execute(delete(RUNS).where(related & ~IS_LIVE | RUNS.c.run_id.in_(over)))
    # A day is longer than any lease.
    await connection.execute(delete(RUNS).where(RUNS.c.expires_at < database_now() - 86_400.0))
    for each in await live_runs(connection, job.job_id, job.undoes):
        if each.job_id in names:
            raise refusal(each, job.job_id)
    row = {
        "run_id": run_id,
        "job_id": job.job_id,
        "expires_at": database_now() + lease,
        "host": this_host(),
        "pid": os.getpid(),
        "process": this_process(),
        "started_at": database_now(),
    }
    await connection.execute(RUNS.insert().values(row))


def refusal(run: JobRun, job_id: str) -> ConfigurationError:
    """Return the error for a job that meets another run."""
    return run.refusal() if run.job_id == job_id else under_way(run.job_id, run.place)


async def _begun(connection: AsyncConnection, job_id: str) -> Row[tuple[object, ...]] | None:
    return (await connection.execute(select(JOBS).where(JOBS.c.job_id == job_id))).one_or_none()


async def _first_record(connection: AsyncConnection, job_id: str) -> Row[tuple[object, ...]] | None:
    first = select(RECORDS).where(RECORDS.c.job_id == job_id).order_by(RECORDS.c.id).limit(1)
    return (await connection.execute(first)).one_or_none()


async def _completed(connection: AsyncConnection, job: JobDefinition) -> Row[tuple[object, ...]]:
    """Complete a job of an older version.

    That version kept its environment alone; the rest comes from the job's first record.
    """
    first = await _first_record(connection, job.job_id)
    as_begun: dict[str, object] = {
        "action": job.action if first is None else first.action,
        "reason": job.reason if first is None else first.reason,
        "actor": job.actor if first is None else first.actor,
        "review_at": job.review_at if first is None else first.review_at,
        "undoes": job.undoes if first is None else None,
        "started_at": await clock(connection) if first is None else first.requested_at,
    }
    await connection.execute(update(JOBS).where(JOBS.c.job_id == job.job_id).values(as_begun))
    begun = await _begun(connection, job.job_id)
    if begun is None:
        raise RuntimeError(f"the job {job.job_id!r} is not there any more")
    return begun


def _differences(begun: Row[tuple[object, ...]], job: JobDefinition) -> Iterator[str]:
    if job.origin not in {"", begun.origin}:
        yield f"at {begun.origin}, and this client is for {job.origin}"
    if (begun.action, begun.undoes) != (job.action, job.undoes):
        yield f"to {_deed(begun.action, begun.undoes)}, and this is to {_deed(job.action, job.undoes)}"
    for name, words in _WORDS.items():
        was, now = getattr(begun, name), getattr(job, name)
        if now is not None and was != now:
            yield f"with {'no' if was is None else 'the'} {words}{_shown(was)}, and this has the {words}{_shown(now)}"


_WORDS: Final = {"reason": "reason", "actor": "actor", "review_at": "review date"}


def _deed(action: str, undoes: str | None) -> str:
    return f"undo the job {undoes!r}" if undoes is not None else action


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f" {value.isoformat()}" if isinstance(value, datetime) else f" {value!r}"
