"""The SDK itself: a typed call, with its token, deadline, retries and decoding into a model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.answers import ACCOUNT_ID, HELD_ID
from benchmarks.contenders.load import POOL, Load, in_lanes
from tilia_async import Limits, TiliaClient
from tilia_async.tokens import TokenCache


def client(url: str, connections: int = POOL) -> TiliaClient:
    limits = Limits(connections=connections, per_host=connections)
    return TiliaClient("id", "secret", f"{url}/{{service}}", limits=limits, token_cache=TokenCache())


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Load]:
    async with client(url) as tilia:
        yield in_lanes(lambda: tilia.accounts.get(ACCOUNT_ID))


@asynccontextmanager
async def posting(url: str) -> AsyncIterator[Load]:
    """The same for a POST with a JSON body."""
    async with client(url) as tilia:
        yield in_lanes(lambda: tilia.accounts.register("nyx", email="nyx@mail.example"))


@asynccontextmanager
async def held(url: str, connections: int) -> AsyncIterator[Load]:
    """Calls whose answers do not come."""
    async with client(url, connections) as tilia:
        await tilia.accounts.get(ACCOUNT_ID)
        yield in_lanes(lambda: tilia.accounts.get(HELD_ID))
