"""Connections to PostgreSQL.

Each is ended, also when its event loop has, and works behind a pooler of connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count
from typing import Any, Final, Protocol
from urllib.parse import urlencode
from weakref import WeakSet

import asyncpg  # type: ignore[import-untyped]  # it has no py.typed
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine

_CACHES: Final = ("statement_cache_size", "prepared_statement_cache_size")
"""Options of the URL that set the statement cache.

With asyncpg's name and SQLAlchemy's: 0 keeps no prepared statement after its transaction.
"""

_KEYWORDS: Final = inspect.signature(asyncpg.connect).parameters.keys()  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - only names are taken

_STATEMENTS: Final = 100
"""Prepared statements of a connection, as in asyncpg."""

_inherited: Final[list[object]] = []
"""Connections of a parent process.

To close one here would end it there.
"""


class _Driver(Protocol):
    """A connection as asyncpg has it, which tells no types."""

    def get_server_pid(self) -> int: ...

    async def fetchval(self, query: str, /) -> object: ...

    async def execute(self, query: str, /) -> str: ...

    async def close(self) -> None: ...

    def terminate(self) -> None: ...


class _Adapted(Protocol):
    """A connection as SQLAlchemy has it."""

    @property
    def driver_connection(self) -> _Driver: ...

    def run_async(self, fn: Callable[[_Driver], Awaitable[object]], /) -> object: ...


class _Dialect(Protocol):
    def create_connect_args(self, url: URL, /) -> tuple[Sequence[str], dict[str, Any]]: ...  # settings are of any type

    def connect(self, **settings: Any) -> _Adapted: ...  # see above


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
    """

    def __init__(self, url: URL, seconds: float) -> None:
        options = {name: url.query[name] for name in _CACHES if name in url.query}
        self._keeps_statements = all(int(str(size)) for size in options.values())
        hidden = url.difference_update_query(options)
        # Neither a slot nor a variable of a frame shows it.
        self._url: Callable[[], URL] = lambda: hidden
        self._seconds = seconds
        self._known = WeakSet[_Driver]()
        self._process = os.getpid()

    def serve(self, engine: AsyncEngine) -> None:
        """Open the connections of an engine."""
        event.listen(engine.sync_engine, "do_connect", self._connect)
        event.listen(engine.sync_engine, "checkout", _check)

    async def aclose(self) -> None:
        """Close the connections that are still there.

        Waits until the server has heard it.
        """
        for connection in list(self._known):
            # What is broken is closed, too.
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close()

    def end(self) -> None:
        """End the connections that are still there.

        From any thread; it waits for none.
        """
        if self._process != os.getpid():
            _inherited.extend(self._known)
            return
        for connection in list(self._known):
            # A transport leaves the closing of its socket to its loop, which may have ended.
            with contextlib.suppress(RuntimeError):
                connection.terminate()
            _close_socket(connection)

    def _connect(self, dialect: _Dialect, _record: object, _arguments: object, _settings: object) -> _Adapted:
        _, options = dialect.create_connect_args(self._url())
        settings = {name: options.pop(name) for name in _KEYWORDS & options.keys()}
        # The rest is libpq's, such as sslmode and application_name, and asyncpg reads it from a URL.
        settings["dsn"] = f"postgresql://?{urlencode(options)}"
        # asyncpg keeps no statement itself: what is repeated is kept one level above, for each connection.
        settings |= {"timeout": self._seconds, "command_timeout": self._seconds, "statement_cache_size": 0}
        adapted = dialect.connect(**settings, prepared_statement_cache_size=0, prepared_statement_name_func=_unnamed)
        settings.clear()
        options.clear()
        connection = adapted.driver_connection
        self._known.add(connection)
        if not self._keeps_statements or not adapted.run_async(_is_direct):
            return adapted

        async def the_same() -> _Driver:
            return connection

        names = map("tilia_{}".format, count())
        return dialect.connect(
            async_creator_fn=the_same,
            prepared_statement_cache_size=_STATEMENTS,
            prepared_statement_name_func=partial(next, names),
        )


async def _is_direct(connection: _Driver) -> bool:
    return connection.get_server_pid() == await connection.fetchval("SELECT pg_backend_pid()")


def _unnamed() -> str:
    """Name a statement that is sent each time.

    It is sent with its text each time it is run.
    """
    return ""


def _check(adapted: _Adapted, _record: object, _proxy: object) -> None:
    """Check a connection before it is used.

    Servers end those that are idle.

    Raises:
        DisconnectionError: it is not; SQLAlchemy opens another.
    """
    try:
        adapted.run_async(_ask)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DisconnectionError(str(error)) from None


async def _ask(connection: _Driver) -> None:
    # By the simple protocol, in one exchange; it leaves nothing behind in a server's connection.
    await connection.execute("SELECT 1")


def _close_socket(connection: _Driver) -> None:
    """Close the socket of a dead loop's connection.

    Where the loop is uvloop, it has done so itself.
    """
    # No public way leads to either.
    transport: object = getattr(connection, "_transport", None)
    loop: object = getattr(connection, "_loop", None)
    if not isinstance(loop, asyncio.AbstractEventLoop) or not loop.is_closed():
        return
    encrypted = getattr(transport, "_ssl_protocol", None)
    plain: object = getattr(encrypted, "_transport", None) or transport
    socket = getattr(plain, "_sock", None)
    if socket is not None:
        socket.close()
        # Else it warns that nobody closed it.
        setattr(plain, "_sock", None)  # noqa: B010 - it is not known to have one
