"""Tokens are renewed before they end, and when they are refused."""

import asyncio

import pytest
from support.cache_bench import BOTH, READ, Bench, Endpoint, Owner, bench

from tilia_async.errors import ConnectError

__all__ = ["bench"]


@pytest.mark.asyncio
async def test_from_the_soft_threshold_the_old_token_serves_while_one_flight_refreshes(bench: Bench) -> None:
    old = await bench.acquire(READ)
    bench.clock.now += 80
    bench.endpoint.gate.clear()
    for _ in range(5):
        assert await bench.acquire(READ) is old
    await bench.settle()
    assert len(bench.endpoint.asked) == 2
    assert bench.held.find(READ) is old
    bench.endpoint.gate.set()
    await bench.settle()
    assert bench.held.find(READ).value == "token-2"


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
    assert bench.held.find(READ) is not None
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
    assert bench.held.refuse(token, READ, expired=True)
    again = await bench.acquire(READ)
    assert not bench.held.refuse(again, READ, expired=True), "the same token again does not help"


@pytest.mark.asyncio
async def test_fifty_refusals_together_ask_for_one_new_token(bench: Bench) -> None:
    old = await bench.acquire(READ)

    async def one_call() -> int:
        tries = 1
        if bench.held.refuse(old, READ, expired=False):
            token = await bench.acquire(READ)
            tries += 1
            assert not bench.held.refuse(token, READ, expired=False)
        return tries

    assert set(await asyncio.gather(*(one_call() for _ in range(50)))) == {2}
    assert len(bench.endpoint.asked) == 2


@pytest.mark.asyncio
async def test_only_the_refused_token_is_dropped(bench: Bench) -> None:
    old = await bench.acquire(READ)
    bench.held.refuse(old, READ, expired=True)
    new = await bench.acquire(READ)
    assert bench.held.refuse(old, READ, expired=True), "the other one is gone already"
    assert bench.held.find(READ) is new


@pytest.mark.asyncio
async def test_a_refused_token_is_dropped_also_where_it_is_no_hit(bench: Bench) -> None:
    bench.endpoint.granted = READ
    less = await bench.acquire(BOTH)
    bench.clock.now += 96
    bench.endpoint.granted = BOTH
    await bench.acquire(BOTH)
    bench.clock.now -= 96
    assert bench.held.refuse(less, READ, expired=True)
    assert (await bench.acquire(READ)).value == "token-2"


@pytest.mark.asyncio
async def test_a_replacement_that_was_accepted_may_be_replaced_again(bench: Bench) -> None:
    old = await bench.acquire(READ)
    assert bench.held.refuse(old, READ, expired=False)
    new = await bench.acquire(READ)
    bench.held.accept(READ)
    assert bench.held.refuse(new, READ, expired=False)


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
    late = asyncio.create_task(bench.held.acquire(READ, slow, leaving))
    await bench.settle()
    flight = bench.held._flights.pop(READ)
    newer = await bench.acquire(READ)
    slow.gate.set()
    await flight.task
    assert (await late).value == "slow"
    assert bench.held.find(READ) is newer
