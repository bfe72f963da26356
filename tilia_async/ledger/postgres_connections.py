"""Connections to PostgreSQL.

Each is ended, also when its event loop has, and works behind a pooler of connections.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol
from urllib.parse import unquote
from weakref import WeakSet

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine

from tilia_async import postgres
from tilia_async.postgres import CACHES, TIMES_IN_UTC, TimedConnection, opened
from tilia_async.secret import Secret

_DECODES: Final = make_url("postgresql://host/%20").database == " "
"""SQLAlchemy decodes a database's name.

Releases before 2.1 leave it as it is.
"""

_STATEMENTS: Final = 100
"""Prepared statements of a connection, at most."""

_BEGIN: Final = f"BEGIN ISOLATION LEVEL READ COMMITTED; {TIMES_IN_UTC}"

_NOT_CONNECTED: Final = (
    "no connection was opened: see to the server's address, the database, the user, the password and pg_hba.conf"
)

_inherited: Final[list[object]] = []
"""Connections of a parent process.

To close one here would end it there.
"""


class _Adapted(Protocol):
    """A connection as SQLAlchemy has it."""

    @property
    def driver_connection(self) -> TimedConnection: ...

    def run_async(self, fn: Callable[[TimedConnection], Awaitable[object]], /) -> object: ...


class _Driver(Protocol):
    def connect(self, *, async_creator_fn: Callable[[], Awaitable[TimedConnection]]) -> _Adapted: ...


class _Dialect(Protocol):
    @property
    def loaded_dbapi(self) -> _Driver: ...


class PostgresConnections:
    """Opens connections, and ends those that nobody else did.

    A pooler in transaction mode (PgBouncer, Supavisor, RDS Proxy) hands the server's connection on after each
    transaction, and what was prepared in it with it. Behind one, each statement is sent with its text. A pooler is
    recognised: the process id that it told at the start is not the server's.

    Args:
        url: where the server is, and whose password; with the option ``statement_cache_size=0`` there is a pooler,
            recognisable or not.
        seconds: how long connecting, and each statement, may take.

    Raises:
        ValueError: the option is not a number.
        psycopg.Error: libpq does not take the options.
    """

    def __init__(self, url: URL, seconds: float) -> None:
        sizes = [int(str(url.query[name])) for name in CACHES if name in url.query]
        self._statements = min(sizes, default=_STATEMENTS)
        hidden = address_of(url)
        # Neither a slot nor a variable of a frame shows it.
        self._address: Callable[[], Secret] = lambda: hidden
        self._seconds = seconds
        self._known = WeakSet[TimedConnection]()
        self._process = os.getpid()

    def serve(self, engine: AsyncEngine) -> None:
        """Open the connections of an engine.

        They begin a transaction whenever they are taken from its pool.
        """
        event.listen(engine.sync_engine, "do_connect", self._connect)
        event.listen(engine.sync_engine, "checkout", _begin)

    async def aclose(self) -> None:
        """Close the connections that are still there."""
        for connection in list(self._known):
            connection.end()

    def end(self) -> None:
        """End the connections that are still there.

        From any thread; it waits for none.
        """
        if self._process != os.getpid():
            _inherited.extend(self._known)
            return
        for connection in list(self._known):
            connection.end()

    def _connect(self, dialect: _Dialect, _record: object, _arguments: object, _settings: object) -> _Adapted:
        return dialect.loaded_dbapi.connect(async_creator_fn=self._connection)

    async def _connection(self) -> TimedConnection:
        connection = await self._opened()
        self._known.add(connection)
        connection.seconds = self._seconds
        connection.prepared_max = self._statements
        if self._statements and await _is_direct(connection):
            connection.prepare_threshold = 0
        return connection

    async def _opened(self) -> TimedConnection:
        async with asyncio.timeout(self._seconds):
            try:
                # A transaction is begun by _begin, not by a statement.
                connect = partial(TimedConnection.connect, autocommit=True, prepare_threshold=None)
                return await opened(connect, self._address())
            except psycopg.Error as error:
                error.__cause__ = _system_failure()
                if error.__cause__ is None:
                    error.add_note(_NOT_CONNECTED)
                raise


def address_of(url: URL) -> Secret:
    """Return the address of a database as libpq has it.

    Raises:
        psycopg.Error: libpq does not take an option.
    """
    place = url.translate_connect_args(username="user", database="dbname")
    if "dbname" in place and not _DECODES:
        place["dbname"] = unquote(str(place["dbname"]))
    query = ((name, value) for name, values in url.normalized_query.items() for value in values)
    return postgres.address_of(((name, str(value)) for name, value in place.items()), query)


def _system_failure() -> OSError | None:
    """Return why this process can open no connection.

    libpq puts what the system says into words, in the system's language.
    """
    try:
        socket.socket().close()
    except OSError as error:
        return error.with_traceback(None)
    return None


async def _is_direct(connection: TimedConnection) -> bool:
    found = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    return found == (connection.info.backend_pid,)


def _begin(adapted: _Adapted, _record: object, _proxy: object) -> None:
    """Begin a transaction on a connection from the pool.

    That checks the connection, too: servers end those that are idle. It is one exchange, by the simple protocol.

    Raises:
        DisconnectionError: it can no longer be used; SQLAlchemy opens another.
        psycopg.Error: one that was opened a moment ago cannot be used; nor could another.
        OSError: the same.
    """
    connection = adapted.driver_connection
    try:
        adapted.run_async(_ask)
    except (OSError, psycopg.Error) as error:
        if not connection.is_used:
            raise
        raise DisconnectionError(str(error)) from None
    connection.is_used = True


async def _ask(connection: TimedConnection) -> None:
    await connection.execute(_BEGIN, prepare=False)
