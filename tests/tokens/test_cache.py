"""The token cache against a token endpoint that the test holds in its hand."""

import asyncio
import gc
import os
import pickle
import threading
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from tilia_async.config import Credentials
from tilia_async.errors import ClientClosedError, ConnectError, TiliaError, TokenError
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, Identity, MemoryTokenStore, TokenCache
from tilia_async.tokens.source import TokenSource

READ, WRITE, BOTH = frozenset({"read"}), frozenset({"write"}), frozenset({"read", "write"})


@attrs.define(eq=False)
class Owner:
    closed: bool = False


NOBODY = Owner()


@attrs.define
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@attrs.define
class Endpoint:
    """Counts the exchanges, and lets them through when the test says so."""

    clock: Clock
    lifetime: float = 100.0
    failure: TiliaError | None = None
    granted: frozenset[str] | None = None
    same: str | None = None
    asked: list[frozenset[str]] = attrs.field(factory=list)
    gate: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def __call__(self, scopes: frozenset[str], generation: int) -> AccessToken:
        self.asked.append(scopes)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        granted = scopes if self.granted is None else self.granted
        value = self.same or f"token-{len(self.asked)}"
        return AccessToken(value, granted, self.lifetime, self.clock.now, datetime.now(UTC), generation)


class Bench:
    """A cache, a clock and an endpoint."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.cache = TokenCache(clock=self.clock)
        self.identity = Identity.of("https://auth.example/token", Credentials("id", Secret("secret")))
        self.shelf = self.cache.shelf(self.identity)
        self.endpoint = Endpoint(self.clock)
        self.endpoint.gate.set()

    async def acquire(self, scopes: frozenset[str], owner: Owner = NOBODY) -> AccessToken:
        return await self.shelf.acquire(scopes, self.endpoint, owner)

    async def settle(self) -> None:
        """Let what flies land."""
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.asyncio
async def test_one_exchange_for_ten_thousand_waiters(bench: Bench) -> None:
    bench.endpoint.gate.clear()
    waiters = [asyncio.create_task(bench.acquire(READ)) for _ in range(10_000)]
    await bench.settle()
    bench.endpoint.gate.set()
    assert {token.value for token in await asyncio.gather(*waiters)} == {"token-1"}
    assert bench.endpoint.asked == [READ]


@pytest.mark.asyncio
async def test_a_hit_needs_no_await(bench: Bench) -> None:
    assert bench.shelf.find(READ) is None
    token = await bench.acquire(READ)
    assert bench.shelf.find(READ) is token
    bench.clock.now += 74.9
    assert bench.shelf.find(READ) is token


@pytest.mark.asyncio
async def test_a_superset_serves_and_a_subset_does_not(bench: Bench) -> None:
    both = await bench.acquire(BOTH)
    assert await bench.acquire(READ) is both
    assert bench.shelf.find(READ) is both
    other = Bench()
    await other.acquire(READ)
    await other.acquire(BOTH)
    assert other.endpoint.asked == [READ, BOTH]


@pytest.mark.asyncio
async def test_a_cancelled_waiter_cancels_only_itself(bench: Bench) -> None:
    bench.endpoint.gate.clear()
    first, second = asyncio.create_task(bench.acquire(READ)), asyncio.create_task(bench.acquire(READ))
    await bench.settle()
    first.cancel()
    await bench.settle()
    assert first.cancelled()
    bench.endpoint.gate.set()
    assert (await second).value == "token-1"
    assert len(bench.endpoint.asked) == 1


@pytest.mark.asyncio
async def test_a_flight_whose_waiters_are_all_gone_still_brings_its_token(bench: Bench) -> None:
    bench.endpoint.gate.clear()
    only = asyncio.create_task(bench.acquire(READ))
    await bench.settle()
    only.cancel()
    bench.endpoint.gate.set()
    await bench.settle()
    assert bench.shelf.find(READ) is not None


@pytest.mark.asyncio
async def test_a_failure_is_shared_by_the_flight_and_each_gets_its_own_exception(bench: Bench) -> None:
    bench.endpoint.gate.clear()
    bench.endpoint.failure = ConnectError("no route")
    waiters = [asyncio.create_task(bench.acquire(READ)) for _ in range(20)]
    await bench.settle()
    bench.endpoint.gate.set()
    failures = await asyncio.gather(*waiters, return_exceptions=True)
    assert {str(failure) for failure in failures} == {"no route"}
    assert len({id(failure) for failure in failures}) == 20
    assert len(bench.endpoint.asked) == 1


@pytest.mark.asyncio
async def test_a_failure_to_connect_is_not_remembered(bench: Bench) -> None:
    bench.endpoint.failure = ConnectError("no route")
    with pytest.raises(ConnectError):
        await bench.acquire(READ)
    bench.endpoint.failure = None
    assert (await bench.acquire(READ)).value == "token-2"


@pytest.mark.asyncio
async def test_a_refusal_is_remembered_for_seconds_and_for_its_scopes_only(bench: Bench) -> None:
    bench.endpoint.failure = TokenError("refused", status=400, scopes=WRITE)
    for _ in range(5):
        with pytest.raises(TokenError):
            await bench.acquire(WRITE)
    assert bench.endpoint.asked == [WRITE]
    bench.endpoint.failure = None
    await bench.acquire(READ)
    bench.clock.now += 5.1
    assert (await bench.acquire(WRITE)).value == "token-3"


@pytest.mark.asyncio
async def test_an_outage_is_not_remembered(bench: Bench) -> None:
    bench.endpoint.failure = TokenError("down", status=503, scopes=READ)
    with pytest.raises(TokenError):
        await bench.acquire(READ)
    bench.endpoint.failure = None
    assert (await bench.acquire(READ)).value == "token-2"


@pytest.mark.asyncio
async def test_from_the_soft_threshold_the_old_token_serves_while_one_flight_refreshes(bench: Bench) -> None:
    old = await bench.acquire(READ)
    bench.clock.now += 80
    bench.endpoint.gate.clear()
    for _ in range(5):
        assert await bench.acquire(READ) is old
    await bench.settle()
    assert len(bench.endpoint.asked) == 2
    assert bench.shelf.find(READ) is old
    bench.endpoint.gate.set()
    await bench.settle()
    assert bench.shelf.find(READ).value == "token-2"


@pytest.mark.asyncio
async def test_a_failing_refresh_is_not_noticed_until_the_hard_threshold(bench: Bench) -> None:
    old = await bench.acquire(READ)
    bench.clock.now += 80
    bench.endpoint.failure = ConnectError("no route")
    for _ in range(10):
        assert await bench.acquire(READ) is old
        await bench.settle()
    assert len(bench.endpoint.asked) == 2, "a failed refresh is not repeated at once"
    bench.clock.now += 15.1
    with pytest.raises(ConnectError):
        await bench.acquire(READ)


@pytest.mark.asyncio
async def test_thresholds_are_fractions_so_short_lived_tokens_work(bench: Bench) -> None:
    bench.endpoint.lifetime = 2.0
    await bench.acquire(READ)
    bench.clock.now += 1.4
    assert bench.shelf.find(READ) is not None
    bench.clock.now += 0.6
    assert (await bench.acquire(READ)).value == "token-2"


@pytest.mark.asyncio
async def test_a_server_that_serves_the_same_token_again_causes_no_loop(bench: Bench) -> None:
    bench.endpoint.same = "same"
    token = await bench.acquire(READ)
    bench.clock.now += 80
    bench.endpoint.lifetime = 20
    for _ in range(50):
        await bench.acquire(READ)
        await bench.settle()
    assert len(bench.endpoint.asked) == 2
    assert bench.shelf.refuse(token, READ, expired=True)
    again = await bench.acquire(READ)
    assert not bench.shelf.refuse(again, READ, expired=True), "the same token again does not help"


@pytest.mark.asyncio
async def test_fifty_refusals_together_ask_for_one_new_token(bench: Bench) -> None:
    old = await bench.acquire(READ)

    async def one_call() -> int:
        tries = 1
        if bench.shelf.refuse(old, READ, expired=False):
            token = await bench.acquire(READ)
            tries += 1
            assert not bench.shelf.refuse(token, READ, expired=False)
        return tries

    assert set(await asyncio.gather(*(one_call() for _ in range(50)))) == {2}
    assert len(bench.endpoint.asked) == 2


@pytest.mark.asyncio
async def test_only_the_refused_token_is_dropped(bench: Bench) -> None:
    old = await bench.acquire(READ)
    bench.shelf.refuse(old, READ, expired=True)
    new = await bench.acquire(READ)
    assert bench.shelf.refuse(old, READ, expired=True), "the other one is gone already"
    assert bench.shelf.find(READ) is new


@pytest.mark.asyncio
async def test_a_replacement_that_was_accepted_may_be_replaced_again(bench: Bench) -> None:
    old = await bench.acquire(READ)
    assert bench.shelf.refuse(old, READ, expired=False)
    new = await bench.acquire(READ)
    bench.shelf.accept(READ)
    assert bench.shelf.refuse(new, READ, expired=False)


@pytest.mark.asyncio
async def test_a_token_granted_for_less_is_kept_under_both_and_not_asked_for_again(bench: Bench) -> None:
    bench.endpoint.granted = READ
    token = await bench.acquire(BOTH)
    assert await bench.acquire(BOTH) is token
    assert await bench.acquire(READ) is token
    assert len(bench.endpoint.asked) == 1


@pytest.mark.asyncio
async def test_an_older_flight_does_not_replace_a_newer_token(bench: Bench) -> None:
    slow = Endpoint(bench.clock, same="slow")
    leaving = Owner()
    late = asyncio.create_task(bench.shelf.acquire(READ, slow, leaving))
    await bench.settle()
    flight = bench.shelf._flights.pop(READ)
    newer = await bench.acquire(READ)
    slow.gate.set()
    await flight.task
    assert (await late).value == "slow"
    assert bench.shelf.find(READ) is newer


@pytest.mark.asyncio
async def test_a_client_that_closes_ends_its_flight_and_the_others_start_anew(bench: Bench) -> None:
    slow = Endpoint(bench.clock)
    leaving, staying = Owner(), Owner()
    starter = asyncio.create_task(bench.shelf.acquire(READ, slow, leaving))
    await bench.settle()
    waiter = asyncio.create_task(bench.acquire(READ, staying))
    await bench.settle()
    leaving.closed = True
    await bench.shelf.release(leaving)
    assert (await waiter).value == "token-1"
    with pytest.raises(ClientClosedError):
        await starter
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_a_defect_reaches_those_who_wait(bench: Bench) -> None:
    async def broken(scopes: frozenset[str], generation: int) -> AccessToken:
        raise ZeroDivisionError

    with pytest.raises(TokenError, match="ZeroDivisionError"):
        await bench.shelf.acquire(READ, broken, NOBODY)


def test_threads_share_one_flight(bench: Bench) -> None:
    bench.endpoint.gate.clear()
    arrived = threading.Barrier(9)
    values: list[str] = []

    def work() -> None:
        async def acquire() -> AccessToken:
            arrived.wait()
            return await bench.acquire(READ)

        values.append(asyncio.run(acquire()).value)

    async def open_gate() -> AccessToken:
        first = asyncio.create_task(bench.acquire(READ))
        await asyncio.sleep(0)
        await asyncio.to_thread(arrived.wait)
        await asyncio.sleep(0.05)
        bench.endpoint.gate.set()
        return await first

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    asyncio.run(open_gate())
    for thread in threads:
        thread.join()
    assert values == ["token-1"] * 8
    assert len(bench.endpoint.asked) == 1


def test_a_loop_that_is_closed_with_a_flight_aboard_makes_the_others_start_anew(bench: Bench) -> None:
    bench.endpoint.gate.clear()
    loop = asyncio.new_event_loop()
    stuck = loop.create_task(bench.acquire(READ))
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))

    async def wait_elsewhere() -> AccessToken:
        waiter = asyncio.create_task(bench.shelf.acquire(READ, other, NOBODY))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        await asyncio.to_thread(loop.run_until_complete, asyncio.sleep(0))
        await asyncio.to_thread(loop.close)
        return await waiter

    other = Endpoint(bench.clock, same="elsewhere")
    other.gate.set()
    assert asyncio.run(wait_elsewhere()).value == "elsewhere"
    assert stuck.done()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_keeps_the_tokens_and_none_of_the_flights(bench: Bench) -> None:
    asyncio.run(bench.acquire(READ))
    bench.endpoint.gate.clear()
    loop = asyncio.new_event_loop()
    flying = loop.create_task(bench.acquire(WRITE))
    loop.run_until_complete(asyncio.sleep(0))
    bench.shelf._lock.acquire()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            kept = bench.shelf.find(READ)
            here = Endpoint(bench.clock, same="child")
            asyncio.events._set_running_loop(None)

            async def acquire() -> AccessToken:
                here.gate.set()
                return await bench.shelf.acquire(WRITE, here, NOBODY)

            fresh = asyncio.new_event_loop().run_until_complete(acquire())
            status = 0 if kept is not None and fresh.value == "child" else 2
        finally:
            os._exit(status)
    bench.shelf._lock.release()
    _, status = os.waitpid(child, 0)
    flying.cancel()
    bench.endpoint.gate.set()
    loop.run_until_complete(asyncio.wait([flying, *asyncio.all_tasks(loop)]))
    loop.close()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.asyncio
async def test_a_refused_union_falls_back_to_what_is_needed(bench: Bench) -> None:
    refused: list[frozenset[str]] = []

    async def fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        if scopes == BOTH:
            refused.append(scopes)
            raise TokenError("no such scope", status=400, scopes=scopes)
        return await bench.endpoint(scopes, generation)

    source = TokenSource(bench.shelf, fetch, BOTH)
    for _ in range(3):
        assert (await source.acquire(READ)).scopes == READ
    assert refused == [BOTH]
    assert bench.endpoint.asked == [READ]


@pytest.mark.asyncio
async def test_a_union_is_asked_for_once_and_found_without_waiting(bench: Bench) -> None:
    source = TokenSource(bench.shelf, bench.endpoint, BOTH)
    await source.acquire(READ)
    assert source.find(READ) is not None
    await source.acquire(WRITE)
    assert bench.endpoint.asked == [BOTH]


def test_nothing_of_it_shows_a_token(bench: Bench) -> None:
    token = asyncio.run(bench.acquire(READ))
    shown = repr([token, bench.cache, bench.shelf, bench.identity, TokenSource(bench.shelf, bench.endpoint)])
    assert "token-1" not in shown
    assert "secret" not in shown.replace("secret_digest", "")


@pytest.mark.asyncio
async def test_a_flight_that_is_cancelled_before_its_first_step_poisons_nothing(bench: Bench) -> None:
    first = asyncio.create_task(bench.acquire(READ))
    await asyncio.sleep(0)
    bench.shelf._flights[READ].task.cancel()
    assert (await first).value == "token-1"


@pytest.mark.asyncio
async def test_a_flight_that_cannot_start_poisons_nothing(bench: Bench) -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coroutine: asyncio.Task(coroutine, loop=loop))
    try:
        with pytest.raises(TypeError):
            await bench.acquire(READ)
    finally:
        loop.set_task_factory(None)
    gc.collect()
    assert (await bench.acquire(READ)).value == "token-1"


def test_a_flight_on_a_loop_that_was_left_lying_makes_the_others_start_anew(bench: Bench) -> None:
    bench.endpoint.gate.clear()
    loop = asyncio.new_event_loop()
    stuck = loop.create_task(bench.acquire(READ))
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    other = Endpoint(bench.clock, same="elsewhere")
    other.gate.set()
    assert asyncio.run(bench.shelf.acquire(READ, other, NOBODY)).value == "elsewhere"
    bench.endpoint.gate.set()
    loop.run_until_complete(stuck)
    loop.close()
    assert bench.shelf.find(READ).value == "elsewhere"


@pytest.mark.asyncio
async def test_a_store_carries_tokens_to_another_cache_with_another_clock(bench: Bench) -> None:
    store = MemoryTokenStore()
    here, there = TokenCache(store, clock=Clock(5.0)), TokenCache(store, clock=Clock(90_000.0))

    async def fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        ends = datetime.now(UTC) + timedelta(seconds=100)
        return AccessToken(f"token-{generation}", scopes, 100, here.clock(), ends, generation)

    async def no_fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        raise AssertionError("there is a token in the store")

    token = await here.shelf(bench.identity).acquire(BOTH, fetch, NOBODY)
    shelf = there.shelf(bench.identity)
    found = await shelf.acquire(READ, no_fetch, NOBODY)
    assert found.value == token.value
    assert 90_000 + 90 < found.unusable_at < 90_000 + 96
    assert shelf.find(READ) is found
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.asyncio
async def test_a_stored_token_that_has_ended_is_not_served(bench: Bench) -> None:
    store = MemoryTokenStore()
    store.save(bench.identity, AccessToken("old", READ, 3600, 0.0, datetime.now(UTC) - timedelta(seconds=1)))
    bench.endpoint.gate.set()
    shelf = TokenCache(store, clock=bench.clock).shelf(bench.identity)
    assert (await shelf.acquire(READ, bench.endpoint, NOBODY)).value == "token-1"


def test_a_cache_does_not_keep_the_identities_of_a_whole_life() -> None:
    cache = TokenCache()
    for number in range(1000):
        cache.shelf(Identity.of("https://auth.example/token", Credentials(f"id-{number}", Secret("secret"))))
    assert len(cache._shelves) <= 256
