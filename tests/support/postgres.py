"""A PostgreSQL database for one test.

Used as a fixture: ``from postgres import postgres_database``, or ``new_database`` where a fixture does not fit.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import pytest_asyncio
from psycopg.rows import TupleRow

SERVER = os.environ.get("TILIA_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]

_EMPTIED: list[str] = []
"""Names of databases that no test has now.

To make one and to drop it costs a server more than most tests do.
"""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Connect to a database; each statement is a transaction."""
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=True, prepare_threshold=None, connect_timeout=5
    ) as connection:
        yield connection


async def rows(connection: Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query, whose parameters are ``%s``."""
    return await (await connection.execute(query.encode(), values or None)).fetchall()


@asynccontextmanager
async def new_database() -> AsyncIterator[str]:
    """Make an empty database, and return its URL.

    Afterwards whoever is still connected to it is cut off, and nobody finds it again: the next test has it under
    another name.

    Where no server answers, the test is skipped, or fails under ``TILIA_REQUIRE_SERVICES=1``.
    """
    async with AsyncExitStack() as opened:
        try:
            server = await opened.enter_async_context(connected(SERVER))
        except psycopg.OperationalError as error:
            unavailable(f"no PostgreSQL answers at TILIA_TEST_POSTGRES: {type(error).__name__}")
        name = f"tilia_{uuid.uuid4().hex}"
        if _EMPTIED:
            await server.execute(f"ALTER DATABASE {_EMPTIED.pop()} RENAME TO {name}".encode())
        else:
            await server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield url_of(name)
        finally:
            await _empty(server, name)


def url_of(name: str) -> str:
    """Return the URL of a database of the server."""
    return urlunsplit(urlsplit(SERVER)._replace(path=f"/{name}"))


async def _empty(server: Connection, name: str) -> None:
    emptied = f"tilia_emptied_{uuid.uuid4().hex}"
    await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
    # Returns once they are gone.
    await rows(server, "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = %s", name)
    await server.execute(f"ALTER DATABASE {name} RENAME TO {emptied}".encode())
    await server.execute(f"ALTER DATABASE {emptied} ALLOW_CONNECTIONS true".encode())
    async with connected(url_of(emptied)) as database:
        query = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'"
        for (schema,) in await rows(database, query):
            await database.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())
        await database.execute("CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC")
    _EMPTIED.append(emptied)


async def drop_databases() -> None:
    """Drop what this process has made."""
    if not _EMPTIED:
        return
    async with connected(SERVER) as server:
        while _EMPTIED:
            await server.execute(f"DROP DATABASE {_EMPTIED.pop()} WITH (FORCE)".encode())


def unavailable(why: str) -> None:
    """Skip the test, or fail where services are required."""
    if os.environ.get("TILIA_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{why}, and TILIA_REQUIRE_SERVICES=1 asks for it", pytrace=False)
    pytest.skip(why)


@pytest_asyncio.fixture
async def postgres_database() -> AsyncIterator[str]:
    async with new_database() as url:
        yield url


async def terminate_connections(url: str) -> int:
    """Terminate all connections to a database.

    From the server's side, as a failover does. Returns how many there were.
    """
    async with connected(SERVER) as server:
        ended = await rows(
            server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", urlsplit(url).path[1:]
        )
    return len(ended)


@asynccontextmanager
async def unreachable(url: str) -> AsyncIterator[None]:
    """Cut a database off.

    No new connections, and the end of those there are.
    """
    name = urlsplit(url).path[1:]
    async with connected(SERVER) as server:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        try:
            await terminate_connections(url)
            yield
        finally:
            await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


async def every_text(url: str) -> AsyncIterator[str]:
    """Return all rows of all tables as text."""
    async with connected(url) as database:
        tables = await rows(
            database,
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
        )
        for schema, table in tables:
            for (row,) in await rows(database, f'SELECT each::text FROM "{schema}"."{table}" AS each'):
                yield row
