"""The way to the database.

SQLite through aiosqlite, PostgreSQL through psycopg.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from sqlalchemy import func, make_url, select
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import Double, TypeEngine

from tilia_async.errors import ConfigurationError, LedgerError, TiliaError
from tilia_async.ledger.failures import is_unanswered, note, sqlstate_of, words
from tilia_async.ledger.prepared import PooledTransaction, Transaction
from tilia_async.ledger.schema import find_version, is_current, migrate
from tilia_async.ledger.sqlite_connections import SqliteConnections
from tilia_async.ledger.sqlite_locks import BUSY_SECONDS
from tilia_async.ledger.sqlite_writer import SqliteWriter
from tilia_async.ledger.url import Kind, kind_of, url_problem
from tilia_async.secret import Secret
from tilia_async.wire.redactor import Redactor

if TYPE_CHECKING:
    from tilia_async.ledger.postgres_connections import PostgresConnections

T = TypeVar("T")

_HURRY_SECONDS: Final = 1.0
"""Seconds for what is under way in a hurried close.

It waits for no lock in SQLite.
"""

_CLOSING_SECONDS: Final = 2.0
"""Seconds for an orderly close of the connections."""

_COLLIDED: Final = frozenset({"40001", "40P01"})
"""Error codes of PostgreSQL for a collision.

It gave a transaction up in favour of another: serialization failure and deadlock.
"""

_SHORTEST_SECRET: Final = 8

_COLLISIONS: Final = 5
"""Repetitions of a transaction that collided, at most.

