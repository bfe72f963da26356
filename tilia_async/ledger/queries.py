"""Queries of people, as statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, FromClause, Row, Select, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tilia_async.ledger.database import Database
from tilia_async.ledger.filters import BlockFilter, RecordFilter
from tilia_async.ledger.record import (
    LIFTED_BY_YOU,
    NOT_SAID,
    OPEN_STATES,
    BlockAction,
    BlockRecord,
    RecordSource,
    RecordState,
)
from tilia_async.ledger.schema import JOBS, RECORDS
from tilia_async.models.accounts import PUBLISHER

PAGE: Final = 500
"""Number of records that are read at once."""

Query = Select[tuple[object, ...]]

_R = RECORDS.c


def matching(wanted: RecordFilter) -> Query:
    """Select the records that match all given filters."""
    return narrowed(select(RECORDS), wanted)


def narrowed(query: Query, wanted: BlockFilter) -> Query:
    """Narrow a selection of records to those that match."""
    given: Mapping[str, object] = {**wanted}
    for name in ("job_id", "account_id", "action", "state", "reason", "actor", "source", "issuer"):
        value = given.get(name)
        if value is not None:
            query = query.where(_R[name] == str(value))
    since, until = wanted.get("since"), wanted.get("until")
    if since is not None:
        query = query.where(_R.requested_at >= since)
    return query if until is None else query.where(_R.requested_at < until)


def pending(job_id: str | None) -> Query:
    """Select the records with something left to do.

    Records that their jobs have something left to do for, and single calls of which nobody knows the outcome.
    """
    return matching({"job_id": job_id}).where(_R.state.in_([state.value for state in OPEN_STATES]))


def in_force(issuer: str | None, *, by_tilia: bool | None, wanted: BlockFilter | None = None) -> Query:
    """Select the blocks in force.

    For each account the block that keeps it now: the first that was not lifted, one of yours and one of Tilia's.

    Your unblock lifts your blocks, and those of which Tilia does not say whose they are: one of Tilia's it would have
    refused to lift. A notification that says "not blocked" says that nothing is left. What was asked for, or reported,
    before a block had its answer may be older than the block, and lifts it not. A block of a job that was undone stands
    back behind the one for which the account was kept blocked.
    """
    earlier = RECORDS.alias("earlier")
    query = select(RECORDS).where(
        *_is(RECORDS, BlockAction.BLOCK),
        ~_lifted(RECORDS, "lift"),
        ~exists().where(
            *_is(earlier, BlockAction.BLOCK),
            earlier.c.account_id == _R.account_id,
            _ours(earlier) == _ours(RECORDS),
            _goes_before(earlier, RECORDS),
            ~_lifted(earlier, "earlier_lift"),
        ),
    )
    if issuer is not None:
        query = query.where(_R.issuer == issuer)
    if by_tilia is not None:
        query = query.where(_R.issuer.not_in([PUBLISHER, NOT_SAID]) if by_tilia else _R.issuer == PUBLISHER)
    return query if wanted is None else narrowed(query, wanted)


def due(before: datetime) -> Query:
    """Select the blocks in force due for review.

    Somebody should have looked at them by then.
    """
    return in_force(None, by_tilia=None).where(_R.review_at < before)


def _is(records: FromClause, action: BlockAction) -> tuple[ColumnElement[bool], ...]:
    return records.c.action == action.value, records.c.state == RecordState.CONFIRMED.value


def _ours(records: FromClause) -> ColumnElement[bool]:
    return records.c.issuer == PUBLISHER


def _before(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Match records that were asked for earlier.

    Of what was asked for at the same time, those entered earlier.
    """
    same = (one.c.requested_at == other.c.requested_at) & (one.c.id < other.c.id)
    return or_(one.c.requested_at < other.c.requested_at, same)


def done_at(records: FromClause) -> ColumnElement[datetime]:
    """Return the time by which it had its effect.

    A call has it between its beginning and its answer.
    """
    asked = records.c.requested_at
    is_reported = records.c.source == RecordSource.WEBHOOK.value
    return case((is_reported, asked), else_=func.coalesce(records.c.settled_at, asked))


