"""A store behind the cache carries tokens from process to process, and may fail."""

import asyncio
import copy
import pickle
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from support.cache_bench import BOTH, NOBODY, READ, WRITE, Bench, Clock, bench

from tilia_async.errors import ConfigurationError
from tilia_async.tokens import AccessToken, Identity, MemoryTokenStore, TokenCache

__all__ = ["bench"]


@pytest.mark.asyncio
async def test_a_store_carries_tokens_to_another_cache_with_another_clock(bench: Bench) -> None:
    store = MemoryTokenStore()
    here, there = TokenCache(store, clock=Clock(5.0)), TokenCache(store, clock=Clock(90_000.0))

    async def fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        ends = datetime.now(UTC) + timedelta(seconds=100)
        return AccessToken(f"token-{generation}", scopes, 100, here.clock(), ends, generation)

    async def no_fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        raise AssertionError("there is a token in the store")

    token = await here._tokens_of(bench.identity).acquire(BOTH, fetch, NOBODY)
    held = there._tokens_of(bench.identity)
    found = await held.acquire(READ, no_fetch, NOBODY)
    assert found.value == token.value
    assert 90_000 + 90 < found.unusable_at < 90_000 + 96
    assert held.find(READ) is found
    assert copy.deepcopy(found) == found
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(found)


class Gates:
    """An endpoint that answers each scope set when the test says so."""

    def __init__(self, clock: Clock, granted: frozenset[str] | None) -> None:
        self.clock = clock
        self.granted = granted
        self.open: dict[frozenset[str], asyncio.Event] = {}

    async def __call__(self, scopes: frozenset[str], generation: int) -> AccessToken:
        await self.open.setdefault(scopes, asyncio.Event()).wait()
        granted = scopes if self.granted is None else self.granted
        value = f"for {'+'.join(sorted(scopes))}"
        return AccessToken(value, granted, 100, self.clock.now, datetime.now(UTC), generation)


@pytest.mark.asyncio
@pytest.mark.parametrize(("slow", "quick", "granted"), [(READ, WRITE, BOTH), (READ, BOTH, None)])
async def test_a_slow_flight_replaces_no_newer_token(
    bench: Bench, slow: frozenset[str], quick: frozenset[str], granted: frozenset[str] | None
) -> None:
    endpoint = Gates(bench.clock, granted)

    async def begin(scopes: frozenset[str]) -> asyncio.Task[AccessToken]:
        task = asyncio.create_task(bench.held.acquire(scopes, endpoint, NOBODY))
        await bench.settle()
        return task

    first, second = await begin(slow), await begin(quick)
    endpoint.open[quick].set()
    newer = await second
    # Whoever asks now gets the newer one, while the older flight is still on its way.
    assert (await (await begin(slow))).value == newer.value
    endpoint.open[slow].set()
    older = await first
    await bench.settle()
    assert older.generation < newer.generation
    for scopes in (READ, WRITE, BOTH):
        assert (await (await begin(scopes))).value == newer.value
        found = bench.held.find(scopes)
        assert found is not None
        assert found.value == newer.value


@pytest.mark.asyncio
async def test_a_slow_flight_replaces_a_newer_token_that_has_ended(bench: Bench) -> None:
    endpoint = Gates(bench.clock, BOTH)
    first = asyncio.create_task(bench.held.acquire(READ, endpoint, NOBODY))
    await bench.settle()
    second = asyncio.create_task(bench.held.acquire(WRITE, endpoint, NOBODY))
    await bench.settle()
    endpoint.open[WRITE].set()
    await second
    bench.clock.now += 96
    endpoint.open[READ].set()
    older = await first
    await bench.settle()
    assert (await bench.held.acquire(BOTH, endpoint, NOBODY)).value == older.value


@pytest.mark.asyncio
async def test_a_stored_token_that_has_ended_is_not_served(bench: Bench) -> None:
    store = MemoryTokenStore()
    await store.save(bench.identity, AccessToken("old", READ, 3600, 0.0, datetime.now(UTC) - timedelta(seconds=1)))
    bench.endpoint.gate.set()
    held = TokenCache(store, clock=bench.clock)._tokens_of(bench.identity)
    assert (await held.acquire(READ, bench.endpoint, NOBODY)).value == "token-1"


