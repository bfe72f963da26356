"""Stores that processes share: the same promises of a file, of PostgreSQL and of Redis."""

# ruff: noqa: ASYNC240 - nothing else runs in the loops of these tests

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from support.postgres import every_text
from support.redis_server import every_entry
from support.scripts import unix
from support.token_fleet import LEASE, STORES, Fleet, new_place

import tilia_sync
from tilia_async.config import Credentials
from tilia_async.errors import ConfigurationError
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, Identity, PostgresTokenStore, RedisTokenStore, SharedTokenStore, TokenCache
from tilia_async.tokens.token_file import TokenFile

READ, WRITE = frozenset({"read"}), frozenset({"write"})
CANARY = "canary-token-4711"
SECRET = "canary-secret-4712"
DATABASES = ("postgres", "redis")
ONE_BY_DAY = ["postgres", *(pytest.param(each, marks=pytest.mark.nightly) for each in STORES if each != "postgres")]

Make = Callable[[], SharedTokenStore]


def identity(client_id: str = "canary-client") -> Identity:
    return Identity.of("https://auth.example/token", Credentials(client_id, Secret(SECRET)))


def token(value: str, scopes: frozenset[str] = READ, *, age: float = 0, lifetime: float = 3600) -> AccessToken:
    return AccessToken(value, scopes, lifetime, 0.0, datetime.now(UTC) + timedelta(seconds=lifetime - age))


async def values(store: SharedTokenStore, whose: Identity | None = None) -> list[str]:
    return sorted(kept.value for kept in await store.load(whose or identity()))


