"""Refusals of the token endpoint are remembered for seconds; an outage is not."""

import gc
import weakref
from datetime import UTC, datetime

import pytest
from support.cache_bench import READ, WRITE, Bench, bench

from tilia_async.errors import ConnectError, TokenError
from tilia_async.tokens import AccessToken

__all__ = ["bench"]


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
async def test_a_refresh_that_has_to_wait_waits_while_the_old_token_serves(bench: Bench) -> None:
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
        bench.held.refuse(
            AccessToken(f"token-{number}", READ, 100, 0, datetime.now(UTC)), frozenset({str(number)}), expired=False
        )
    gc.collect()
    assert sum(token() is not None for token in issued) <= 256
    assert bench.endpoint.asked.count(frozenset({"other_599"})) == 1
    for held in (bench.held._hot, bench.held._tokens, bench.held._refusals._refusals, bench.held.suspects):
        assert len(held) <= 256


@pytest.mark.asyncio
async def test_an_outage_is_not_remembered(bench: Bench) -> None:
    bench.endpoint.failure = TokenError("down", status=503, scopes=READ)
    with pytest.raises(TokenError):
        await bench.acquire(READ)
    bench.endpoint.failure = None
    assert (await bench.acquire(READ)).value == "token-2"