class Faulty:
    """A store of somebody's, which fails."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def load(self, identity: Identity) -> list[AccessToken]:
        raise self.failure

    async def save(self, identity: Identity, token: AccessToken) -> None:
        raise self.failure

    async def discard(self, identity: Identity, token: AccessToken) -> None:
        raise self.failure

    async def claim(self, identity: Identity, scopes: frozenset[str]) -> None:
        raise self.failure


@pytest.mark.asyncio
async def test_a_store_that_fails_stops_no_call(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    held = TokenCache(Faulty(OSError("canary-token")), clock=bench.clock)._tokens_of(bench.identity)
    waiters = [asyncio.create_task(held.acquire(READ, bench.endpoint, NOBODY)) for _ in range(3)]
    assert {token.value for token in await asyncio.gather(*waiters)} == {"token-1"}
    assert held.refuse(held.find(READ), READ, expired=True)
    assert (await held.acquire(READ, bench.endpoint, NOBODY)).value == "token-2"
    said = [record.getMessage() for record in caplog.records]
    assert all("the token store could not" in text and "OSError" in text for text in said)
    assert {text.split(" could not ")[1].split(",")[0] for text in said} == {"load", "save", "discard"}
    assert "canary-token" not in caplog.text


@pytest.mark.asyncio
async def test_a_store_that_refuses_to_be_used_says_so(bench: Bench) -> None:
    held = TokenCache(Faulty(ConfigurationError("chmod 600")), clock=bench.clock)._tokens_of(bench.identity)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        await held.acquire(READ, bench.endpoint, NOBODY)
    assert bench.endpoint.asked == []


class Forgetless(MemoryTokenStore):
    """A store that keeps what it should discard."""

    async def discard(self, identity: Identity, token: AccessToken) -> None:
        pass


@pytest.mark.asyncio
async def test_a_refused_token_that_a_store_keeps_is_not_served_again(bench: Bench) -> None:
    store = Forgetless()
    lasting = timedelta(seconds=100)
    await store.save(bench.identity, AccessToken("stored", READ, 100, 0.0, datetime.now(UTC) + lasting))
    held = TokenCache(store, clock=bench.clock)._tokens_of(bench.identity)
    token = await held.acquire(READ, bench.endpoint, NOBODY)
    assert (token.value, bench.endpoint.asked) == ("stored", [])
    assert held.refuse(token, READ, expired=True)
    assert (await held.acquire(READ, bench.endpoint, NOBODY)).value == "token-1"


@pytest.mark.asyncio
async def test_another_processs_refresh_serves_at_the_soft_threshold_and_after_a_refusal(bench: Bench) -> None:
    """Two caches are as two processes: they share a store and nothing else."""
    store = MemoryTokenStore()
    here, there = (TokenCache(store, clock=bench.clock)._tokens_of(bench.identity) for _ in range(2))
    exchanges: list[frozenset[str]] = []

    async def fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        exchanges.append(scopes)
        # The calendar runs with the test's clock.
        ends = datetime.now(UTC) + timedelta(seconds=100 - (1000 - bench.clock.now if len(exchanges) == 1 else 0))
        return AccessToken(f"token-{len(exchanges)}", scopes, 100, bench.clock.now, ends, generation)

    old = await here.acquire(READ, fetch, NOBODY)
    assert (await there.acquire(READ, fetch, NOBODY)).value == "token-1"
    bench.clock.now += 80
    await store.save(bench.identity, attrs.evolve(old, expires_at=old.expires_at - timedelta(seconds=80)))
    await store.discard(bench.identity, old)
    await here.acquire(READ, fetch, NOBODY)
    await bench.settle()
    assert (here.find(READ).value, len(exchanges)) == ("token-2", 2)
    assert (await there.acquire(READ, fetch, NOBODY)).value == "token-1", "the old one serves"
    await bench.settle()
    new = there.find(READ)
    assert (new.value, len(exchanges)) == ("token-2", 2), "found, not asked for"

    assert here.refuse(here.find(READ), READ, expired=True)
    assert (await here.acquire(READ, fetch, NOBODY)).value == "token-3"
    assert there.refuse(new, READ, expired=True), "it drops the old one and not the newer one in the store"
    assert (await there.acquire(READ, fetch, NOBODY)).value == "token-3"
    assert len(exchanges) == 3


@pytest.mark.asyncio
async def test_a_stored_token_from_before_the_clock_was_put_back_is_not_served_and_is_replaced(bench: Bench) -> None:
    store = MemoryTokenStore()
    future = AccessToken("future", READ, 100, 0.0, datetime.now(UTC) + timedelta(hours=2))
    await store.save(bench.identity, future)
    held = TokenCache(store, clock=bench.clock)._tokens_of(bench.identity)
    assert (await held.acquire(READ, bench.endpoint, NOBODY)).value == "token-1"
    assert [token.value for token in await store.load(bench.identity)] == ["token-1"]


@pytest.mark.asyncio
async def test_a_store_keeps_the_token_that_was_issued_later(bench: Bench) -> None:
    store = MemoryTokenStore()
    now = datetime.now(UTC)
    for value, lifetime, age in [("a", 3600, 100), ("b", 60, 50), ("c", 3600, 70), ("d", 60, 50)]:
        ends = now + timedelta(seconds=lifetime - age)
        await store.save(bench.identity, AccessToken(value, READ, lifetime, 0.0, ends))
        await store.discard(bench.identity, AccessToken("other", READ, lifetime, 0.0, ends))
    assert [token.value for token in await store.load(bench.identity)] == ["d"]
