"""The token cache against a token endpoint that the test holds in its hand."""

import asyncio
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import weakref
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from tilia_async.config import Credentials
from tilia_async.errors import ClientClosedError, ConfigurationError, ConnectError, TiliaError, TokenError
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, Identity, MemoryTokenStore, TokenCache
from tilia_async.tokens.provider import TokenProvider

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
@pytest.mark.parametrize(
    ("status", "asked", "remembered"), [(429, 30.0, 30), (503, 30.0, 30), (429, 86_400.0, 60), (429, None, 5)]
)
async def test_what_the_endpoint_asks_to_wait_is_waited_but_not_for_ever(
    bench: Bench, status: int, asked: float | None, remembered: float
) -> None:
    bench.endpoint.failure = TokenError("slow down", status=status, scopes=READ, retry_after=asked)
    with pytest.raises(TokenError):
        await bench.acquire(READ)
    bench.clock.now += remembered - 0.5
    with pytest.raises(TokenError) as caught:
        await bench.acquire(READ)
    assert len(bench.endpoint.asked) == 1
    assert caught.value.retry_after == (None if asked is None else asked - remembered + 0.5), "some of it has passed"
    bench.clock.now += 0.6
    bench.endpoint.failure = None
    assert (await bench.acquire(READ)).value == "token-2"


@pytest.mark.asyncio
async def test_a_refresh_that_was_told_to_wait_waits_while_the_old_token_serves(bench: Bench) -> None:
    bench.endpoint.lifetime = 1000
    old = await bench.acquire(READ)
    bench.clock.now += 760
    bench.endpoint.failure = TokenError("slow down", status=429, scopes=READ, retry_after=600)
    for _ in range(119):
        assert await bench.acquire(READ) is old
        await bench.settle()
        bench.clock.now += 0.5
    assert len(bench.endpoint.asked) == 2
    bench.clock.now += 1
    await bench.acquire(READ)
    await bench.settle()
    assert len(bench.endpoint.asked) == 3


@pytest.mark.asyncio
async def test_made_up_scopes_do_not_fill_the_memory(bench: Bench) -> None:
    issued = [weakref.ref(await bench.acquire(frozenset({f"scope_{number}"}))) for number in range(600)]
    bench.endpoint.failure = TokenError("refused", status=400, scopes=())
    for number in range(600):
        with pytest.raises(TokenError):
            await bench.acquire(frozenset({f"other_{number}"}))
    for number in range(600):
        bench.shelf.refuse(
            AccessToken(f"token-{number}", READ, 100, 0, datetime.now(UTC)), frozenset({str(number)}), expired=False
        )
    gc.collect()
    assert sum(token() is not None for token in issued) <= 256
    assert bench.endpoint.asked.count(frozenset({"other_599"})) == 1
    for held in (bench.shelf._hot, bench.shelf._tokens, bench.shelf._refusals._refusals, bench.shelf.suspects):
        assert len(held) <= 256


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
async def test_a_refused_token_is_dropped_also_where_it_is_no_hit(bench: Bench) -> None:
    bench.endpoint.granted = READ
    less = await bench.acquire(BOTH)
    bench.clock.now += 96
    bench.endpoint.granted = BOTH
    await bench.acquire(BOTH)
    bench.clock.now -= 96
    assert bench.shelf.refuse(less, READ, expired=True)
    assert (await bench.acquire(READ)).value == "token-2"


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
async def test_a_flight_of_a_client_that_closes_tells_nobody_else_that_it_is_closed(bench: Bench) -> None:
    """On another loop a flight may see that its client's pool is closed before the client has ended its flights."""
    seen: list[str] = []

    async def closing(scopes: frozenset[str], generation: int) -> AccessToken:
        seen.append("closing")
        raise ClientClosedError("the client is closed")

    starter = asyncio.create_task(bench.shelf.acquire(READ, closing, leaving := Owner()))
    waiter = asyncio.create_task(bench.acquire(READ))
    await asyncio.sleep(0)
    leaving.closed = True
    assert (await waiter).value == "token-1"
    with pytest.raises(ClientClosedError):
        await starter
    assert seen == ["closing"]