def _done_before(block: FromClause, lift: FromClause) -> ColumnElement[bool]:
    """Match effects before the other's request or report.

    It had its effect before the other was asked for, or reported.

    A notification was sent before it was entered, whatever Tilia's clock says: see ``standing``.
    """
    is_reported, lift_is_reported = (each.c.source == RecordSource.WEBHOOK.value for each in (block, lift))
    done, asked = done_at(block), lift.c.requested_at
    by_time = or_(done < asked, (done == asked) & (block.c.id < lift.c.id))
    reported_first = is_reported & ~lift_is_reported & (block.c.id < lift.c.id)
    asked_last = ~is_reported & lift_is_reported & (lift.c.id < block.c.id)
    return or_(reported_first, by_time & ~asked_last)


def _goes_before(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    one_wanted, other_wanted = ~_withdrawn(one, "one"), ~_withdrawn(other, "other")
    return or_(one_wanted & ~other_wanted, or_(one_wanted, ~other_wanted) & _before(one, other))


def _withdrawn(block: FromClause, name: str) -> ColumnElement[bool]:
    """Match blocks that an undoing kept in force.

    Its job was undone, and the account was kept for another block.
    """
    kept, undo = RECORDS.alias(f"{name}_kept"), JOBS.alias(f"{name}_undo")
    withdrawal = exists().where(
        kept.c.account_id == block.c.account_id,
        kept.c.state == RecordState.KEPT.value,
        kept.c.job_id == undo.c.job_id,
        undo.c.undoes == block.c.job_id,
        _before(block, kept),
    )
    # By itself it would correlate to the statement around it alone, and not to that around both.
    return withdrawal.correlate(block)


def _lifted(block: FromClause, name: str) -> ColumnElement[bool]:
    lift = RECORDS.alias(name)
    is_reported = lift.c.source == RecordSource.WEBHOOK.value
    lifting = exists().where(
        *_is(lift, BlockAction.UNBLOCK),
        lift.c.account_id == block.c.account_id,
        _done_before(block, lift),
        or_(is_reported & ~_blocked_again(lift, f"{name}_kept"), block.c.issuer.in_(LIFTED_BY_YOU) & ~is_reported),
    )
    return lifting.correlate(block)


def _blocked_again(lift: FromClause, name: str) -> ColumnElement[bool]:
    """Match reports of a block that was restored.

    It was reported while a job that was undone unblocked the account and blocked it again.
    """
    kept = RECORDS.alias(name)
    again = exists().where(
        kept.c.account_id == lift.c.account_id,
        kept.c.state == RecordState.KEPT.value,
        kept.c.id < lift.c.id,
        lift.c.requested_at.between(kept.c.requested_at, kept.c.settled_at),
    )
    return again.correlate(lift)


def to_undo(job_id: str) -> Query:
    """Select the blocks of a job, to undo them.

    They took effect, or may have.
    """
    effective = [RecordState.CONFIRMED.value, RecordState.INTENDED.value, RecordState.UNKNOWN.value]
    return matching({"job_id": job_id, "action": BlockAction.BLOCK}).where(_R.state.in_(effective))


async def history(database: Database, account_id: str) -> list[BlockRecord]:
    """Select all records of an account by request time."""
    query = matching({"account_id": account_id}).order_by(_R.requested_at, _R.id)
    return [record(row) for row in await _answer(database, query)]


async def page(database: Database, query: Query, after: int) -> tuple[Sequence[BlockRecord], int]:
    """Select the next page of an answer.

    The next records in the order in which they were entered, and where it goes on.
    """
    rows = await _answer(database, query.where(_R.id > after).order_by(_R.id).limit(PAGE))
    return [record(row) for row in rows], rows[-1].id if rows else after


async def _answer(database: Database, query: Query) -> Sequence[Row[tuple[object, ...]]]:
    async def ask(connection: AsyncConnection) -> Sequence[Row[tuple[object, ...]]]:
        return (await connection.execute(query)).all()

    return await database.read(ask)


def record(row: Row[tuple[object, ...]]) -> BlockRecord:
    """Return the record of a row, as users see it."""
    return BlockRecord(
        account_id=row.account_id,
        action=BlockAction(row.action),
        state=RecordState(row.state),
        source=RecordSource(row.source),
        issuer=row.issuer,
        requested_at=row.requested_at,
        settled_at=row.settled_at,
        reason=row.reason,
        actor=row.actor,
        job_id=row.job_id,
        review_at=row.review_at,
        error=row.error,
    )
