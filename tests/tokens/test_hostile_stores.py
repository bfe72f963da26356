"""Stores that fail, hang, or answer rubbish: no call that could go without them fails for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.canaries import chain, places_of_foreign
from support.hostile import Connection, hostile_server
from support.redis_server import SERVER, new_prefix

from tilia_async.config import Credentials
from tilia_async.errors import ConfigurationError
from tilia_async.secret import Secret
from tilia_async.tokens import (
    AccessToken,
    FileTokenStore,
    Identity,
    MemoryTokenStore,
    PostgresTokenStore,
    RedisTokenStore,
    TokenCache,
    store_adapter,
)
from tilia_async.tokens.identity_tokens import IdentityTokens
from tilia_async.tokens.store import StoreError

READ = frozenset({"read"})
MINE = Identity.of("https://auth.example/token", Credentials("id", Secret("a secret")))
STEPS = ("load", "claim", "save", "release")
PASSWORD = "canary-password"

pytestmark = pytest.mark.asyncio


class Owner:
    closed = False


def token(value: object = "good", scopes: Any = READ, lifetime: Any = 3600, expires_at: Any = None) -> Any:
    return AccessToken(value, scopes, lifetime, 0.0, expires_at or datetime.now(UTC) + timedelta(seconds=3600))


class Scripted(MemoryTokenStore):
    """A store that does as told at one step, and says which steps it was asked for."""

    def __init__(self, at: str, behave: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.at = at
        self.behave = behave

    async def step(self, name: str) -> Any:
        self.asked.append(name)
        return await self.behave() if name == self.at else None

    async def load(self, identity: Identity) -> Any:
        told = await self.step("load")
        return [*await super().load(identity), *([] if told is None else told)]

    async def save(self, identity: Identity, token: AccessToken) -> None:
        await self.step("save")
        await super().save(identity, token)

    async def discard(self, identity: Identity, token: AccessToken) -> None:
        await self.step("discard")
        await super().discard(identity, token)

    async def claim(self, identity: Identity, scopes: frozenset[str]) -> Any:
        return await self.step("claim") or self

    async def release(self) -> None:
        await self.step("release")


def tokens_over(store: Any) -> IdentityTokens:
    return TokenCache(store)._tokens_of(MINE)


async def fetch(scopes: frozenset[str], generation: int) -> AccessToken:
    return token("fetched")


async def acquired(store: Any) -> str:
    return (await tokens_over(store).acquire(READ, fetch, Owner())).value


async def fails() -> None:
    raise OSError(PASSWORD)


async def cancels_itself() -> None:
    raise asyncio.CancelledError


async def hangs() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("behave", [fails, cancels_itself])
@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_fails_stops_no_call_and_is_logged(
    step: str, behave: Callable[[], Awaitable[object]], caplog: pytest.LogCaptureFixture
) -> None:
    assert await acquired(store := Scripted(step, behave)) == "fetched"
    assert step in store.asked
    assert f"the token store could not {step}" in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_hangs_is_cancelled_and_the_store_left_alone_for_a_while(
    step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_adapter, "STEP_SECONDS", 0.05)
    store = Scripted(step, hangs)
    held = tokens_over(store)
    assert (await held.acquire(READ, fetch, Owner())).value == "fetched"
    assert "took longer than 0.05 s" in caplog.text
    asked = len(store.asked)
    assert (await held.acquire(frozenset({"other"}), fetch, Owner())).value == "fetched"
    assert len(store.asked) == asked
    monkeypatch.setattr(held._stored, "_away_until", 0.0)
    store.at = "nothing"
    await held.acquire(frozenset({"third"}), fetch, Owner())
    assert len(store.asked) > asked


@pytest.mark.parametrize(
    "rubbish",
    [
        None,
        7,
        ["text", None, {}, object()],
        [token(value) for value in ("", None, 7, "two words", "a\r\nHost: b", "ü", "x" * 20_000)],
        [token(scopes=scopes) for scopes in (None, ["read"], "read", 7)],
        [token(lifetime=lifetime) for lifetime in (None, "3600", float("nan"), float("inf"), -1)],
        [token(expires_at=ends) for ends in ("soon", 7, datetime(2099, 1, 1), datetime.max.replace(tzinfo=UTC))],  # noqa: DTZ001 - wrong on purpose
    ],
    ids=["none", "a number", "objects", "values", "scopes", "lifetimes", "ends"],
)
async def test_rubbish_is_left_out_and_what_is_good_beside_it_serves(rubbish: Any) -> None:
    async def answers() -> Any:
        return rubbish

    assert await acquired(Scripted("load", answers)) == "fetched"
    if isinstance(rubbish, list):
        store = Scripted("load", answers)
        await MemoryTokenStore.save(store, MINE, token("kept"))
        assert await acquired(store) == "kept"


@pytest.mark.parametrize("rubbish", [True, "claimed", object()])
async def test_a_claim_that_is_none_stops_no_call(rubbish: object) -> None:
    async def answers() -> object:
        return rubbish

    assert await acquired(Scripted("claim", answers)) == "fetched"


class Synchronous:
    """A store as it was written for older versions."""

    def load(self, identity: Identity) -> list[AccessToken]:
        return []

    def save(self, identity: Identity, token: AccessToken) -> None:
        raise AssertionError("it is told before anything is asked for")

    discard = save


async def test_a_synchronous_store_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(ConfigurationError, match=r"Synchronous\.load is synchronous.*'async def load'.*to_thread"):
        await acquired(Synchronous())


async def test_a_store_of_which_a_part_is_synchronous_is_named_and_stops_no_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Half(MemoryTokenStore):
        def save(self, identity: Identity, token: AccessToken) -> None:
            """Do nothing."""

    assert await acquired(Half()) == "fetched"
    assert "Half.save is synchronous" in caplog.text


async def test_a_flight_that_is_cancelled_gives_its_claim_back() -> None:
    started = asyncio.Event()

    async def never(scopes: frozenset[str], generation: int) -> AccessToken:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    store, owner = Scripted("nothing", fails), Owner()
    held = tokens_over(store)
    waiting = asyncio.create_task(held.acquire(READ, never, owner))
    await started.wait()
    owner.closed = True
    await held.release(owner)
    assert store.asked[-1] == "release"
    waiting.cancel()


async def test_a_file_claim_whose_waiter_was_cancelled_is_free(tmp_path: Any) -> None:
    store = FileTokenStore(tmp_path / "tokens")
    for turn in range(10):
        asking = asyncio.create_task(store.claim(MINE, READ))
        for _ in range(turn):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        if not asking.cancelled():
            await asking.result().release()
    async with asyncio.timeout(20):
        # A thread that was about to take it gives it back when it comes to that.
        while (claim := await store.claim(MINE, READ)) is None:  # noqa: ASYNC110 - a thread has no event
            await asyncio.sleep(0.002)
    await claim.release()


STORES = {
    "postgres": lambda port: PostgresTokenStore(f"postgresql://user:{PASSWORD}@127.0.0.1:{port}/db"),
    "redis": lambda port: RedisTokenStore(f"redis://user:{PASSWORD}@127.0.0.1:{port}/0"),
}


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("how", ["closed", "silent", "rubbish"])
async def test_a_database_that_is_not_there_stops_no_call_and_shows_no_password(
    kind: str, how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(connection: Connection) -> None:
        if how == "rubbish":
            await connection.reader.read(1)
            connection.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        else:
            await connection.reader.read()

    monkeypatch.setattr(store_adapter, "STEP_SECONDS", 0.3)
    if how == "closed":
        assert await acquired(STORES[kind](1)) == "fetched"
    else:
        async with hostile_server(serve) as server:
            assert await acquired(STORES[kind](server.port)) == "fetched"
    assert "the token store could not load" in caplog.text
    assert PASSWORD not in caplog.text


async def test_an_option_that_redis_does_not_know_is_named_without_the_password() -> None:
    with pytest.raises(StoreError, match="an option of its URL") as caught:
        await RedisTokenStore(f"redis://user:{PASSWORD}@127.0.0.1:1/0?retries=1").load(MINE)
    texts = [*map(str, chain(caught.value)), *places_of_foreign(caught.value)]
    assert not [text for text in texts if PASSWORD in text]


async def test_a_url_that_asks_redis_for_texts_works_as_any_other() -> None:
    async with new_prefix() as prefix:
        store = RedisTokenStore(f"{SERVER}?decode_responses=true", prefix=prefix)
        await store.save(MINE, token())
        assert [each.value for each in await store.load(MINE)] == ["good"]
        await store.discard(MINE, token())
        assert not await store.load(MINE)


async def test_a_refused_token_is_discarded_as_soon_as_the_store_can() -> None:
    away = [ConnectionError("away"), ConnectionError("away")]

    class Forgetful(MemoryTokenStore):
        async def discard(self, identity: Identity, token: AccessToken) -> None:
            if away:
                raise away.pop()
            await super().discard(identity, token)

    async def fetch(_scopes: frozenset[str], _generation: int) -> AccessToken:
        return token("new", READ | {"write"})  # type: ignore[no-any-return]  # a function of the tests without types

    store = Forgetful()
    await store.save(MINE, token("refused"))
    adapter = store_adapter.StoreAdapter(store, MINE, asyncio.get_running_loop().time)
    adapter.discard(token("refused"))
    for _ in range(3):
        assert (await adapter.find_or_fetch(READ, fetch, 1, fresh=False)).value == "new"
    assert [each.value for each in await store.load(MINE)] == ["new"]
