"""A token for all scopes of a client, and what serves where it is refused."""

import pytest
from support.cache_bench import BOTH, READ, WRITE, Bench, bench

from tilia_async.errors import ConnectError, TiliaError, TokenError
from tilia_async.tokens import AccessToken
from tilia_async.tokens.provider import TokenProvider

__all__ = ["bench"]


@pytest.mark.asyncio
async def test_a_refused_union_falls_back_to_what_is_needed(bench: Bench) -> None:
    refused: list[frozenset[str]] = []

    async def fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        if scopes == BOTH:
            refused.append(scopes)
            raise TokenError("no such scope", status=400, scopes=scopes)
        return await bench.endpoint(scopes, generation)

    source = TokenProvider(bench.held, fetch, BOTH)
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
    source = TokenProvider(bench.held, fetch, BOTH)
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
    source = TokenProvider(bench.held, bench.endpoint, BOTH)
    with pytest.raises(TokenError):
        await source.acquire(READ)
    assert bench.endpoint.asked == [BOTH, READ]


@pytest.mark.asyncio
async def test_an_outage_is_no_refusal_of_a_union(bench: Bench) -> None:
    bench.endpoint.failure = TokenError("down", status=503, scopes=BOTH)
    with pytest.raises(TokenError):
        await TokenProvider(bench.held, bench.endpoint, BOTH).acquire(READ)
    assert bench.endpoint.asked == [BOTH]


@pytest.mark.asyncio
async def test_a_union_that_is_refreshed_is_refreshed_as_a_union(bench: Bench) -> None:
    source = TokenProvider(bench.held, bench.endpoint, BOTH)
    old = await source.acquire(READ)
    bench.clock.now += 80
    assert await source.acquire(READ) is old
    assert source.find(READ) is old, "a plain hit while the new one is on its way"
    await bench.settle()
    assert bench.endpoint.asked == [BOTH, BOTH]


@pytest.mark.asyncio
async def test_a_union_that_was_dropped_meanwhile_is_not_brought_back(bench: Bench) -> None:
    union = await bench.acquire(BOTH)
    bench.held.refuse(union, READ, expired=True)
    bench.held.alias(READ, BOTH)
    assert bench.held.find(READ) is None


@pytest.mark.asyncio
async def test_a_union_is_asked_for_once_and_found_without_waiting(bench: Bench) -> None:
    source = TokenProvider(bench.held, bench.endpoint, BOTH)
    await source.acquire(READ)
    assert source.find(READ) is not None
    await source.acquire(WRITE)
    assert bench.endpoint.asked == [BOTH]
