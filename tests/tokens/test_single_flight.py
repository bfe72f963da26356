"""A single exchange serves all who wait, and each of them alone may go."""

import asyncio

import pytest
from support.cache_bench import BOTH, READ, Bench, bench

from tilia_async.errors import ConnectError

__all__ = ["bench"]


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
    assert bench.held.find(READ) is None
    token = await bench.acquire(READ)
    assert bench.held.find(READ) is token
    bench.clock.now += 74.9
    assert bench.held.find(READ) is token


@pytest.mark.asyncio
async def test_a_superset_serves_and_a_subset_does_not(bench: Bench) -> None:
    both = await bench.acquire(BOTH)
    assert await bench.acquire(READ) is both
    assert bench.held.find(READ) is both
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
    assert bench.held.find(READ) is not None


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
