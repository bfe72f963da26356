"""httpx by hand: one client, the header of the token, orjson.

Its limits are its own, 100 connections of which it keeps 20 that have nothing to do. It is slower by half when told to
keep all of them, because each call looks through those that are idle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import orjson

from benchmarks.answers import ACCOUNT_PATH, HELD_PATH, TOKEN_TEXT
from benchmarks.contenders.load import POOL, Call, Load, in_lanes

KEPT = 20


def client(connections: int = POOL) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=KEPT)
    return httpx.AsyncClient(limits=limits, headers={"Authorization": f"Bearer {TOKEN_TEXT}"}, timeout=30)


async def get(client: httpx.AsyncClient, url: str) -> object:
    response = await client.get(url)
    return orjson.loads(response.raise_for_status().content)["payload"]


def get_blocking(client: httpx.Client, url: str) -> object:
    return orjson.loads(client.get(url).raise_for_status().content)["payload"]


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Load]:
    async with client() as opened:
        yield in_lanes(lambda: get(opened, url + ACCOUNT_PATH))


@asynccontextmanager
async def held(url: str, connections: int) -> AsyncIterator[Load]:
    """Calls whose answers do not come."""
    async with client(connections) as opened:
        await get(opened, url + ACCOUNT_PATH)
        yield in_lanes(lambda: get(opened, url + HELD_PATH))


@contextmanager
def blocking(url: str, _threads: int) -> Iterator[Callable[[], Call]]:
    """Open one client for all threads."""
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN_TEXT}"}, timeout=30) as opened:
        yield lambda: lambda: get_blocking(opened, url + ACCOUNT_PATH)
