"""A Tilia that knows who is blocked.

It lets a test act between a request and its answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import attrs
import orjson
import pytest
import pytest_asyncio

from support.deliveries import block_changed
from support.hostile import Connection, hostile_server
from support.ledgers import ledger_url
from support.scripted import DROPPED, Reply, client_of
from tilia_async import TiliaClient
from tilia_async.ledger import BlockLedger
from tilia_async.webhooks import AccountBlockChanged

ANSWERS = {
    blocked: Reply(body=orjson.dumps({"status": "Success", "payload": {"is_blocked": blocked}}))
    for blocked in (True, False)
}

Hook = Callable[[str, str], Awaitable[Reply | None]]


async def nothing(_action: str, _account_id: str) -> Reply | None:
    return None


@attrs.define(eq=False)
class BlockingTilia:
    """Blocks and unblocks.

    Attributes:
        blocked: the accounts that are.
        sent: what arrived: the action and the account.
        before: is asked for an answer before a request takes effect; with one, it takes none.
        after: is asked once it took effect.
    """

    blocked: set[str] = attrs.field(factory=set)
    sent: list[tuple[str, str]] = attrs.field(factory=list)
    before: Hook = nothing
    after: Hook = nothing

    async def serve(self, connection: Connection) -> None:
        while (line := await connection.request()) is not None:
            if "/token" in line:
                await connection.answer(orjson.dumps({"access_token": "t", "expires_in": 3600}))
                continue
            *_, account_id, _, action = line.split()[1].split("/")
            account_id = unquote(account_id)
            self.sent.append((action, account_id))
            reply = await self.before(action, account_id)
            if reply is None:
                (self.blocked.add if action == "block" else self.blocked.discard)(account_id)
                reply = await self.after(action, account_id) or ANSWERS[action == "block"]
            if reply is DROPPED:
                connection.writer.transport.abort()
                return
            connection.writer.write(reply.bytes())
            await connection.writer.drain()


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    async with ledger_url(request.param, tmp_path) as where:
        yield where


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


def notification(
    account_id: str,
    *,
    blocked: bool = True,
    issuer: str | None = "tilia",
    sent_at: datetime | None = None,
    block_id: str = "blk_1",
) -> AccountBlockChanged:
    """Return Tilia's report of an account."""
    block = {"account_id": account_id, "block_id": block_id, "capability": "login", "reason": "account_close"}
    return block_changed(
        {"account_id": account_id, "blocks": {**block, "issuer": issuer}, "is_blocked": blocked}, sent_at
    )
