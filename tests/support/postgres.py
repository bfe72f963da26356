"""A PostgreSQL database for one test.

Used as a fixture: ``from postgres import postgres_database``, or ``new_database`` where a fixture does not fit.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio

SERVER = os.environ.get("TILIA_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


_EMPTIED: list[str] = []
"""Names of databases that no test has now.

To make one and to drop it costs a server more than most tests do.
"""


@asynccontextmanager
async def new_database() -> AsyncIterator[str]:
    """Make an empty database, and return its URL.

    Afterwards whoever is still connected to it is cut off, and nobody finds it again: the next test has it under
    another name.

    Where no server answers, the test is skipped, or fails under ``TILIA_REQUIRE_SERVICES=1``.
    """
    try:
        server = await asyncpg.connect(SERVER, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        unavailable(f"no PostgreSQL answers at TILIA_TEST_POSTGRES: {type(error).__name__}")
    name = f"tilia_{uuid.uuid4().hex}"
    try:
        if _EMPTIED:
            await server.execute(f"ALTER DATABASE {_EMPTIED.pop()} RENAME TO {name}")
        else:
            await server.execute(f"CREATE DATABASE {name}")
        try:
            yield url_of(name)
        finally:
            await _empty(server, name)
    finally:
        await server.close()


def url_of(name: str) -> str:
    """Return the URL of a database of the server."""
    return urlunsplit(urlsplit(SERVER)._replace(path=f"/{name}"))


async def _empty(server: asyncpg.Connection[asyncpg.Record], name: str) -> None:
    emptied = f"tilia_emptied_{uuid.uuid4().hex}"
    await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    # Returns once they are gone.
    await server.execute("SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = $1", name)
    await server.execute(f"ALTER DATABASE {name} RENAME TO {emptied}")
    await server.execute(f"ALTER DATABASE {emptied} ALLOW_CONNECTIONS true")
    database = await asyncpg.connect(url_of(emptied))
    try:
        schemas = await database.fetch("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'")
        for (schema,) in schemas:
            await database.execute(f'DROP SCHEMA "{schema}" CASCADE')
        await database.execute("CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC")
    finally:
        await database.close()
    _EMPTIED.append(emptied)


async def drop_databases() -> None:
    """Drop what this process has made."""
    if not _EMPTIED:
        return
    server = await asyncpg.connect(SERVER)
    try:
        while _EMPTIED:
            await server.execute(f"DROP DATABASE {_EMPTIED.pop()} WITH (FORCE)")
    finally:
        await server.close()


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
    server = await asyncpg.connect(SERVER)
    try:
        ended = await server.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", urlsplit(url).path[1:]
        )
    finally:
        await server.close()
    return len(ended)


@asynccontextmanager
async def unreachable(url: str) -> AsyncIterator[None]:
    """Cut a database off.

    No new connections, and the end of those there are.
    """
    name = urlsplit(url).path[1:]
    server = await asyncpg.connect(SERVER)
    try:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            await terminate_connections(url)
            yield
        finally:
            await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    finally:
        await server.close()


async def every_text(url: str) -> AsyncIterator[str]:
    """Return all rows of all tables as text."""
    database = await asyncpg.connect(url)
    try:
        tables = await database.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for schema, table in tables:
            for (row,) in await database.fetch(f'SELECT each::text FROM "{schema}"."{table}" AS each'):
                yield row
    finally:
        await database.close()
