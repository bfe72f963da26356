"""aiohttp by hand: one session, the header of the token, orjson."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson

from benchmarks.answers import ACCOUNT_PATH, HELD_PATH, REGISTER_PATH, REGISTRATION, TOKEN_TEXT
from benchmarks.contenders.load import POOL, Load, in_lanes


def client(connections: int = POOL) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        headers={"Authorization": f"Bearer {TOKEN_TEXT}"},
        json_serialize_bytes=orjson.dumps,
    )


async def get(session: aiohttp.ClientSession, url: str) -> object:
    async with session.get(url) as response:
        response.raise_for_status()
        return (await response.json(loads=orjson.loads))["payload"]


async def post(session: aiohttp.ClientSession, url: str) -> object:
    async with session.post(url, json=REGISTRATION) as response:
        response.raise_for_status()
        return (await response.json(loads=orjson.loads))["payload"]


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Load]:
    async with client() as session:
        yield in_lanes(lambda: get(session, url + ACCOUNT_PATH))


@asynccontextmanager
async def posting(url: str) -> AsyncIterator[Load]:
    """The same for a POST with a JSON body."""
    async with client() as session:
        yield in_lanes(lambda: post(session, url + REGISTER_PATH))


@asynccontextmanager
async def held(url: str, connections: int) -> AsyncIterator[Load]:
    """Calls whose answers do not come."""
    async with client(connections) as session:
        await get(session, url + ACCOUNT_PATH)
        yield in_lanes(lambda: get(session, url + HELD_PATH))
