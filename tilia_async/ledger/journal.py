"""What is written of blocks before and after they are sent: the statements behind single calls and bulk jobs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import attrs
import orjson
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Insert,
    Text,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.asyncio import AsyncConnection

from tilia_async.ledger.database import Database, database_now
from tilia_async.ledger.group_commit import GroupCommit
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.record import OPEN_STATES, PUBLISHER, RecordSource, RecordState
from tilia_async.ledger.schema import RECORDS, RUNS

_R = RECORDS.c
_OPEN = [state.value for state in OPEN_STATES]
_IS_OPEN = or_(*(_R.state == state for state in _OPEN))
_COLUMNS = (
    _R.job_id, _R.action, _R.account_id, _R.state, _R.source, _R.issuer, _R.reason, _R.actor, _R.review_at,
    _R.requested_at, _R.run_id,
)  # fmt: skip


@attrs.frozen
class Settlement:
    """What became of one account's block."""

    account_id: str
    state: RecordState
    error: str | None = None


@attrs.frozen
class Found:
    """A record that a run could not claim.

    Attributes:
        state: what is on record.
        error: its text.
        settled: it needs nothing more from this run; else somebody has it in hand.
    """

    state: RecordState
    error: str | None
    settled: bool


@attrs.frozen
class Claims:
    """What came of claiming accounts.

    Attributes:
        mine: these are this run's to send.
        others: these are not, by account.
    """

    mine: frozenset[str]
    others: Mapping[str, Found]


def new_run_id() -> str:
    """A name for a run or a call that no other has."""
    return uuid.uuid4().hex


class Journal:
    """Writes what is about to be sent, and what came of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._intents = GroupCommit(self._write_intents)
        self._settlements = GroupCommit(self._write_settlements)

    async def aclose(self) -> None:
        """Finish what was handed in, and close the database."""
        await self._intents.aclose()
        await self._settlements.aclose()
        await self.database.aclose()

    async def intend(self, run_id: str, account_id: str, intent: Intent) -> None:
        """Put a single call on record; it is durable when this returns.

        Raises:
            LedgerError: it is not on record, and must not be sent.
        """
        await self._intents.add((run_id, account_id, intent))

    async def settle(self, run_id: str, *settlements: Settlement) -> None:
        """Put on record what became of accounts that a run had in hand. What another has taken over stays.

        Raises:
            LedgerError: it is not on record.
        """
        await self._settlements.add(*((run_id, each) for each in settlements))

    async def begin_run(self, run_id: str, job_id: str, lease: float) -> None:
        """Enter a run of a job, whose claims live as long as it renews its lease (in seconds)."""

        async def work(connection: AsyncConnection) -> None:
            # A day is longer than any lease: these belong to processes that died, and their claims have ended.
            await connection.execute(delete(RUNS).where(RUNS.c.expires_at < database_now() - 86_400.0))
            await connection.execute(
                RUNS.insert().values(run_id=run_id, job_id=job_id, expires_at=database_now() + lease)
            )

        await self.database.write(work)

    async def renew_run(self, run_id: str, job_id: str, lease: float) -> None:
        """Let the claims of a run live that much longer, in seconds from now, by the database's clock."""
        renewal = update(RUNS).where(RUNS.c.run_id == run_id).values(expires_at=database_now() + lease)

        async def work(connection: AsyncConnection) -> None:
            if (await connection.execute(renewal)).rowcount == 0:
                row = RUNS.insert().values(run_id=run_id, job_id=job_id, expires_at=database_now() + lease)
                await connection.execute(row)

        await self.database.write(work)

    async def end_run(self, run_id: str) -> None:
        """End the claims of a run: another may go on at once."""

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(delete(RUNS).where(RUNS.c.run_id == run_id))

        await self.database.write(work)

    async def claim(self, intent: Intent, run_id: str, account_ids: Sequence[str]) -> Claims:
        """Put the intents on record, for those accounts that need something and that no live run has in hand.

        Args:
            account_ids: each at most once.
        """
        # In one order everywhere: two processes that lock the same rows in different orders wait for each other.
        names = sorted(account_ids)

        async def work(connection: AsyncConnection) -> Claims:
            rows = await connection.execute(_claiming(connection.dialect.name, intent, run_id, names))
            mine = frozenset(rows.scalars())
            if len(mine) == len(names):
                return Claims(mine, {})
            left = [name for name in names if name not in mine]
            found = await connection.execute(
                select(_R.account_id, _R.state, _R.error, _R.run_id, _R.settled_at).where(
                    _R.job_id == intent.job_id,
                    _R.action == intent.action.value,
                    _R.account_id.in_(select(_names(connection.dialect.name, left).c.value)),
                )
            )
            others = {
                row.account_id: Found(
                    RecordState(row.state),
                    row.error,
                    settled=row.state not in _OPEN or (row.run_id == run_id and row.settled_at is not None),
                )
                for row in found
            }
            return Claims(mine, others)

        return await self.database.write(work)

    async def _write_intents(self, calls: Sequence[tuple[str, str, Intent]]) -> None:
        now = datetime.now(UTC)
        rows = [
            _row(intent, run_id, now, RecordSource.CALL) | {"account_id": account} for run_id, account, intent in calls
        ]

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(RECORDS.insert(), rows)

        await self.database.write(work)

    async def _write_settlements(self, settlements: Sequence[tuple[str, Settlement]]) -> None:
        now = datetime.now(UTC)
        plain: dict[tuple[str, RecordState], list[str]] = {}
        told: list[dict[str, object]] = []
        for run_id, each in settlements:
            if each.error is None:
                plain.setdefault((run_id, each.state), []).append(each.account_id)
            else:
                told.append(
                    {"run": run_id, "account": each.account_id, "new_state": each.state.value, "new_error": each.error}
                )

        async def work(connection: AsyncConnection) -> None:
            for (run_id, state), accounts in plain.items():
                await connection.execute(
                    update(RECORDS)
                    .where(
                        _R.account_id.in_(select(_names(connection.dialect.name, accounts).c.value)),
                        _R.run_id == run_id,
                        _IS_OPEN,
                    )
                    .values(state=state.value, settled_at=now, error=None)
                )
            if told:
                await connection.execute(_SETTLE_WITH_ERROR.values(settled_at=now), told)

        await self.database.write(work)


