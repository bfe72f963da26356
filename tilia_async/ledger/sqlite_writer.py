"""The writing connection of a ledger in SQLite."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from tilia_async.ledger.prepared import SqliteTransaction, Transaction
from tilia_async.ledger.sqlite_connections import SqliteConnection, SqliteConnections

T = TypeVar("T")


class SqliteWriter:
    """Runs transactions, each in one visit to a thread.

    One at a time.

    Args:
        settings: of the file, as the driver takes them.
    """

    def __init__(self, files: SqliteConnections, database: str, settings: Mapping[str, object]) -> None:
        self._files = files
        self._database = database
        self._settings = settings
        self._connection: SqliteConnection | None = None

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run statements in a transaction of their own.

        It is durable when this returns.

        Raises:
            sqlite3.Error: it was not done.
        """
        connection = await self._opened()
        return await connection.visit(partial(_transact, work=work))

    async def _opened(self) -> SqliteConnection:
        if self._connection is None or not self._connection.running:
            settings = {**self._settings, "isolation_level": None}
            self._connection = await self._files.connect(self._database, **settings)
        return self._connection


def _transact(file: sqlite3.Connection, work: Callable[[Transaction], T]) -> T:
    file.execute("BEGIN IMMEDIATE")
    try:
        result = work(SqliteTransaction(file))
        file.execute("COMMIT")
    except BaseException:  # whatever it is, nothing of it stays; it is raised again
        with contextlib.suppress(sqlite3.Error):
            if file.in_transaction:
                file.execute("ROLLBACK")
        raise
    return result
