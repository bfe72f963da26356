"""The statements that bulk jobs repeat all the time, built once for each kind of database."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs
import orjson
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    FromClause,
    Insert,
    Text,
    bindparam,
    case,
    func,
    or_,
    select,
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

_R = RECORDS.c

OPEN: Final = tuple(state.value for state in OPEN_STATES)
_IS_OPEN: Final = or_(*(_R.state == state for state in OPEN))
_IS_WITHOUT_EFFECT: Final = or_(_R.state == RecordState.FAILED.value, _R.state == RecordState.KEPT.value)
"""What certainly had no effect. What was kept is looked at again: the other block may be gone."""

INTENT_COLUMNS: Final = (
    _R.job_id, _R.action, _R.account_id, _R.state, _R.source, _R.issuer, _R.reason, _R.actor, _R.review_at,
    _R.requested_at, _R.run_id,
)  # fmt: skip
"""What is known of a record before anything is sent."""


@attrs.frozen
class Statements:
    """They take the accounts as one parameter, ``names``: a JSON list, however many they are.

    Attributes:
        claim: enters new records, and takes over those that are open and in nobody's hand; returns the accounts of
            both, and the states: one that was taken over and may have been sent is unknown. Its other parameters are
            the columns of an intent.
        look: the records of ``job`` and ``what`` (an action) with those names.
        settle: sets ``new_state`` and ``at`` of the records that ``run`` has in hand.
        settle_with_error: does so for one ``account``, with ``new_error``.
    """

    claim: Prepared
    look: Prepared
    settle: Prepared
    settle_with_error: Prepared


@functools.cache
def statements(dialect: str) -> Statements:
    """Those of a kind of database."""
    names = names_table(dialect)
    named = _R.account_id.in_(select(names.c.value))
    in_hand = (_R.run_id == bindparam("run"), _IS_OPEN)
    return Statements(
        claim=prepare(_claim(dialect, names), dialect),
        look=prepare(
            select(_R.account_id, _R.state, _R.error, _R.run_id, _R.settled_at.is_not(None)).where(
                _R.job_id == bindparam("job"), _R.action == bindparam("what"), named
            ),
            dialect,
        ),
        settle=prepare(
            update(RECORDS).where(named, *in_hand).values(state=bindparam("new_state"), settled_at=_at(), error=None),
            dialect,
        ),
        settle_with_error=prepare(
            update(RECORDS)
            .where(_R.account_id == bindparam("account"), *in_hand)
            .values(state=bindparam("new_state"), settled_at=_at(), error=bindparam("new_error")),
            dialect,
        ),
    )


def _at() -> BindParameter[datetime]:
    return bindparam("at", type_=Moment)


def listed(names: Sequence[str]) -> str:
    """The value of the parameter ``names``."""
    return orjson.dumps(names).decode()


def names_table(dialect: str) -> FromClause:
    """The parameter ``names`` as a table of one column, ``value``."""
    given = bindparam("names", type_=Text)
    if dialect == "postgresql":
        return func.json_array_elements_text(sql_cast(given, JSON)).table_valued("value", name="names")
    return func.json_each(given).table_valued("value", name="names")


def _claim(dialect: str, names: FromClause) -> Executable:
    values: list[ColumnElement[object]] = [
        sql_cast(names.c.value, Text) if column is _R.account_id else bindparam(column.name, type_=column.type)
        for column in INTENT_COLUMNS
    ]
    # SQLite needs the WHERE to tell ON CONFLICT from the ON of a join.
    chosen = select(*values).select_from(names).where(true())
    # No correlated EXISTS: inside ON CONFLICT that gets a FROM of its own, and one live claim would hold back all.
    # A lease that ends further ahead than any may was given before the clock was set back.
    live_runs = select(RUNS.c.run_id).where(RUNS.c.expires_at.between(database_now(), database_now() + LONGEST_LEASE))
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(RECORDS).from_select([column.name for column in INTENT_COLUMNS], chosen)
    taken: Insert = statement.on_conflict_do_update(
        index_elements=[_R.account_id, _R.job_id, _R.action],
        set_={
            # Whoever takes over does it now.
            **{name: statement.excluded[name] for name in ("reason", "actor", "review_at", "requested_at", "run_id")},
            "settled_at": None,
            # What had no effect for certain is as good as new. All else may have been sent by the one who had it.
            "state": case((_IS_WITHOUT_EFFECT, RecordState.INTENDED.value), else_=RecordState.UNKNOWN.value),
        },
        where=(_IS_OPEN | (_R.state == RecordState.KEPT.value))
        & (_R.run_id != statement.excluded.run_id)
        & _R.run_id.not_in(live_runs),
    )
    return taken.returning(_R.account_id, _R.state)
