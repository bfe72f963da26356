"""The way to the database: SQLite through aiosqlite, PostgreSQL through asyncpg."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol, TypeVar

from sqlalchemy import event, func, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import Double, TypeEngine

from tilia_async.errors import ConfigurationError, LedgerError, TiliaError, readable
from tilia_async.ledger.schema import migrate
from tilia_async.ledger.sqlite_connections import SqliteConnections
from tilia_async.secret import Secret
from tilia_async.wire.mask import Mask

T = TypeVar("T")

BUSY_SECONDS: Final = 30.0
"""How long a statement may take, and how long SQLite waits for another process that writes."""

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


_COLLIDED: Final = frozenset({"40001", "40P01"})
"""PostgreSQL's words for a transaction that it gave up in favour of another: serialization failure and deadlock."""

_SHORTEST_SECRET: Final = 8

_COLLISIONS: Final = 5
"""How often a transaction is repeated that was given up for another."""


class _Connector(NamedTuple):
    """Where a database is, for people; how it is reached; and what of its drivers' words is not repeated."""

    name: str
    engine: AsyncEngine
    mask: Mask


class _CollisionError(Exception):
    """A transaction was given up in favour of another."""


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...

    def close(self) -> object: ...


class _DriverConnection(Protocol):
    def cursor(self) -> _Cursor: ...


