"""Statements that calls and jobs repeat.

They are built once for each kind of database.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar

import attrs
import orjson
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Double,
    Executable,
    FromClause,
    Insert,
    Text,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSON

from tilia_async.ledger.database import database_now
from tilia_async.ledger.intent import LONGEST_LEASE
from tilia_async.ledger.prepared import Prepared, prepare
from tilia_async.ledger.record import OPEN_STATES, RecordState
from tilia_async.ledger.schema import RECORDS, RUNS, Moment

T = TypeVar("T")

_R = RECORDS.c

OPEN: Final = tuple(state.value for state in OPEN_STATES)
_IS_OPEN: Final = or_(*(_R.state == state for state in OPEN))
_IS_WITHOUT_EFFECT: Final = or_(_R.state == RecordState.FAILED.value, _R.state == RecordState.KEPT.value)
"""Match records that certainly had no effect.

What was kept is looked at again: the other block may be gone.
"""

IS_LIVE: Final = RUNS.c.expires_at.between(database_now(), database_now() + LONGEST_LEASE)
"""Match leases that are live.

A lease that ends further ahead than any may was given before the clock was set back.
"""

_SETTINGS: Final = {
    # A process that is stopped in a transaction would have others wait for its rows until they give up, after 30 s.
    "idle_in_transaction_session_timeout": "15s",
    # All that is repeated looks some records up by their keys. PostgreSQL takes a new table for a small one and reads
    # all of it, and would keep a plan made for an empty one while it grows.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_custom_plan",
}

_CLOCK: Final = select(
    func.clock_timestamp(), *(func.set_config(name, value, true()) for name, value in _SETTINGS.items())
)
"""Select the time, and make the settings of a transaction.

They hold until it ends.
"""

INTENT_COLUMNS: Final = (
    _R.job_id, _R.action, _R.account_id, _R.state, _R.source, _R.issuer, _R.reason, _R.actor, _R.review_at,
    _R.requested_at, _R.run_id,
)  # fmt: skip
"""Columns that are known before anything is sent."""


_ONE_FOR_A_JOB: Final = (_R.account_id, _R.job_id, _R.action)
_CLAIMED: Final = (_R.account_id, _R.state, _R.id)


@attrs.frozen
class Statements:
    """Statements for many accounts.

    They take the accounts as one parameter, ``names``: a JSON list, however many they are.

    Attributes:
        clock: the database's time; None for SQLite, whose file is on this host, and so is its clock.
        intend: enters the record of a single call; its parameters are the columns of an intent.
        enter: enters new records; returns their accounts, states, and ids. Its other parameters are the columns of an
            intent.
        claim: enters new records, and takes over those that are open; returns the accounts of both, the states, and
            the ids: one that was taken over and may have been sent is unknown. Its other parameters are the columns of
            an intent.
        look: the records of ``job`` and ``what`` (an action) with those names.
        renew_run: lets the lease of ``run`` end ``lease`` seconds from now, and returns its id; nothing if another run
            has taken its job over.
        settle: sets ``new_state`` and ``at`` of the records with these ``ids``, a JSON list, that ``run`` has in hand.
        settle_with_error: does so for one ``id``, with ``new_error``.
        settle_account: does so for one ``account``, with ``new_error``.
        lock_undoing: lets no other process undo or begin a job before the transaction ends; None for SQLite, where
            each that writes is alone.
    """

    clock: Prepared | None
    intend: Prepared
    enter: Prepared
    claim: Prepared
    look: Prepared
    renew_run: Prepared
    settle: Prepared
    settle_with_error: Prepared
    settle_account: Prepared
    lock_undoing: Prepared | None


@functools.cache
def statements(dialect: str) -> Statements:
    """Return the statements of a kind of database."""
    names = _list("names", dialect)
    ids = sql_cast(_list("ids", dialect).c.value, BigInteger)
    in_hand = (_R.run_id == bindparam("run"), _IS_OPEN)
    intended = {column.name: bindparam(column.name, type_=column.type) for column in INTENT_COLUMNS}
    outcome = update(RECORDS).where(*in_hand).values(state=bindparam("new_state"), settled_at=_at())
    with_error = outcome.values(error=bindparam("new_error"))
    is_shared = dialect == "postgresql"
    return Statements(
        clock=prepare(_CLOCK, dialect) if is_shared else None,
        intend=prepare(insert(RECORDS).values(intended), dialect),
        enter=prepare(
            _enter(dialect, names).on_conflict_do_nothing(index_elements=_ONE_FOR_A_JOB).returning(*_CLAIMED), dialect
        ),
        claim=prepare(_claim(dialect, names), dialect),
        look=prepare(
            select(_R.account_id, _R.state, _R.error, _R.run_id).where(
                _R.job_id == bindparam("job"), _R.action == bindparam("what"), named(dialect)
            ),
            dialect,
        ),
        renew_run=prepare(_RENEW_RUN, dialect),
        settle=prepare(outcome.where(_is_among(_R.id, ids, dialect)).values(error=None), dialect),
        settle_with_error=prepare(with_error.where(_R.id == bindparam("record")), dialect),
        settle_account=prepare(with_error.where(_R.account_id == bindparam("account")), dialect),
        lock_undoing=prepare(text("SELECT pg_advisory_xact_lock(:lock)"), dialect) if is_shared else None,
    )


def _at() -> BindParameter[datetime]:
    return bindparam("at", type_=Moment)


def listed(names: Sequence[str]) -> str:
    """Return the value of the parameter ``names``."""
    return orjson.dumps(names).decode()


def named(dialect: str) -> ColumnElement[bool]:
    """Tell whether a record's account is in ``names``."""
    return _is_among(_R.account_id, _list("names", dialect).c.value, dialect)


