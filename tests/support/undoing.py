"""A Tilia, a ledger and a client for undoing jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.blocking import BlockingTilia
from support.hostile import hostile_server
from support.scripted import client_of
from tilia_async import TiliaClient
from tilia_async.ledger import BlockLedger

X, Y = "acct_x", "acct_y"


@pytest_asyncio.fixture
async def ledger(url: str) -> AsyncIterator[BlockLedger]:
    async with BlockLedger.open(url, lease=1.0) as opened:
        yield opened


@pytest.fixture
def served() -> BlockingTilia:
    return BlockingTilia()


@pytest_asyncio.fixture
async def tilia(served: BlockingTilia, ledger: BlockLedger) -> AsyncIterator[TiliaClient]:
    async with hostile_server(served.serve) as server, client_of(server.template, ledger=ledger) as client:
        yield client


async def by_call(tilia: TiliaClient, _ledger: BlockLedger, _served: BlockingTilia) -> object:
    return await tilia.accounts.block(X, "fraud", "ann")