@pytest_asyncio.fixture(params=STORES)
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes stores that share a place, as processes would."""
    async with new_place(request.param, tmp_path) as place:
        yield lambda: STORES[request.param](place)


@pytest.mark.asyncio
async def test_a_token_comes_back_as_it_was(make: Make) -> None:
    kept = token("value", READ | WRITE, age=600)
    await make().save(identity(), kept)
    (found,) = await make().load(identity())
    assert (found.value, found.scopes, found.lifetime) == (kept.value, kept.scopes, kept.lifetime)
    assert abs(found.expires_at - kept.expires_at) < timedelta(seconds=5)
    assert await values(make(), identity("other")) == []


@pytest.mark.asyncio
async def test_the_token_that_was_issued_last_stays_and_no_other_is_forgotten_for_it(make: Make) -> None:
    store = make()
    await store.save(identity(), token("old", age=1000))
    await store.save(identity(), token("of other scopes", WRITE))
    await store.save(identity(), token("new", age=500))
    await store.discard(identity(), token("old", age=1000))
    await store.save(identity(), token("late", age=800))
    assert await values(store) == ["new", "of other scopes"]
    await store.discard(identity(), token("new"))
    await store.discard(identity("other"), token("of other scopes", WRITE))
    assert await values(store) == ["of other scopes"]


@pytest.mark.asyncio
async def test_one_claim_at_a_time_for_each_scope_set_and_identity(make: Make) -> None:
    here, there = make(), make()
    claim = await here.claim(identity(), READ)
    assert claim is not None
    assert await there.claim(identity(), READ) is None
    others = [await there.claim(identity(), WRITE), await there.claim(identity("other"), READ)]
    assert None not in others
    await claim.release()
    again = await there.claim(identity(), READ)
    assert again is not None
    await claim.release()
    assert await here.claim(identity(), READ) is None, "a late release gives nobody else's claim back"


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", STORES)
async def test_nothing_that_is_kept_or_shown_is_a_secret(kind: str, tmp_path: Path) -> None:
    async with new_place(kind, tmp_path) as place:
        store = STORES[kind](place)
        await store.save(identity(), token(CANARY))
        assert await store.claim(identity(), READ)
        assert await values(store) == [CANARY]
        if kind == "file":
            kept = [path.read_bytes() + path.name.encode() for path in tmp_path.rglob("*") if path.is_file()]
        elif kind == "postgres":
            kept = [text.encode() async for text in every_text(place)]
        else:
            kept = [entry async for entry in every_entry(place)]
    shown = b"".join([*kept, repr(store).encode()])
    assert len(kept) >= 2
    for secret in (CANARY, SECRET, "canary-client", identity().secret_digest):
        assert secret.encode() not in shown


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", DATABASES)
@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_host_whose_clock_is_wrong_sees_when_a_token_really_ends(
    kind: str, hours: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(hours=hours)

    async with new_place(kind, tmp_path) as place:
        store = STORES[kind](place)
        await store.save(identity(), token("from here", age=600))
        monkeypatch.setattr(importlib.import_module(f"tilia_async.tokens.{kind}_store"), "datetime", Wrong)
        (found,) = await store.load(identity())
        assert abs((found.expires_at - Wrong.now()).total_seconds() - 3000) < 10
        there = AccessToken("from there", READ, 3600, 0.0, Wrong.now() + timedelta(seconds=3600))
        await store.save(identity(), there)
        assert await values(store) == ["from there"]
        monkeypatch.undo()
        (found,) = await store.load(identity())
        assert abs((found.expires_at - datetime.now(UTC)).total_seconds() - 3600) < 10


@pytest.mark.asyncio
async def test_what_has_ended_goes(make: Make) -> None:
    store = make()
    await store.save(identity(), token("ended", WRITE, age=3601))
    await store.save(identity(), token("lives"))
    assert await values(store) == ["lives"]


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", STORES)
async def test_many_may_use_an_empty_place_at_once(kind: str, tmp_path: Path) -> None:
    async with new_place(kind, tmp_path) as place:
        stores = [STORES[kind](place) for _ in range(6)]
        claims = await asyncio.gather(*(store.claim(identity(), READ) for store in stores))
        assert len([claim for claim in claims if claim is not None]) == 1
        await asyncio.gather(
            *(store.save(identity(), token("one", frozenset({f"{n}"}))) for n, store in enumerate(stores))
        )
        assert await values(stores[0]) == ["one"] * 6


@unix
@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ONE_BY_DAY)
async def test_a_cold_fleet_of_eight_processes_asks_once(kind: str, tmp_path: Path) -> None:
    async with new_place(kind, tmp_path) as place, Sandbox() as sandbox:
        # Longer than a busy machine takes to fetch a token: who holds the right longer than its lease loses it.
        fleet = await Fleet.of(kind, place, sandbox, lease=30.0)
        await fleet.start(8)
        tokens = await fleet.tokens()
        asked = [request.operation for request in sandbox.requests].count("auth.token")
    assert (len(tokens), len(set(tokens)), asked) == (8, 1, 1)


async def arrival(sandbox: Sandbox) -> None:
    while not sandbox.requests:  # noqa: ASYNC110 - the sandbox has no event for it
        await asyncio.sleep(0.01)


@unix
@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ONE_BY_DAY)
async def test_a_process_that_is_killed_while_it_asks_costs_its_lease(kind: str, tmp_path: Path) -> None:
    async with new_place(kind, tmp_path) as place, Sandbox() as sandbox:
        sandbox.faults.add("auth.token", Fault.LATENCY, seconds=60, times=1)
        fleet = await Fleet.of(kind, place, sandbox)
        (killed,) = await fleet.start(1)
        await arrival(sandbox)
        os.kill(killed, signal.SIGKILL)
        started = asyncio.get_running_loop().time()
        await fleet.start(3)
        tokens = await fleet.tokens()
        took = asyncio.get_running_loop().time() - started
        asked = [request.operation for request in sandbox.requests].count("auth.token")
    assert (len(tokens), len(set(tokens)), asked) == (3, 1, 2)
    # Far below the ten seconds that the others wait for somebody who may be alive.
    assert took < LEASE + 7


def test_a_store_serves_one_event_loop_after_the_other(tmp_path: Path) -> None:

    for kind in STORES:
        with asyncio.Runner() as runner:
            context = new_place(kind, tmp_path)
            store = STORES[kind](runner.run(context.__aenter__()))
            asyncio.run(store.save(identity(), token("value")))
            claim = asyncio.run(store.claim(identity(), READ))
            assert claim is not None
            assert asyncio.run(values(store)) == ["value"]
            asyncio.run(claim.release())
            runner.run(context.__aexit__(None, None, None))


@pytest.mark.parametrize("kind", STORES)
def test_the_synchronous_package_shares_them(kind: str, tmp_path: Path) -> None:
    with asyncio.Runner() as runner, tilia_sync.Sandbox() as sandbox:
        context = new_place(kind, tmp_path)
        place = runner.run(context.__aenter__())

        def client() -> tilia_sync.TiliaClient:
            cache = TokenCache(STORES[kind](place))
            return tilia_sync.TiliaClient(
                sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=cache
            )

        with client() as here, client() as there:
            first = here.access_token(["search_accounts"])
            assert there.access_token(["search_accounts"]).value == first.value
        assert [request.operation for request in sandbox.requests].count("auth.token") == 1
        runner.run(context.__aexit__(None, None, None))


@pytest.mark.asyncio
async def test_a_slow_disk_holds_no_event_loop_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def wait(*_: object) -> tuple[()]:
        reading.set()
        assert go_on.wait(20)
        return ()

    monkeypatch.setattr(TokenFile, "load", wait)
    loading = asyncio.create_task(STORES["file"](str(tmp_path / "tokens")).load(identity()))
    while not reading.is_set():  # noqa: ASYNC110 - it is set in a thread
        await asyncio.sleep(0)
    # The loop runs while the disk does not answer.
    go_on.set()
    assert await loading == ()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: PostgresTokenStore(f"mysql://user:{CANARY}@host/x"), "like postgresql://"),
        (lambda: PostgresTokenStore(f"postgresql://user:{CANARY}@[::1/x"), "like postgresql://"),
        (lambda: PostgresTokenStore(f"postgresql://user:{CANARY}@host:port/x"), "like postgresql://"),
        (lambda: RedisTokenStore(f"redis://user:{CANARY}@host:port"), "like redis://"),
        (lambda: PostgresTokenStore(None), "like postgresql://"),
        (lambda: PostgresTokenStore("postgresql://host/x", key=CANARY[:12]), "at least 16"),
        (lambda: PostgresTokenStore("postgresql://host/x", lease=61), "at most 60"),
        (lambda: RedisTokenStore(f"http://user:{CANARY}@host"), "like redis://"),
        (lambda: RedisTokenStore("redis://host", key=CANARY.encode()), "not bytes"),
        (lambda: RedisTokenStore("redis://host", lease=0), "number of seconds"),
        (lambda: RedisTokenStore("redis://host", lease=True), "number of seconds"),
    ],
)
def test_what_cannot_be_used_is_refused_without_showing_it(make: Make, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        make()
    assert CANARY not in str(caught.value)