def _is_among(column: ColumnElement[T], value: ColumnElement[T], dialect: str) -> ColumnElement[bool]:
    """Tell whether a column has one of some values.

    PostgreSQL looks for each of an array in an index.
    """
    values = select(value)
    return column == func.any(func.array(values.scalar_subquery())) if dialect == "postgresql" else column.in_(values)


def _list(name: str, dialect: str) -> FromClause:
    """Return a JSON list's items as a table.

    The parameter is a JSON list; the table has one column, ``value``.
    """
    given = bindparam(name, type_=Text)
    if dialect == "postgresql":
        return func.json_array_elements_text(sql_cast(given, JSON)).table_valued("value", name=name)
    return func.json_each(given).table_valued("value", name=name)


def _enter(dialect: str, names: FromClause) -> postgresql.Insert | sqlite.Insert:
    values: list[ColumnElement[object]] = [
        sql_cast(names.c.value, Text) if column is _R.account_id else bindparam(column.name, type_=column.type)
        for column in INTENT_COLUMNS
    ]
    # SQLite needs the WHERE to tell ON CONFLICT from the ON of a join.
    chosen = select(*values).select_from(names).where(true())
    enter = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return enter(RECORDS).from_select([column.name for column in INTENT_COLUMNS], chosen)


_RENEW_RUN: Final = (
    update(RUNS)
    .where(RUNS.c.run_id == bindparam("run"))
    .values(expires_at=database_now() + bindparam("lease", type_=Double))
    .returning(RUNS.c.run_id)
)


def _claim(dialect: str, names: FromClause) -> Executable:
    statement = _enter(dialect, names)
    taken: Insert = statement.on_conflict_do_update(
        index_elements=_ONE_FOR_A_JOB,
        set_={
            # Whoever takes over does it now.
            **{name: statement.excluded[name] for name in ("reason", "actor", "review_at", "requested_at", "run_id")},
            "settled_at": None,
            # What had no effect for certain is as good as new. All else may have been sent by the run that had it: one
            # run at a time has a job, so that has ended.
            "state": case((_IS_WITHOUT_EFFECT, RecordState.INTENDED.value), else_=RecordState.UNKNOWN.value),
        },
        where=(_IS_OPEN | (_R.state == RecordState.KEPT.value)) & (_R.run_id != statement.excluded.run_id),
    )
    return taken.returning(*_CLAIMED)
