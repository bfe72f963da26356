"""A suite for both packages.

``tilia`` is the asynchronous client, or the synchronous one behind a coroutine face.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

import tilia_async
import tilia_sync
from support.quick import QUICK
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import TokenCache

SERVICES = tuple(tilia_async.TiliaClient.__annotations__)


class InThreads:
    """Awaits the synchronous client's methods in worker threads."""

    def __init__(self, target: object) -> None:
        self._target = target

    def __getattr__(self, name: str) -> object:
        value = getattr(self._target, "close" if name == "aclose" else name)
        if name in SERVICES:
            return InThreads(value)
        assert callable(value)

        async def call(*args: object, **kwargs: object) -> object:
            return await asyncio.to_thread(value, *args, **kwargs)

        return call


Make = Callable[..., object]


@pytest_asyncio.fixture(params=["tilia_async", "tilia_sync"])
async def make(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Make]:
    """Maker of clients of one package.

    Each has a token cache of its own.
    """
    clients: list[tilia_async.TiliaClient | tilia_sync.TiliaClient] = []

    def build(**settings: object) -> object:
        package = tilia_async if request.param == "tilia_async" else tilia_sync
        credentials = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        client = package.TiliaClient(*credentials, **{"retry": QUICK, "token_cache": TokenCache(), **settings})
        clients.append(client)
        return client if package is tilia_async else InThreads(client)

    yield build
    for client in clients:
        if isinstance(client, tilia_async.TiliaClient):
            await client.aclose()
        else:
            await asyncio.to_thread(client.close)


@pytest.fixture
def tilia(make: Make) -> object:
    return make()


async def collected(items: object) -> list[object]:
    """Return what an iterating method yields.

    Of either package.
    """
    if isinstance(items, AsyncIterator):
        return [item async for item in items]
    return await asyncio.to_thread(list, await items)