@pytest.mark.asyncio
async def test_a_client_that_was_closed_meanwhile_starts_no_flight(bench: Bench) -> None:
    class Closing:
        """Closed by another thread once somebody has looked."""

        looks = 0

        @property
        def closed(self) -> bool:
            assert bench.shelf._lock._locks[os.getpid()]._is_owned(), "a look without the lock may be too early"
            return True

    with pytest.raises(ClientClosedError):
        await bench.shelf.acquire(READ, bench.endpoint, Closing())
    assert bench.endpoint.asked == []


@pytest.mark.asyncio
async def test_a_close_that_is_cancelled_has_ended_all_flights(bench: Bench) -> None:
    leaving = Owner()
    slow = Endpoint(bench.clock)
    starters = [asyncio.create_task(bench.shelf.acquire(scopes, slow, leaving)) for scopes in (READ, WRITE)]
    await bench.settle()
    leaving.closed = True
    closing = asyncio.create_task(bench.shelf.release(leaving))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing, *starters])
    await bench.settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_an_older_flight_of_other_scopes_does_not_replace_a_newer_token(bench: Bench) -> None:
    slow = Endpoint(bench.clock, granted=READ, same="slow")
    late = asyncio.create_task(bench.shelf.acquire(BOTH, slow, NOBODY))
    await bench.settle()
    newer = await bench.acquire(READ)
    slow.gate.set()
    assert (await late).value == "slow"
    assert bench.shelf.find(READ) is newer
    assert bench.shelf.find(BOTH) is newer, "less is granted for both, and this is the newest of it"


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
    bench.shelf._lock.__enter__()
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
    bench.shelf._lock.__exit__(None, None, None)
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

    source = TokenProvider(bench.shelf, fetch, BOTH)
    for _ in range(3):
        assert (await source.acquire(READ)).scopes == READ
    assert refused == [BOTH]
    assert bench.endpoint.asked == [READ]


@pytest.mark.asyncio
async def test_a_refused_union_does_not_hold_up_a_token_that_serves(bench: Bench) -> None:
    async def fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        if scopes == BOTH:
            raise failure
        return await bench.endpoint(scopes, generation)

    failure: TiliaError = TokenError("no such scope", status=403, scopes=BOTH)
    source = TokenProvider(bench.shelf, fetch, BOTH)
    own = await source.acquire(READ)
    bench.clock.now += 80
    failure = ConnectError("no route")
    assert await source.acquire(READ) is own
    await bench.settle()
    assert bench.endpoint.asked == [READ, READ], "it is refreshed by itself"


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
async def test_any_refusal_of_a_union_falls_back_once(bench: Bench, status: int) -> None:
    bench.endpoint.failure = TokenError("no", status=status, scopes=BOTH)
    source = TokenProvider(bench.shelf, bench.endpoint, BOTH)
    with pytest.raises(TokenError):
        await source.acquire(READ)
    assert bench.endpoint.asked == [BOTH, READ]


@pytest.mark.asyncio
async def test_an_outage_is_no_refusal_of_a_union(bench: Bench) -> None:
    bench.endpoint.failure = TokenError("down", status=503, scopes=BOTH)
    with pytest.raises(TokenError):
        await TokenProvider(bench.shelf, bench.endpoint, BOTH).acquire(READ)
    assert bench.endpoint.asked == [BOTH]


@pytest.mark.asyncio
async def test_a_union_that_is_refreshed_is_refreshed_as_a_union(bench: Bench) -> None:
    source = TokenProvider(bench.shelf, bench.endpoint, BOTH)
    old = await source.acquire(READ)
    bench.clock.now += 80
    assert await source.acquire(READ) is old
    assert source.find(READ) is old, "a plain hit while the new one is on its way"
    await bench.settle()
    assert bench.endpoint.asked == [BOTH, BOTH]


@pytest.mark.asyncio
async def test_a_union_that_was_dropped_meanwhile_is_not_brought_back(bench: Bench) -> None:
    union = await bench.acquire(BOTH)
    bench.shelf.refuse(union, READ, expired=True)
    bench.shelf.alias(READ, BOTH)
    assert bench.shelf.find(READ) is None


