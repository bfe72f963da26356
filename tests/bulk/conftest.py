"""Servers and clients for jobs over many accounts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio
from support.hostile import hostile_server
from support.scripted import Answer, ScriptedTilia, at_once, client_of

from tilia_async import TiliaClient
from tilia_async.ledger import BlockLedger

Start = Callable[..., Awaitable[tuple[ScriptedTilia, TiliaClient]]]


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a scripted Tilia, and a client for it."""
    async with AsyncExitStack() as stack:

        async def begin(answer: Answer = at_once, **settings: object) -> tuple[ScriptedTilia, TiliaClient]:
            scripted = ScriptedTilia(answer)
            server = await stack.enter_async_context(hostile_server(scripted.serve))
            return scripted, await stack.enter_async_context(client_of(server.template, **settings))

        yield begin


@pytest_asyncio.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[BlockLedger]:
    async with BlockLedger.open(f"sqlite:///{tmp_path}/blocks.db") as opened:
        yield opened
