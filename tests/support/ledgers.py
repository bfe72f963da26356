"""Ledgers on both databases, and what is in them."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import pytest_asyncio

from support.deliveries import block_changed
from support.postgres import new_database, unreachable
from support.scripted import (
    ONCE,
    sandbox_client,
)
from tilia_async import TiliaClient
from tilia_async.ledger import BlockLedger, BlockRecord, RecordState
from tilia_async.sandbox import Sandbox
from tilia_async.webhooks import AccountBlockChanged

QUICKLY_ON_BOTH = pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
"""Runs on both databases by day, too.

For what depends on the database; the rest is proved over PostgreSQL by night.
"""


@asynccontextmanager
async def ledger_url(kind: str, folder: Path) -> AsyncIterator[str]:
    """Yield the URL of a new ledger."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/blocks.db"
        return
    async with new_database() as database:
        yield database


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.nightly)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    async with ledger_url(request.param, tmp_path) as where:
        yield where


@pytest_asyncio.fixture
async def ledger(url: str) -> AsyncIterator[BlockLedger]:
    # A short lease: what a test leaves behind is soon free.
    async with BlockLedger.open(url, lease=1.0) as opened:
        yield opened


@pytest_asyncio.fixture
async def tilia(sandbox: Sandbox, ledger: BlockLedger) -> AsyncIterator[TiliaClient]:
    async with sandbox_client(sandbox, ledger=ledger, retry=ONCE) as client:
        yield client


async def listed(records: AsyncIterator[BlockRecord]) -> list[BlockRecord]:
    return [record async for record in records]


async def accounts_of(records: AsyncIterator[BlockRecord]) -> list[str]:
    return [record.account_id async for record in records]


async def states(ledger: BlockLedger, job_id: str = "wave") -> dict[str, RecordState]:
    """Return the state of each account.

    Fails where one has two records.
    """
    found: dict[str, RecordState] = {}
    async for record in ledger.records(job_id=job_id):
        assert record.account_id not in found, "an account has two records in one job"
        found[record.account_id] = record.state
    return found


def changed(
    account_id: str | None,
    *,
    blocked: bool | None = True,
    issuers: tuple[str, ...] = ("tilia",),
    block: int = 1,
    sent_at: datetime | None = None,
) -> AccountBlockChanged:
    """Read a notification, as Tilia sends it."""
    blocks = [
        {
            "account_id": account_id,
            "block_id": f"blk_{issuer}{block}",
            "capability": "login",
            "issuer": issuer,
            "reason": "account_close",
        }
        for issuer in issuers
    ]
    message = {"account_id": account_id, "blocks": blocks[0] if len(blocks) == 1 else blocks, "is_blocked": blocked}
    return block_changed(message, sent_at)


@contextmanager
def full_disk(url: str) -> Iterator[None]:
    """Keep the file that SQLite writes first from growing."""
    log = Path(f"{url.removeprefix('sqlite:///')}-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@asynccontextmanager
async def lost(url: str) -> AsyncIterator[None]:
    """Fill the disk, or make the database unreachable."""
    async with AsyncExitStack() as outage:
        if url.startswith("sqlite"):
            outage.enter_context(full_disk(url))
        else:
            await outage.enter_async_context(unreachable(url))
        yield
