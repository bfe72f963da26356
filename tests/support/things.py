"""Operations on a thing, and a server that hangs."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from support.hostile import Connection, HostileServer, hostile_server
from tilia_async import Operation, Repeat, Service, TiliaClient
from tilia_async.tokens import TokenCache

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)


def client(server: HostileServer, **settings: object) -> TiliaClient:
    return TiliaClient("id", "secret", server.template, token_cache=TokenCache(), **settings)


async def hang(connection: Connection) -> None:
    await connection.tokens()
    await asyncio.Event().wait()


@pytest_asyncio.fixture
async def hanging() -> AsyncIterator[HostileServer]:
    async with hostile_server(hang) as server:
        yield server
