"""The URL of a PostgreSQL: hosts, options of libpq, of the server and of other drivers, and settings that do not count."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text
from sqlalchemy.engine import make_url
from support.postgres import SERVER, connected, new_database, url_of

from tilia_async.errors import ConfigurationError
from tilia_async.fleet import connections as fleet_connections
from tilia_async.fleet.redis_budget import RedisBudget
from tilia_async.ledger.database import Database
from tilia_async.ledger.postgres_connections import address_of
from tilia_async.ledger.prepared import Transaction
from tilia_async.postgres import libpq_options
from tilia_async.secret import Secret
from tilia_async.tokens import PostgresTokenStore, RedisTokenStore
from tilia_async.tokens.postgres_store import _address_of as address_of_store


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sslmode": "require", "application_name": "a b"}, {"sslmode": "require", "application_name": "a b"}),
        ({"ssl": "verify-full"}, {"sslmode": "verify-full"}),
        (
            {
                "statement_cache_size": "0",
                "prepared_statement_cache_size": "0",
                "max_cached_statement_lifetime": "1",
                "max_cacheable_statement_size": "1",
                "command_timeout": "1",
                "timeout": "1",
            },
            {},
        ),
        (
            {"search_path": "a b\\c", "options": "-c lock_timeout=1s", "statement_timeout": "5s"},
            {"options": "-c lock_timeout=1s -c search_path=a\\ b\\\\c -c statement_timeout=5s"},
        ),
        ({"search_path": "a,\tb,\nc\u00a0"}, {"options": "-c search_path=a,\\\tb,\\\nc\u00a0"}),
        ({"client_encoding": "LATIN1"}, {}),
    ],
)
def test_an_option_goes_where_it_is_understood(given: dict[str, str], expected: dict[str, str]) -> None:
    assert libpq_options(given.items()) == {**expected, "client_encoding": "UTF8"}


LOGIN = {"user": "user", "password": "a%zz b", "dbname": "the db"}
HOSTS = [
    ("h", "", {"host": "h"}),
    ("h:5433", "", {"host": "h", "port": "5433"}),
    ("[::1]:5433", "", {"host": "::1", "port": "5433"}),
    ("", "?host=/var/run/postgresql", {"host": "/var/run/postgresql"}),
    ("", "?host=%2Fvar%2Frun%2Fpostgresql&port=5433", {"host": "/var/run/postgresql", "port": "5433"}),
    ("%2Fvar%2Frun%2FPostgreSQL", "", {"host": "/var/run/PostgreSQL"}),
    ("", "?host=h1:5432&host=h2:5433", {"host": "h1,h2", "port": "5432,5433"}),
    ("", "?host=h1:5432,h2", {"host": "h1,h2", "port": "5432,"}),
    ("", "?host=h1&host=h2", {"host": "h1,h2"}),
    ("", "?host=h1,h2&port=5432,5433", {"host": "h1,h2", "port": "5432,5433"}),
    ("", "?host=[::1]:5432&host=[::2]&host=::3", {"host": "::1,::2,::3", "port": "5432,,"}),
    ("h:1", "?host=h1:5432&sslmode=require", {"host": "h1", "port": "5432", "sslmode": "require"}),
    ("h:1", "?host=h1", {"host": "h1", "port": "1"}),
]


@pytest.mark.parametrize(("place", "query", "expected"), HOSTS)
def test_ledger_and_token_store_read_hosts_alike(place: str, query: str, expected: dict[str, str]) -> None:
    url = f"postgresql://user:a%zz%20b@{place}/the%20db{query}"
    for address in (address_of(make_url(url)), address_of_store(Secret(url))):
        assert conninfo_to_dict(address.reveal()) == {**LOGIN, **expected, "client_encoding": "UTF8"}


def test_no_login_is_no_empty_one() -> None:
    for address in (address_of(make_url("postgresql:///db")), address_of_store(Secret("postgresql:///db"))):
        assert conninfo_to_dict(address.reveal()) == {"dbname": "db", "client_encoding": "UTF8"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("taker", "scheme"),
    [(Database, "postgresql"), (PostgresTokenStore, "postgresql"), (RedisTokenStore, "redis"), (RedisBudget, "redis")],
)
async def test_a_url_with_other_bytes_than_utf_8_is_refused_without_its_password(taker: Any, scheme: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        taker(Secret(f"{scheme}://u:p\udce4sswords@h/0"))
    assert "sswords" not in repr(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@asynccontextmanager
async def database_without_encoding() -> AsyncIterator[str]:
    name = f"tilia_{uuid.uuid4().hex}"
    how = "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    async with new_database(), connected(SERVER) as server:
        await server.execute(f"CREATE DATABASE {name} {how}".encode())
        try:
            yield url_of(name)
        finally:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.asyncio
@pytest.mark.parametrize("query", ["", "?client_encoding=SQL_ASCII"])
async def test_a_database_without_an_encoding_has_texts(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with database_without_encoding() as plain:
        monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
        url = Secret(plain + query)
        assert await selected(url, "SELECT 'ä€'::text") == ["ä€"]
        async with fleet_connections.connected(url) as connection:
            assert await (await connection.execute("SELECT 'ä€'::text")).fetchone() == ("ä€",)
        store = PostgresTokenStore(url)
        await store.install()
        # The server's other clients here read the names of its schemas as texts.
        monkeypatch.undo()


async def selected(url: Secret, *queries: str) -> list[object]:
    async def work(transaction: Transaction) -> list[object]:
        return [(await transaction.execute(text(query))).scalar_one() for query in queries]

    database = Database(url)
    try:
        return await database.read(work)
    finally:
        await database.aclose()


@pytest.mark.asyncio
async def test_times_do_not_depend_on_the_settings_of_the_database() -> None:
    async with new_database() as url:
        name = urlsplit(url).path[1:]
        async with connected(url) as owner:
            for setting in ("datestyle = 'German, DMY'", "timezone = 'Europe/Berlin'"):
                await owner.execute(f"ALTER DATABASE {name} SET {setting}".encode())
        try:
            # Between them the clocks were put back.
            before, after = await selected(
                Secret(url), "SELECT timestamptz '2026-10-25 00:30+00'", "SELECT timestamptz '2026-10-25 01:20+00'"
            )
        finally:
            async with connected(url) as owner:
                await owner.execute(f"ALTER DATABASE {name} RESET ALL".encode())
    assert before == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert isinstance(before, datetime)
    assert isinstance(after, datetime)
    assert after - before == timedelta(minutes=50)
