"""Statements that are run over and over: for SQLite in one visit to its thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import attrs
from sqlalchemy import ClauseElement, Executable
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.ext.asyncio import AsyncConnection

Row = Sequence[object]


class _Driver(Protocol):
    async def execute_fetchall(self, sql: str, parameters: Iterable[object], /) -> Iterable[Row]: ...


@attrs.frozen
class Prepared:
    """A statement for one kind of database.

    Through SQLAlchemy a statement visits the thread of SQLite four times: to make a cursor, to execute, to fetch, to
    close. Through the driver itself it does so once, which is more than half of what a ledger costs a bulk job
    (``benchmarks/sections/bulk.py``).

    Attributes:
        statement: as SQLAlchemy has it.
        sql: as SQLite has it; None for other databases.
        parameters: of ``sql``: the name and what stands for it if it is not given.
        converters: of those values that SQLite keeps in another form.
    """

    statement: Executable
    sql: str | None = None
    parameters: Sequence[tuple[str, object]] = ()
    converters: Mapping[str, Callable[[object], object]] = attrs.field(factory=dict[str, Callable[[object], object]])

    async def run(self, connection: AsyncConnection, values: Mapping[str, object]) -> Sequence[Row]:
        """Execute it in the transaction under way, and return its rows."""
        if self.sql is None:
            result = await connection.execute(self.statement, values)
            return [tuple(row) for row in result] if result.returns_rows else ()
        driver: _Driver | None = (await connection.get_raw_connection()).driver_connection
        if driver is None:
            raise RuntimeError("the connection to the ledger has no driver")
        given = {name: values.get(name, otherwise) for name, otherwise in self.parameters}
        for name, convert in self.converters.items():
            given[name] = convert(given[name])
        return list(await driver.execute_fetchall(self.sql, tuple(given.values())))


def prepare(statement: Executable, dialect: str) -> Prepared:
    """Make a statement ready for a kind of database."""
    if dialect != "sqlite":
        return Prepared(statement)
    sqlite = SQLiteDialect_aiosqlite()
    if not isinstance(statement, ClauseElement):
        raise TypeError(f"a statement is made of SQLAlchemy's elements, not {statement!r}")
    compiled = sqlite.statement_compiler(sqlite, statement)
    names = compiled.positiontup or ()
    converters = {name: compiled.binds[name].type.dialect_impl(sqlite).bind_processor(sqlite) for name in names}
    return Prepared(
        statement,
        str(compiled),
        [(name, compiled.params[name]) for name in names],
        {name: convert for name, convert in converters.items() if convert is not None},
    )
