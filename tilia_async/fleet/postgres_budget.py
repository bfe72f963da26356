"""The fleet's budget, kept in the ledger's PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import attrs
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    func,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.event import listens_for
from sqlalchemy.ext.asyncio import AsyncConnection

from tilia_async.fleet.budget import BudgetState, Permits
from tilia_async.ledger.database import Database, database_now

T = TypeVar("T")

_BUDGETS: Final = Table(
    "tilia_fleet_budgets",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("rate", Double, nullable=False),
    Column("ceiling", Double),
    Column("steadiness", Integer, nullable=False),
    Column("cost", Double, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("cut_at", Double, nullable=False),
    Column("grown_at", Double, nullable=False),
    Column("free_at", Double, nullable=False),
)
_STATE: Final[Sequence[str]] = [each.name for each in attrs.fields(BudgetState)]
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtext('tilia_fleet_budgets'))")
_LOCKED: Final = select(_BUDGETS).where(_BUDGETS.c.name == bindparam("name")).with_for_update().cte("locked")
_COLUMNS: Final[list[ColumnElement[Any]]] = [_LOCKED.c[name] for name in _STATE]
_LOCK: Final[Select[Any]] = select(
    *_COLUMNS,
    database_now(),
    func.set_config("synchronous_commit", "off", true()),
    func.set_config("idle_in_transaction_session_timeout", "5s", true()),
)
"""Lock the budget, and read it, and then the clock.

In a query around the one that locks: the clock is read when the row is locked, not while others have it. What is given
away need not be durable. A worker that is stopped with the row in hand would stop the whole fleet, so it loses it.
"""


@listens_for(_BUDGETS, "after_create")
def _leave_room(_table: Table, connection: Connection, **_: object) -> None:
    """Leave room for new versions of the row.

    It is rewritten with every lease: what is beside it on its page must not be moved each time. No release of
    SQLAlchemy before 2.1 takes such a setting with the table.
    """
    connection.execute(text("ALTER TABLE tilia_fleet_budgets SET (fillfactor = 10)"))


class PostgresBudget:
    """Budget that all workers on one database share.

    A row, by the database's clock. Each lease is a transaction that locks it.

    Args:
        database: the ledger's, which owns the connections.
        name: what the budget is of, such as the origin of the environment.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name

    async def open(self) -> None:
        """Make the table and the row, if needed.

        Raises:
            LedgerError: the database cannot be reached, or its user may not make the table.
        """

        async def make(connection: AsyncConnection) -> None:
            # Two that make the same table at once would fail.
            await connection.execute(_ONE_AT_A_TIME)
            await connection.run_sync(_BUDGETS.create, checkfirst=True)
            values = attrs.asdict(BudgetState())
            await connection.execute(insert(_BUDGETS).values(name=self._name, **values).on_conflict_do_nothing())

        await self._database.write(make)

    async def lease(self, wanted: int) -> Permits:
        """Return permits for this worker alone.

        Raises:
            LedgerError: the budget cannot be reached.
        """
        return await self._change(lambda state, now: state.lease(wanted, now))

    async def report(self, epoch: int, wait: float) -> None:
        """Tell that Tilia asked for less.

        Args:
            epoch: that of the permits under which the refused request was sent.
            wait: seconds for which nobody shall send.

        Raises:
            LedgerError: the budget cannot be reached.
        """
        await self._change(lambda state, now: (state.refused(epoch, wait, now), None))

    async def _change(self, work: Callable[[BudgetState, float], tuple[BudgetState, T]]) -> T:
        async def change(connection: AsyncConnection) -> T:
            found: Sequence[Any] = tuple((await connection.execute(_LOCK, {"name": self._name})).one())
            before = BudgetState(*found[: len(_STATE)])
            after, result = work(before, found[len(_STATE)])
            if after != before:
                values = attrs.asdict(after)
                await connection.execute(update(_BUDGETS).where(_BUDGETS.c.name == self._name).values(values))
            return result

        return await self._database.write(change)
