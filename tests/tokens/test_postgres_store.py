"""Tokens in PostgreSQL: poolers, rights, and connections that nobody has to close."""

from __future__ import annotations

import asyncio
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from support.pooler import pooled
from support.postgres import SERVER, connected, new_database, rows, unreachable

from tilia_async.config import Credentials
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, Identity, PostgresTokenStore, RedisTokenStore, SharedTokenStore

READ = frozenset({"read"})
MINE = Identity.of("https://auth.example/token", Credentials("id", Secret("a secret")))
PASSWORD = "canary-password"

pytestmark = pytest.mark.asyncio


def token(value: str) -> AccessToken:
    return AccessToken(value, READ, 3600, 0.0, datetime.now(UTC) + timedelta(seconds=3600))


async def use(store: SharedTokenStore, value: str = "value") -> list[str]:
    claim = await store.claim(MINE, READ)
    await store.save(MINE, token(value))
    if claim is not None:
        await claim.release()
    found = [each.value for each in await store.load(MINE)]
    await store.discard(MINE, token("another"))
    return found


async def test_a_pooler_in_transaction_mode_hands_on_no_statement(tmp_path: Path) -> None:
    async with new_database() as url, pooled(url, tmp_path) as through:
        stores = [PostgresTokenStore(f"{through}?statement_cache_size=0"), PostgresTokenStore(through)]
        found = await asyncio.gather(*(use(store) for store in stores for _ in range(8)))
    assert found == [["value"]] * 16


async def test_no_connection_stays_open() -> None:
    async with new_database() as url:
        assert await use(PostgresTokenStore(url)) == ["value"]
        async with connected(SERVER) as server:
            open_to = "SELECT FROM pg_stat_activity WHERE datname = %s"
            # The server's processes end a moment after their connections.
            async with asyncio.timeout(10):
                while await rows(server, open_to, urlsplit(url).path[1:]):  # noqa: ASYNC110 - it is another process that ends
                    await asyncio.sleep(0.01)


async def test_a_user_who_may_not_make_tables_learns_where_their_statements_are() -> None:
    async with new_database() as url:
        role = f"{urlsplit(url).path[1:]}_user"
        async with connected(url) as owner:
            await owner.execute(f"CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC".encode())
            host = urlsplit(url).netloc.rpartition("@")[2]
            store = PostgresTokenStore(urlunsplit(urlsplit(url)._replace(netloc=f"{role}@{host}")))
            with pytest.raises(ConnectionError, match=r"PostgresTokenStore\.SCHEMA"):
                await store.load(MINE)
            for statement in PostgresTokenStore.SCHEMA:
                await owner.execute(statement)
            await owner.execute(
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON tilia_tokens, tilia_token_claims TO {role}".encode()
            )
            assert await use(store) == ["value"]
            await owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


async def test_it_works_again_as_soon_as_the_database_does() -> None:
    async with new_database() as url:
        store = PostgresTokenStore(url)
        await use(store)
        async with unreachable(url):
            with pytest.raises(ConnectionError, match="PostgreSQL"):
                await store.load(MINE)
        assert await use(store) == ["value"]


@pytest.mark.parametrize(
    "store",
    [
        PostgresTokenStore(f"postgresql://user:{PASSWORD}@127.0.0.1:1/db"),
        RedisTokenStore(f"redis://user:{PASSWORD}@127.0.0.1:1/0"),
    ],
    ids=["postgres", "redis"],
)
async def test_a_failure_shows_no_password(store: SharedTokenStore) -> None:
    for step in (store.load(MINE), store.claim(MINE, READ), store.save(MINE, token(PASSWORD))):
        with pytest.raises(ConnectionError) as caught:
            await step
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None
        shown = [repr(frame.f_locals) for frame, _ in traceback.walk_tb(caught.value.__traceback__)][1:]
        assert PASSWORD not in "".join([str(caught.value), *shown])


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{PASSWORD}%zz@127.0.0.1:1/db",
        f"postgresql://user@127.0.0.1:1/db?sslmode={PASSWORD}",
        f"postgresql://user@127.0.0.1:1/db?connect_timeout={PASSWORD}",
        f"postgresql://user@127.0.0.1:1/db%zz?sslpassword={PASSWORD}",
    ],
)
async def test_a_url_that_the_driver_refuses_is_not_repeated(url: str) -> None:
    with pytest.raises(ConnectionError) as caught:
        await PostgresTokenStore(url).load(MINE)
    assert PASSWORD not in str(caught.value)


async def test_a_password_with_a_bare_percent_sign_is_taken_as_it_is() -> None:
    async with new_database() as url:
        parts = urlsplit(url)
        login = f"{parts.username}:a%zz%20b@{parts.netloc.rpartition('@')[2]}"
        # The server asks for none.
        assert await use(PostgresTokenStore(urlunsplit(parts._replace(netloc=login)))) == ["value"]