class database_now(FunctionElement[float]):  # noqa: N801 - written like the SQL function that it is
    """Seconds since 1970 by the database's clock, which all processes share."""

    type: TypeEngine[float] = Double()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _sqlite_now(_element: database_now, _compiler: SQLCompiler, **_options: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _postgresql_now(_element: database_now, _compiler: SQLCompiler, **_options: object) -> str:
    return "(extract(epoch from clock_timestamp())::double precision)"


_CLOCK: Final = select(func.clock_timestamp())


async def clock(connection: AsyncConnection) -> datetime:
    """Return the time by the database's clock: what is told of different hosts is compared.

    A file is on this host, and so is its clock.
    """
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    now: datetime = (await connection.execute(_CLOCK)).scalar_one()
    return now


class Database:
    """One database, used from one event loop. Transactions that write run one at a time.

    A caller that is cancelled leaves its transaction to a task of the database's own, which does it to its end: after a
    commit that is cut in the middle nobody knows what is on record, and drivers lose connections on the way.

    Attributes:
        loop: the event loop that it belongs to.
        name: where it is, for people.
    """

    def __init__(self, url: Secret) -> None:
        self.loop = asyncio.get_running_loop()
        self._files = SqliteConnections()
        connector = _connector(url, self._files)
        if isinstance(connector, ConfigurationError):
            raise connector
        self.name, self._engine, self._mask = connector
        self._lock = asyncio.Lock()
        self._doing: set[asyncio.Task[object]] = set()
        self._closed = False

    async def open(self) -> None:
        """Connect, and bring the tables to the version of this package.

        Raises:
            LedgerError: it cannot be reached or written, or is of a newer version.
        """

        async def bring_up(connection: AsyncConnection) -> None:
            await connection.run_sync(migrate)

        await self.write(bring_up)

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do it in a transaction of its own; it is durable when this returns.

        Args:
            work: done again from its beginning when PostgreSQL gives it up because of another's transaction.

        Raises:
            LedgerError: it was not done.
        """

        async def change() -> T:
            async with self._lock:
                for _ in range(_COLLISIONS):
                    with contextlib.suppress(_CollisionError):
                        return await self._change_once(work)
                return await self._change_once(work)

        return await self._to_the_end(change())

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do it with a connection that sees one state of the database, and waits for no writer.

        Raises:
            LedgerError: it cannot be read.
        """

        async def look() -> T:
            async with self._engine.connect() as connection:
                return await work(connection)

        return await self._to_the_end(look())

    async def aclose(self) -> None:
        """Wait for what is under way, and close the connections. What is asked for later is refused."""
        self._closed = True
        try:
            if self._doing:
                await asyncio.wait(self._doing)
            await self._engine.dispose()
            await self._files.aclose()
        except BaseException:  # the loop ends: what it has no time for is done without it
            self._files.stop()
            raise

    def abandon(self) -> None:
        """Let go of connections that belong to another process, or to a loop that is gone."""
        self._engine.sync_engine.dispose(close=False)
        self._files.stop()

    async def _change_once(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        try:
            async with self._engine.begin() as connection:
                return await work(connection)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _COLLIDED:
                raise
            raise _CollisionError(str(error.orig)) from None

    async def _to_the_end(self, doing: Coroutine[object, object, T]) -> T:
        if self._closed:
            # Nobody would close the connection that it takes.
            doing.close()
            raise LedgerError("the ledger is closed: open another")
        task = self.loop.create_task(self._told(doing))
        self._doing.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._doing.discard(task)
        if not task.cancelled():
            # Its caller may be gone; a failure that nobody hears is none of the loop's business.
            task.exception()

    async def _told(self, doing: Coroutine[object, object, T]) -> T:
        """Tell whatever the database or its driver raises as a LedgerError, in the driver's words.

        They hold neither parameters nor the URL. The frames of the drivers hold the password, so nothing is chained.
        """
        try:
            return await doing
        except TiliaError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise what they like: OSError, their own, SQLAlchemy's
            why = self._mask.text(_words(error))
        raise LedgerError(f"the ledger at {self.name} cannot be read or written: {why}")


def _shown(url: URL) -> str:
    """Where it is, for people: who connects with what is not told."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.host or 'localhost'}/{url.database or ''}"


def _engine(parsed: URL, files: SqliteConnections) -> AsyncEngine:
    if parsed.get_backend_name() == "postgresql":
        # A statement that is never answered must not hold a job for ever.
        limits = {"timeout": BUSY_SECONDS, "command_timeout": BUSY_SECONDS}
        return create_async_engine(
            parsed, connect_args=limits, isolation_level="READ COMMITTED", pool_pre_ping=True, hide_parameters=True
        )
    engine = create_async_engine(
        parsed,
        # The driver begins a transaction before a statement that writes, as a writer: one that begins as a reader
        # cannot become a writer while another writes, it fails instead of waiting.
        connect_args={
            "timeout": BUSY_SECONDS,
            "isolation_level": "IMMEDIATE",
            "async_creator_fn": files.connect,
        },
        # Each transaction here is ended by the one who began it; a rollback at each return would cost as much again.
        pool_reset_on_return=None,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def url_problem(url: Secret) -> str | None:
    """What is wrong with a URL of a ledger; to be raised where no variable holds its parts."""
    parsed = _parsed(url)
    driver = None if parsed is None else _DRIVERS.get(parsed.drivername.partition("+")[0])
    if parsed is None or driver is None:
        return "the ledger's URL is like sqlite:///blocks.db or postgresql://user:password@host/database"
    if "@" in (parsed.host or ""):
        return "the ledger's URL has an @ in its user or password: write it as %40, as urllib.parse.quote does"
    if driver.startswith("sqlite") and parsed.database in {None, "", ":memory:"}:
        return "the ledger's URL names no file: a record that is kept in memory is none"
    return None


def _parsed(url: Secret) -> URL | None:
    # Not chained: the library's exception repeats the URL, which may have a password in it.
    with contextlib.suppress(ArgumentError, ValueError):
        return make_url(url.reveal())
    return None


def _connector(url: Secret, files: SqliteConnections) -> _Connector | ConfigurationError:
    """The way to the database at a URL; or why there is none, to be raised where no variable holds the URL's parts."""
    problem, parsed = url_problem(url), _parsed(url)
    if problem is not None or parsed is None:
        return ConfigurationError(problem or "")
    mask = Mask.of(_passwords(parsed))
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername.partition("+")[0]])
    try:
        return _Connector(_shown(parsed), _engine(parsed, files), mask)
    except Exception as error:  # noqa: BLE001 - the library and its plugins raise what they like for options that are wrong
        return ConfigurationError(f"the ledger's URL cannot be used: {mask.text(_words(error))}")


def _passwords(parsed: URL) -> Iterator[Secret]:
    """What of a URL may be a secret: drivers take a password among the options, too; short ones are words."""
    if parsed.password is not None:
        yield Secret(str(parsed.password))
    for name, value in parsed.query.items():
        values = (value,) if isinstance(value, str) else value
        yield from (Secret(each) for each in values if "pass" in name.lower() or len(each) >= _SHORTEST_SECRET)


def _prepare_sqlite(connection: _DriverConnection, _record: object) -> None:
    cursor = connection.cursor()
    try:
        # Readers do not wait for the writer; each commit is on the disk when it returns.
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
    finally:
        cursor.close()


def _words(error: BaseException) -> str:
    if isinstance(error, DBAPIError | StatementError) and error.orig is not None:
        error = error.orig
    # SQLAlchemy puts the driver's class before its words.
    text = readable(str(error)).removeprefix(f"{type(error)}: ")
    return f"{text} ({type(error).__name__})" if text else type(error).__name__
