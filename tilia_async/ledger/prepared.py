"""Statements that are repeated, with their transactions."""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import attrs
from sqlalchemy import ClauseElement, Connection, Executable, Select
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite

Row: TypeAlias = Sequence[object]
_Convert: TypeAlias = Callable[[object], object]
_Read: TypeAlias = Callable[[Sequence[object]], Row]

_SQLITE: Final = SQLiteDialect_aiosqlite()


@attrs.frozen
class Prepared:
    """A statement for one kind of database.

    Attributes:
        statement: as SQLAlchemy has it.
        sql: as SQLite has it; None for other databases.
        parameters: of ``sql``: the name and what stands for it if it is not given.
        converters: of those values that SQLite keeps in another form.
        read: makes a row of SQLite's one with names and Python's types; None: it is taken as it is.
    """

    statement: Executable
    sql: str | None = None
    parameters: Sequence[tuple[str, object]] = ()
    converters: Mapping[str, _Convert] = attrs.field(factory=dict[str, _Convert])
    read: _Read | None = None

    def values(self, given: Mapping[str, object]) -> tuple[object, ...]:
        """Return the parameters of ``sql``, in their order."""
        values = {name: given.get(name, otherwise) for name, otherwise in self.parameters}
        for name, convert in self.converters.items():
            values[name] = convert(values[name])
        return tuple(values.values())


class Transaction(Protocol):
    """A transaction under way.

    It blocks its thread, and is used in no other.
    """

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        ...

    def run(self, prepared: Prepared, values: Mapping[str, object]) -> Sequence[Row]:
        """Execute a statement, and return its rows."""
        ...


@attrs.frozen
class SqliteTransaction:
    """A transaction through the driver itself.

    SQLAlchemy's way costs several visits to the thread of SQLite for each statement. This is one visit for all of them.
    """

    file: sqlite3.Connection
    dialect: str = "sqlite"

    def run(self, prepared: Prepared, values: Mapping[str, object]) -> Sequence[Row]:
        """Execute a statement, and return its rows."""
        if prepared.sql is None:
            raise RuntimeError("the statement is prepared for another database")
        rows = self.file.execute(prepared.sql, prepared.values(values)).fetchall()
        return rows if prepared.read is None else list(map(prepared.read, rows))


@attrs.frozen
class PooledTransaction:
    """A transaction on a connection of SQLAlchemy's."""

    connection: Connection

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.connection.dialect.name

    def run(self, prepared: Prepared, values: Mapping[str, object]) -> Sequence[Row]:
        """Execute a statement, and return its rows."""
        result = self.connection.execute(prepared.statement, values)
        return result.all() if result.returns_rows else ()


def prepare(statement: Executable, dialect: str) -> Prepared:
    """Make a statement ready for a kind of database."""
    if dialect != "sqlite":
        return Prepared(statement)
    if not isinstance(statement, ClauseElement):
        raise TypeError(f"a statement is made of SQLAlchemy's elements, not {statement!r}")
    compiled = _SQLITE.statement_compiler(_SQLITE, statement)
    names = compiled.positiontup or ()
    converters = {name: compiled.binds[name].type.dialect_impl(_SQLITE).bind_processor(_SQLITE) for name in names}
    return Prepared(
        statement,
        str(compiled),
        [(name, compiled.params[name]) for name in names],
        {name: convert for name, convert in converters.items() if convert is not None},
        _reader(statement) if isinstance(statement, Select) else None,
    )


def _reader(statement: Select[tuple[object, ...]]) -> _Read | None:
    """Make the function that reads a query's rows.

    None where the types of SQLite are Python's.
    """
    columns = list(statement.selected_columns)
    found = [column.type.dialect_impl(_SQLITE).result_processor(_SQLITE, None) for column in columns]
    converters = [(place, convert) for place, convert in enumerate(found) if convert is not None]
    if not converters:
        return None
    named = namedtuple("Row", [column.key for column in columns])  # type: ignore[misc]  # noqa: PYI024 - its fields are those of the query

    def read(row: Sequence[object]) -> Row:
        values = list(row)
        for place, convert in converters:
            values[place] = convert(values[place])
        return named(*values)

    return read
