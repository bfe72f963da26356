"""Jobs of a ledger that an earlier version made: they are what their records say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import create_engine, insert
from sqlalchemy.ext.asyncio import create_async_engine
from support.blocking import BlockingTilia
from support.hostile import hostile_server
from support.job_reports import numbers
from support.postgres import new_database
from support.scripted import client_of
from test_migrations import make

from tilia_async import TiliaClient, errors
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.schema import MIGRATIONS, RECORDS, Table
from tilia_async.wire.operation import Service

pytestmark = pytest.mark.asyncio

BEFORE = next(number for number, step in enumerate(MIGRATIONS) if not all(hasattr(each, "name") for each in step))
"""The last version that did not keep what a job was begun as."""


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/blocks.db"
        return
    async with new_database() as database:
        yield database


async def enter(url: str, job_id: str, origin: str, *rows: dict[str, object]) -> None:
    """Enter a job as that version did."""
    jobs = next(each for each in MIGRATIONS[0] if isinstance(each, Table) and each.name == "tilia_bulk_jobs")
    usual = {
        "job_id": job_id,
        "action": "block",
        "state": "confirmed",
        "source": "bulk",
        "issuer": "publisher",
        "requested_at": datetime(2026, 1, 2, tzinfo=UTC),
        "run_id": "run",
    }
    statements = [insert(jobs).values(job_id=job_id, origin=origin)]
    statements += [insert(RECORDS).values({**usual, **row}) for row in rows]
    if url.startswith("sqlite"):
        engine = create_engine(url)
        with engine.begin() as connection:
            for each in statements:
                connection.execute(each)
        engine.dispose()
    else:
        other = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        async with other.begin() as connection:
            for each in statements:
                await connection.execute(each)
        await other.dispose()


def origin_of(tilia: TiliaClient) -> str:
    return tilia._requestor.environment.url(Service.ACCOUNTS)


async def test_a_job_of_an_older_ledger_is_what_its_first_record_says(url: str) -> None:
    await make(url, BEFORE)
    served = BlockingTilia(blocked={"acct_1"})
    async with hostile_server(served.serve) as server:
        async with client_of(server.template) as without:
            origin = origin_of(without)
        first = {"account_id": "acct_1", "reason": "spam", "actor": "ann"}
        await enter(url, "old", origin, first, {"account_id": "acct_2", "reason": "spam", "actor": "ann"})
        await enter(url, "empty", origin)
        async with BlockLedger.open(url) as ledger, client_of(server.template, ledger=ledger) as tilia:
            for other in ({"reason": "fraud"}, {"actor": "bob"}):
                with pytest.raises(errors.ConfigurationError, match="begun with the"):
                    await tilia.bulk.block(["acct_1"], **other, job_id="old")
            with pytest.raises(errors.ConfigurationError, match="begun to block, and this is to unblock"):
                await tilia.bulk.unblock(["acct_1"], job_id="old")
            with pytest.raises(errors.ConfigurationError, match="no job 'empty'"):
                await tilia.bulk.undo("empty")
            assert served.sent == []
            report = await tilia.bulk.block(["acct_1", "acct_3"], "spam", "ann", job_id="old")
            assert numbers(report) == {"SKIPPED": 1, "DONE": 1}
            assert numbers(await tilia.bulk.unblock(["acct_9"], "appeal", job_id="empty")) == {"DONE": 1}
            with pytest.raises(errors.ConfigurationError, match="begun to unblock"):
                await tilia.bulk.block(["acct_9"], job_id="empty")


async def test_a_job_of_an_older_ledger_can_be_undone(url: str) -> None:
    await make(url, BEFORE)
    served = BlockingTilia(blocked={"acct_1", "acct_2"})
    async with hostile_server(served.serve) as server:
        async with client_of(server.template) as without:
            origin = origin_of(without)
        await enter(url, "cause", origin, {"account_id": "acct_1"})
        await enter(url, "old", origin, {"account_id": "acct_1"}, {"account_id": "acct_2"})
        await enter(url, "elsewhere", "https://accounts.elsewhere.example", {"account_id": "acct_1"})
        async with BlockLedger.open(url) as ledger, client_of(server.template, ledger=ledger) as tilia:
            assert numbers(await tilia.bulk.undo("old")) == {"KEPT": 1, "DONE": 1}
            assert served.blocked == {"acct_1"}
            with pytest.raises(errors.ConfigurationError, match=r"elsewhere\.example"):
                await tilia.bulk.undo("elsewhere")
