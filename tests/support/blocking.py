"""A Tilia that knows who is blocked.

It lets a test act between a request and its answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import attrs
import orjson
import pytest
import pytest_asyncio

from support.hostile import Connection
from support.postgres import new_database
from support.scripted import DROPPED, Reply
from tilia_async.bulk import BulkReport
from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.webhooks import AccountBlockChanged, parse_event

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
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/blocks.db"
        return
    async with new_database() as database:
        yield database


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
    message = {"account_id": account_id, "blocks": {**block, "issuer": issuer}, "is_blocked": blocked}
    envelope = {
        "event_name": "account-block-unblock-webhook",
        "bucket_key": "staging",
        "sent_at": (sent_at or datetime.now(UTC)).isoformat(),
        "message": message,
    }
    event = parse_event(orjson.dumps(envelope))
    assert isinstance(event, AccountBlockChanged)
    return event


def numbers(report: BulkReport) -> dict[str, int]:
    """Return the outcomes that there were."""
    return {outcome.name: number for outcome, number in report.counts.items() if number}


async def states(ledger: BlockLedger, job_id: str) -> dict[str, RecordState]:
    return {record.account_id: record.state async for record in ledger.records(job_id=job_id)}