@pytest.mark.asyncio
async def test_a_union_is_asked_for_once_and_found_without_waiting(bench: Bench) -> None:
    source = TokenProvider(bench.shelf, bench.endpoint, BOTH)
    await source.acquire(READ)
    assert source.find(READ) is not None
    await source.acquire(WRITE)
    assert bench.endpoint.asked == [BOTH]


def test_nothing_of_it_shows_a_token(bench: Bench) -> None:
    token = asyncio.run(bench.acquire(READ))
    shown = repr([token, bench.cache, bench.shelf, bench.identity, TokenProvider(bench.shelf, bench.endpoint)])
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
        task = asyncio.create_task(bench.shelf.acquire(scopes, endpoint, NOBODY))
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
        found = bench.shelf.find(scopes)
        assert found is not None
        assert found.value == newer.value


@pytest.mark.asyncio
async def test_a_slow_flight_replaces_a_newer_token_that_has_ended(bench: Bench) -> None:
    endpoint = Gates(bench.clock, BOTH)
    first = asyncio.create_task(bench.shelf.acquire(READ, endpoint, NOBODY))
    await bench.settle()
    second = asyncio.create_task(bench.shelf.acquire(WRITE, endpoint, NOBODY))
    await bench.settle()
    endpoint.open[WRITE].set()
    await second
    bench.clock.now += 96
    endpoint.open[READ].set()
    older = await first
    await bench.settle()
    assert (await bench.shelf.acquire(BOTH, endpoint, NOBODY)).value == older.value


@pytest.mark.asyncio
async def test_a_stored_token_that_has_ended_is_not_served(bench: Bench) -> None:
    store = MemoryTokenStore()
    store.save(bench.identity, AccessToken("old", READ, 3600, 0.0, datetime.now(UTC) - timedelta(seconds=1)))
    bench.endpoint.gate.set()
    shelf = TokenCache(store, clock=bench.clock).shelf(bench.identity)
    assert (await shelf.acquire(READ, bench.endpoint, NOBODY)).value == "token-1"