_SETTLE_WITH_ERROR = (
    update(RECORDS)
    .where(_R.account_id == bindparam("account"), _R.run_id == bindparam("run"), _IS_OPEN)
    .values(state=bindparam("new_state"), error=bindparam("new_error"))
)


def _names(dialect: str, names: Sequence[str]) -> FromClause:
    """The names as a table of one column, ``value``: one parameter, however many they are."""
    listed = orjson.dumps(list(names)).decode()
    if dialect == "postgresql":
        return func.json_array_elements_text(sql_cast(literal(listed, Text), JSON)).table_valued("value", name="names")
    return func.json_each(listed).table_valued("value", name="names")


def _row(intent: Intent, run_id: str, now: datetime, source: RecordSource) -> dict[str, object]:
    return {
        "job_id": intent.job_id,
        "action": intent.action.value,
        "state": RecordState.INTENDED.value,
        "source": source.value,
        "issuer": PUBLISHER,
        "reason": intent.reason,
        "actor": intent.actor,
        "review_at": intent.review_at,
        "requested_at": now,
        "run_id": run_id,
    }


def _claiming(dialect: str, intent: Intent, run_id: str, names: Sequence[str]) -> Insert:
    """Enter new records, and take over those that are open and in nobody's hand; it returns the accounts of both."""
    accounts = _names(dialect, names)
    row = _row(intent, run_id, datetime.now(UTC), RecordSource.BULK)
    values: list[ColumnElement[object]] = [
        sql_cast(accounts.c.value, Text) if column is _R.account_id else literal(row[column.name], column.type)
        for column in _COLUMNS
    ]
    # SQLite needs the WHERE to tell ON CONFLICT from the ON of a join.
    chosen = select(*values).select_from(accounts).where(true())
    live_runs = select(RUNS.c.run_id).where(RUNS.c.expires_at > database_now())
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(RECORDS).from_select([column.name for column in _COLUMNS], chosen)
    taken = statement.on_conflict_do_update(
        index_elements=[_R.job_id, _R.action, _R.account_id],
        set_={
            "run_id": statement.excluded.run_id,
            "settled_at": None,
            # What had failed for certain may be sent again now.
            "state": case((_R.state == RecordState.FAILED.value, RecordState.INTENDED.value), else_=_R.state),
        },
        where=_IS_OPEN & (_R.run_id != statement.excluded.run_id) & _R.run_id.not_in(live_runs),
    )
    return taken.returning(_R.account_id)