It was given up for another.
"""


class _Connector(NamedTuple):
    """The address, engine and secrets of a database.

    Where it is, for people; how it is reached; and what of its drivers' words is not repeated.
    """

    name: str
    engine: AsyncEngine
    servers: PostgresConnections | None
    mask: Redactor


class _CollisionError(Exception):
    """A transaction was given up in favour of another."""


class database_now(FunctionElement[float]):  # noqa: N801 - written like the SQL function that it is
    """Seconds since 1970 by the database's clock.

    All processes share that clock.
    """

    type: TypeEngine[float] = Double()
    inherit_cache: bool | None = True


@compiles(database_now, "sqlite")
def _sqlite_now(_element: database_now, _compiler: SQLCompiler, **_options: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _postgresql_now(_element: database_now, _compiler: SQLCompiler, **_options: object) -> str:
    return "(extract(epoch from clock_timestamp())::double precision)"


_CLOCK: Final = select(func.clock_timestamp())


async def clock(connection: AsyncConnection) -> datetime:
    """Return the time by the database's clock.

    Times told of different hosts are compared, so they need one clock.

    A file is on this host, and so is its clock.
    """
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    now: datetime = (await connection.execute(_CLOCK)).scalar_one()
    return now


class Database:
    """A database, used from one event loop.

    Transactions that write run one at a time.

    A caller that is cancelled leaves its transaction to a task of the database's own, which does it to its end: after a
    commit that is cut in the middle nobody knows what is on record, and drivers lose connections on the way.

    Attributes:
        loop: the event loop that it belongs to.
        name: where it is, for people.
    """

    name: str

    def __init__(self, url: Secret) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._files = SqliteConnections()
        connector = _connector(url, self._files)
        if isinstance(connector, ConfigurationError):
            raise connector
        self.name, self._engine, self._servers, self._mask = connector
        self._writer = _writer(self._engine, self._files)
        self._lock = asyncio.Lock()
        self._doing: set[asyncio.Task[object]] = set()
        self._is_hurried = False
        self._closed = False
        self._loop_end: AsyncGenerator[None, None] | None = None

    @property
    def is_closed(self) -> bool:
        """True from the beginning of its closing."""
        return self._closed

    async def open(self, *, makes: bool = True) -> None:
        """Connect, and migrate the tables if needed.

        The tables are brought to the version of this package if they are not of it: only that writes.

        Args:
            makes: False: a database without the tables is left as it is.

        Raises:
            LedgerError: it cannot be reached, is of a newer version, or cannot be brought to this.
        """
        # A loop that ends closes its asynchronous generators first: so the connections are closed in their loop.
        self._loop_end = self._end_with_loop()
        await anext(self._loop_end)
        version = await self.read(lambda connection: connection.run_sync(find_version))
        if not version and not makes:
            raise LedgerError(f"there is no ledger in {self.name}: it has none of the tables, and was left as it is")
        if not is_current(version):
            await self.write(lambda connection: connection.run_sync(migrate))

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do something in a transaction of its own.

        It is durable when this returns.

        Args:
            work: done again from its beginning when PostgreSQL gives it up because of another's transaction.

        Raises:
            LedgerError: it was not done. If PostgreSQL did not answer the commit, nobody knows, and the text says so.
        """

        async def change() -> T:
            async with self._lock:
                for _ in range(_COLLISIONS):
                    with contextlib.suppress(_CollisionError):
                        return await self._change_once_locked(work)
                return await self._change_once_locked(work)

        return await self._to_the_end(change())

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Read with a connection that sees one state.

        It waits for no writer.

        Raises:
            LedgerError: it cannot be read.
        """

        async def look() -> T:
            for _ in range(_COLLISIONS):
                async with self._engine.connect() as connection:
                    found = await work(connection)
                    if self._servers is not None:
                        # At a rollback, which is the end otherwise, psycopg forgets what it has prepared.
                        await connection.commit()
                if not self._files.is_outdated:
                    return found
                # It could only be read as a file that nobody changes, and somebody has changed it.
                self._files.forget_states()
                await self._engine.dispose()
            raise LedgerError(f"the ledger at {self.name} is changed all the time, and cannot be read without writing")

        return await self._to_the_end(look())

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run prepared statements in a transaction of their own.

        They are durable when this returns.

        With SQLite it is one visit to the thread of a connection that does nothing else.

        Args:
            work: blocks, in a thread or greenlet of its own; done again from its beginning when PostgreSQL gives it up
                because of another's transaction.

        Raises:
            LedgerError: as ``write``.
        """
        if self._writer is None:
            return await self.write(lambda connection: connection.run_sync(_pooled, work))
        return await self._to_the_end(self._visit(self._writer, work))

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """Run prepared statements that only read.

        The connection sees one state of the database.

        Raises:
            LedgerError: it cannot be read.
        """
        return await self.read(lambda connection: connection.run_sync(_pooled, work))

    async def aclose(self) -> None:
        """Wait for what is under way, and close the connections.

        What is asked for later is refused.
        """
        self._closed = True
        try:
            if self._doing:
                await asyncio.wait(self._doing)
            await self._disconnect()
        except BaseException:  # the loop ends: what it has no time for is done without it
            self._files.stop()
            self._end_servers()
            raise
        finally:
            loop_end, self._loop_end = self._loop_end, None
            if loop_end is not None:
                # Where the loop is ending already, it is running.
                with contextlib.suppress(RuntimeError):
                    await loop_end.aclose()

    def hurry(self) -> None:
        """Let nothing wait for locks of others any more.

        It may be called from any thread; what is under way has a second to end.

        A transaction that has not begun in SQLite never will; one that has begun is committed or undone as a whole.
        """
        if self._is_hurried:
            return
        self._is_hurried = True
        self._files.hurry()
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._end_soon)

    def _end_soon(self) -> None:
        for task in self._doing:
            self.loop.call_later(_HURRY_SECONDS, task.cancel)

    def abandon(self) -> None:
        """Let go of connections that cannot be used.

        They belong to another process, or to a loop that is gone.
        """
        self._closed = True
        self._engine.sync_engine.dispose(close=False)
        self._files.stop()
        self._end_servers()

    async def _end_with_loop(self) -> AsyncGenerator[None, None]:
        """Close the connections when the event loop ends.

        Nothing is left to do if somebody closed them before.
        """
        try:
            yield
        finally:
            if not self._closed:
                self._closed = True
                self.hurry()
                if self._doing:
                    await asyncio.wait(self._doing)
                await self._disconnect()

    async def _disconnect(self) -> None:
        # A server or a disk that does not answer is left alone.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                # First, because SQLAlchemy logs what cuts its own closing short.
                await self._files.aclose()
                if self._servers is not None:
                    await self._servers.aclose()
        self._files.stop()
        self._end_servers()
        await self._engine.dispose()

    def _end_servers(self) -> None:
        if self._servers is not None:
            self._servers.end()

    async def _change_once_locked(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        is_committing = False
        try:
            async with self._engine.begin() as connection:
                found = await work(connection)
                is_committing = True
        except Exception as error:  # drivers raise what they like; all but one kind are raised again
            if isinstance(error, DBAPIError) and sqlstate_of(error) in _COLLIDED:
                raise _CollisionError(str(error.orig)) from None
            if is_committing and self._servers is not None and is_unanswered(error):
                note(error, "its commit was not answered, so it may be on record all the same")
            raise
        return found

    async def _visit(self, writer: SqliteWriter, work: Callable[[Transaction], T]) -> T:
        async with self._lock:
            return await writer.transact(work)

    async def _to_the_end(self, doing: Coroutine[object, object, T]) -> T:
        if self._closed:
            # Nobody would close the connection that it takes.
            doing.close()
            raise LedgerError("the ledger is closed: open another")
        task = self.loop.create_task(self._translating_failures(doing))
        self._doing.add(task)
        if self._is_hurried:
            self.loop.call_later(_HURRY_SECONDS, task.cancel)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._doing.discard(task)
        if not task.cancelled():
            # Its caller may be gone; a failure that nobody hears is none of the loop's business.
            task.exception()

    async def _translating_failures(self, doing: Coroutine[object, object, T]) -> T:
        """Raise the database's failures as a LedgerError.

        Whatever the database or its driver raises is told in the driver's words.

        They hold neither parameters nor the URL. The frames of the drivers hold the password, so nothing is chained.
        """
        try:
            return await doing
        except TiliaError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise what they like: OSError, their own, SQLAlchemy's
            why = self._mask.text(words(error))
        raise LedgerError(f"the ledger at {self.name} cannot be read or written: {why}")


def _shown(url: URL) -> str:
    """Return the database's place, for people.

    Who connects with what is not told.
    """
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.host or 'localhost'}/{url.database or ''}"