class Faulty:
    """A store of somebody's, which fails."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def load(self, identity: Identity) -> list[AccessToken]:
        raise self.failure

    def save(self, identity: Identity, token: AccessToken) -> None:
        raise self.failure

    def discard(self, identity: Identity, token: AccessToken) -> None:
        raise self.failure

    def claim(self, identity: Identity, scopes: frozenset[str]) -> None:
        raise self.failure


@pytest.mark.asyncio
async def test_a_store_that_fails_stops_no_call(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    shelf = TokenCache(Faulty(OSError("canary-token")), clock=bench.clock).shelf(bench.identity)
    waiters = [asyncio.create_task(shelf.acquire(READ, bench.endpoint, NOBODY)) for _ in range(3)]
    assert {token.value for token in await asyncio.gather(*waiters)} == {"token-1"}
    assert shelf.refuse(shelf.find(READ), READ, expired=True)
    assert (await shelf.acquire(READ, bench.endpoint, NOBODY)).value == "token-2"
    said = [record.getMessage() for record in caplog.records]
    assert all("the token store could not" in text and "OSError" in text for text in said)
    assert {text.split(" could not ")[1].split(",")[0] for text in said} == {"claim", "load", "save", "discard"}
    assert "canary-token" not in caplog.text


@pytest.mark.asyncio
async def test_a_store_that_refuses_to_be_used_says_so(bench: Bench) -> None:
    shelf = TokenCache(Faulty(ConfigurationError("chmod 600")), clock=bench.clock).shelf(bench.identity)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        await shelf.acquire(READ, bench.endpoint, NOBODY)
    assert bench.endpoint.asked == []


class Forgetless(MemoryTokenStore):
    """It keeps what it is told to discard."""

    def discard(self, identity: Identity, token: AccessToken) -> None:
        pass


@pytest.mark.asyncio
async def test_a_refused_token_that_a_store_keeps_is_not_served_again(bench: Bench) -> None:
    store = Forgetless()
    lasting = timedelta(seconds=100)
    store.save(bench.identity, AccessToken("stored", READ, 100, 0.0, datetime.now(UTC) + lasting))
    shelf = TokenCache(store, clock=bench.clock).shelf(bench.identity)
    token = await shelf.acquire(READ, bench.endpoint, NOBODY)
    assert (token.value, bench.endpoint.asked) == ("stored", [])
    assert shelf.refuse(token, READ, expired=True)
    assert (await shelf.acquire(READ, bench.endpoint, NOBODY)).value == "token-1"


@pytest.mark.asyncio
async def test_another_processs_refresh_serves_at_the_soft_threshold_and_after_a_refusal(bench: Bench) -> None:
    """Two caches are as two processes: they share a store and nothing else."""
    store = MemoryTokenStore()
    here, there = (TokenCache(store, clock=bench.clock).shelf(bench.identity) for _ in range(2))
    exchanges: list[frozenset[str]] = []

    async def fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        exchanges.append(scopes)
        # The calendar runs with the test's clock.
        ends = datetime.now(UTC) + timedelta(seconds=100 - (1000 - bench.clock.now if len(exchanges) == 1 else 0))
        return AccessToken(f"token-{len(exchanges)}", scopes, 100, bench.clock.now, ends, generation)

    old = await here.acquire(READ, fetch, NOBODY)
    assert (await there.acquire(READ, fetch, NOBODY)).value == "token-1"
    bench.clock.now += 80
    store.save(bench.identity, attrs.evolve(old, expires_at=old.expires_at - timedelta(seconds=80)))
    store.discard(bench.identity, old)
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
    store.save(bench.identity, future)
    shelf = TokenCache(store, clock=bench.clock).shelf(bench.identity)
    assert (await shelf.acquire(READ, bench.endpoint, NOBODY)).value == "token-1"
    assert [token.value for token in store.load(bench.identity)] == ["token-1"]


def test_a_store_keeps_the_token_that_was_issued_later(bench: Bench) -> None:
    store = MemoryTokenStore()
    now = datetime.now(UTC)
    for value, lifetime, age in [("a", 3600, 100), ("b", 60, 50), ("c", 3600, 70), ("d", 60, 50)]:
        ends = now + timedelta(seconds=lifetime - age)
        store.save(bench.identity, AccessToken(value, READ, lifetime, 0.0, ends))
        store.discard(bench.identity, AccessToken("other", READ, lifetime, 0.0, ends))
    assert [token.value for token in store.load(bench.identity)] == ["d"]


def test_a_cache_does_not_keep_the_identities_of_a_whole_life() -> None:
    cache = TokenCache()
    for number in range(1000):
        cache.shelf(Identity.of("https://auth.example/token", Credentials(f"id-{number}", Secret("secret"))))
    gc.collect()
    assert len(cache._shelves) == len(cache._latest) == 256


def test_a_shelf_that_a_client_uses_is_the_one_of_its_identity_however_many_come_and_go() -> None:
    cache = TokenCache()
    identity = Identity.of("https://auth.example/token", Credentials("id", Secret("secret")))
    used = cache.shelf(identity)
    for number in range(1000):
        cache.shelf(Identity.of("https://auth.example/token", Credentials(f"id-{number}", Secret("secret"))))
    assert cache.shelf(identity) is used


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_the_process_makes_a_client_does_not_lock_the_child_out() -> None:
    script = """
import os, threading
from tilia_async.config import Credentials
from tilia_async.secret import Secret
from tilia_async.tokens import Identity
from tilia_async.tokens.cache import shared_cache, _shared
identity = Identity.of("https://auth.example/token", Credentials("id", Secret("secret")))
shelf = shared_cache().shelf(identity)
with _shared.lock, _shared.cache._lock, shelf._lock:
    child = os.fork()
    if child == 0:
        # A lock that stayed taken would keep the child here.
        found = shared_cache().shelf(identity) is shelf and shelf.usable(frozenset({"read"})) is None
        os._exit(0 if found else 2)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=20, check=False).returncode == 0
