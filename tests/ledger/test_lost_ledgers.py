"""A ledger that is lost, full or held lets nothing be sent that is not on record."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.ledgers import QUICKLY_ON_BOTH, ledger, lost, states, tilia, url
from support.postgres import new_database, terminate_connections
from support.scripted import (
    blocks_sent,
    people,
    sandbox_client,
    until,
)

from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.sandbox import Fault, Sandbox

__all__ = ["ledger", "tilia", "url"]


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_a_ledger_that_is_lost_stops_the_job_before_the_next_request(
    tilia: TiliaClient, sandbox: Sandbox, url: str
) -> None:
    accounts = people(sandbox, 300)
    async with AsyncExitStack() as outage:

        async def until_it_is_lost() -> AsyncIterator[str]:
            for number, each in enumerate(accounts):
                if number == 60:
                    await outage.enter_async_context(lost(url))
                yield each

        with pytest.raises(errors.BulkStoppedError) as caught:
            async with asyncio.timeout(20):
                await tilia.bulk.block(until_it_is_lost(), reason="fraud", job_id="wave", concurrency=8)
        sent = blocks_sent(sandbox)
        await asyncio.sleep(0.05)
        assert blocks_sent(sandbox) == sent, "requests after the end"
    error = caught.value
    assert isinstance(error.cause, errors.LedgerError)
    assert "ledger" in str(error).lower()
    assert error.job_id == "wave"
    assert not error.report.complete
    async with BlockLedger.open(url, lease=1.0) as ledger:
        kept = await states(ledger)
        assert set(sent) <= kept.keys(), "a block without a record"
        assert {account for account, each in sandbox.accounts.items() if each.is_blocked} <= set(kept)
        sandbox.requests.clear()
        async with sandbox_client(sandbox, ledger=ledger) as again, asyncio.timeout(20):
            report = await again.bulk.block(accounts, job_id="wave", concurrency=32)
        assert (report.total, report.complete) == (300, True)
        assert await states(ledger) == dict.fromkeys(accounts, RecordState.CONFIRMED)


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_a_call_whose_intent_cannot_be_written_is_not_sent(
    tilia: TiliaClient, sandbox: Sandbox, url: str, ledger: BlockLedger
) -> None:
    first, second, third = people(sandbox, 3)
    await tilia.accounts.block(first)
    async with lost(url):
        with pytest.raises(errors.LedgerError) as caught:
            await tilia.accounts.block(second, reason="fraud")
        assert caught.value.took_effect is False
        assert caught.value.operation == "accounts.block"
        assert blocks_sent(sandbox) == [first]
    assert not sandbox.accounts[second].is_blocked
    await tilia.accounts.block(third)
    assert [record.state for record in await ledger.history(third)] == [RecordState.CONFIRMED], "it comes back"


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_a_block_that_tilia_confirmed_does_not_fail_when_the_ledger_is_lost_meanwhile(
    tilia: TiliaClient, sandbox: Sandbox, url: str, ledger: BlockLedger
) -> None:
    (account,) = people(sandbox, 1)
    sandbox.faults.add("accounts.block", Fault.LATENCY, seconds=0.2)
    call = asyncio.create_task(tilia.accounts.block(account))
    await until(lambda: blocks_sent(sandbox))
    async with lost(url):
        try:
            assert (await call).is_blocked
        except errors.TiliaError as error:
            assert isinstance(error, errors.LedgerError)
            assert error.took_effect is True
    assert sandbox.accounts[account].is_blocked
    (record,) = await ledger.history(account)
    assert record.state in {RecordState.INTENDED, RecordState.UNKNOWN, RecordState.CONFIRMED}


@pytest.mark.asyncio
async def test_a_database_that_drops_all_connections_loses_no_record(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 100)
    async with new_database() as url, BlockLedger.open(url, lease=1.0) as ledger:
        async with sandbox_client(sandbox, ledger=ledger) as tilia:
            ending: list[asyncio.Task[int]] = []

            async def drops() -> AsyncIterator[str]:
                for number, each in enumerate(accounts):
                    if number == 40:
                        ending.append(asyncio.create_task(terminate_connections(url)))
                        await asyncio.wait(ending)
                    yield each

            job = asyncio.create_task(tilia.bulk.block(drops(), job_id="wave", concurrency=8))
            async with asyncio.timeout(20):
                await asyncio.wait([job])
            # The job may have stopped before it heard how many were ended.
            assert await ending[0]
            if (error := job.exception()) is not None:
                assert isinstance(error, errors.BulkStoppedError)
                assert isinstance(error.cause, errors.LedgerError)
            assert set(blocks_sent(sandbox)) <= (await states(ledger)).keys()
            async with asyncio.timeout(20):
                assert (await tilia.bulk.block(accounts, job_id="wave", concurrency=8)).complete
        assert await states(ledger) == dict.fromkeys(accounts, RecordState.CONFIRMED)


@pytest.mark.asyncio
async def test_another_writer_that_holds_the_file_for_a_moment_is_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    accounts = people(sandbox, 20)
    path = tmp_path / "blocks.db"
    async with BlockLedger.open(f"sqlite:///{path}") as ledger, sandbox_client(sandbox, ledger=ledger) as tilia:
        await tilia.accounts.block(accounts[0])
        other = sqlite3.connect(path, isolation_level=None)
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.execute("BEGIN IMMEDIATE")
        job = asyncio.create_task(tilia.bulk.block(accounts, job_id="wave"))
        await asyncio.sleep(0.3)
        assert blocks_sent(sandbox) == accounts[:1], "a request before its record"
        other.execute("ROLLBACK")
        other.close()
        assert (await job).counts[BulkOutcome.DONE] == 20
