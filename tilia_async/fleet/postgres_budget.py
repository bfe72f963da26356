"""The fleet's budget, kept in the ledger's PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import attrs
from sqlalchemy import Column, Double, Integer, MetaData, Table, Text, select, text, update
from sqlalchemy.dialects.postgresql import insert
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
    # Rewritten with every lease: what is beside it on its page must not be moved each time.
    postgresql_with={"fillfactor": "10"},
)
_STATE: Final[list[Column[Any]]] = [_BUDGETS.c[each.name] for each in attrs.fields(BudgetState)]
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtext('tilia_fleet_budgets'))")
_UNHURRIED: Final = text("SET LOCAL synchronous_commit TO off")
"""Setting for a lease, which need not be durable."""


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
        row_of = _BUDGETS.c.name == self._name

        async def change(connection: AsyncConnection) -> T:
            await connection.execute(_UNHURRIED)
            await connection.execute(select(_BUDGETS.c.name).where(row_of).with_for_update())
            # In a statement of its own: the clock is read when the row is locked, not while others have it.
            found: Sequence[Any] = (await connection.execute(select(*_STATE, database_now()).where(row_of))).one()
            before = BudgetState(*found[:-1])
            after, result = work(before, found[-1])
            if after != before:
                await connection.execute(update(_BUDGETS).where(row_of).values(**attrs.asdict(after)))
            return result

        return await self._database.write(change)