def _engine(parsed: URL, files: SqliteConnections) -> AsyncEngine:
    return create_async_engine(
        parsed.set(drivername="sqlite+aiosqlite"),
        # The driver begins a transaction before a statement that writes, as a writer: one that begins as a reader
        # cannot become a writer while another writes, it fails instead of waiting.
        connect_args={"isolation_level": "IMMEDIATE", "async_creator_fn": files.connect},
        poolclass=AsyncAdaptedQueuePool,
        # Each transaction here is ended by the one who began it; a rollback at each return would cost as much again.
        pool_reset_on_return=None,
        hide_parameters=True,
    )


def _servers(parsed: URL) -> tuple[AsyncEngine, PostgresConnections]:
    # An extra of its own, and only this kind of database needs it.
    from tilia_async.ledger.postgres_connections import PostgresConnections  # noqa: PLC0415 - see above

    connections = PostgresConnections(parsed, BUSY_SECONDS)
    engine = create_async_engine(
        # Where it is, and the password, only the connections know: an engine shows its URL to whoever looks into it.
        "postgresql+psycopg://",
        poolclass=AsyncAdaptedQueuePool,
        hide_parameters=True,
    )
    connections.serve(engine)
    return engine, connections


def _writer(engine: AsyncEngine, files: SqliteConnections) -> SqliteWriter | None:
    if engine.dialect.name != "sqlite":
        return None
    (database, *_), settings = engine.dialect.create_connect_args(engine.url)
    return SqliteWriter(files, str(database), settings)


def _pooled(connection: Connection, work: Callable[[Transaction], T]) -> T:
    return work(PooledTransaction(connection))


def _parsed(url: Secret) -> URL | None:
    # Not chained: the library's exception repeats the URL, which may have a password in it.
    with contextlib.suppress(ArgumentError, ValueError):
        return make_url(url.reveal())
    return None


def _connector(url: Secret, files: SqliteConnections) -> _Connector | ConfigurationError:
    """Return the way to the database at a URL.

    If there is none, it returns the error, to be raised where no variable holds the URL's parts.
    """
    problem, parsed = url_problem(url), _parsed(url)
    if problem is not None or parsed is None:
        return ConfigurationError(problem or "the ledger's URL cannot be read")
    mask = Redactor.of(_passwords(parsed))
    try:
        if kind_of(url) is Kind.SQLITE:
            return _Connector(_shown(parsed), _engine(parsed, files), None, mask)
        return _Connector(_shown(parsed), *_servers(parsed), mask)
    except Exception as error:  # noqa: BLE001 - the library and its plugins raise what they like for options that are wrong
        return ConfigurationError(f"the ledger's URL cannot be used: {mask.text(words(error))}")


def _passwords(parsed: URL) -> Iterator[Secret]:
    """Return the parts of a URL that may be secret.

    Drivers take a password among the options, too; short ones are words.
    """
    if parsed.password is not None:
        yield Secret(str(parsed.password))
    for name, value in parsed.query.items():
        values = (value,) if isinstance(value, str) else value
        yield from (Secret(each) for each in values if "pass" in name.lower() or len(each) >= _SHORTEST_SECRET)
