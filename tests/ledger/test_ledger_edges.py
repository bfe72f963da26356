"""Findings of a hostile reading of the ledger."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from support.hostile import hostile_server
from support.machine_lag import within
from support.postgres import new_database
from support.scripted import DONE, Reply, ScriptedTilia, at_once, client_of, failing, ids, never

import tilia_sync
from tilia_async import RequestOptions, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.ledger.claims import RecordedOutcome
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.jobs import JobDefinition
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction

pytestmark = pytest.mark.asyncio


def url_in(directory: Path) -> str:
    return f"sqlite:///{directory}/blocks.db"


async def test_what_a_later_run_of_a_job_does_is_on_record_with_the_time_of_that_run(tmp_path: Path) -> None:
    healthy = False

    async def answers(_tilia: ScriptedTilia, account_id: str) -> Reply:
        return DONE if healthy or account_id == "acct_0" else failing(500)

    scripted = ScriptedTilia(answers)
    async with hostile_server(scripted.serve) as server, BlockLedger.open(url_in(tmp_path)) as ledger:
        async with client_of(server.template, ledger=ledger) as tilia:
            report = await tilia.bulk.block(["acct_1"], "spam", "alice", job_id="wave")
            assert report.counts[BulkOutcome.UNKNOWN] == 1
            (unknown,) = await ledger.history("acct_1")
            healthy = True
            await tilia.bulk.block(["acct_1"], job_id="wave")
            in_force = [record async for record in ledger.blocked()]
    assert [(record.account_id, record.reason, record.actor) for record in in_force] == [("acct_1", "spam", "alice")]
    assert unknown.settled_at is not None
    assert in_force[0].requested_at >= unknown.settled_at


async def test_a_rehearsal_elsewhere_does_not_pass_for_the_job(tmp_path: Path) -> None:
    async with BlockLedger.open(url_in(tmp_path)) as ledger:
        for rehearsal in (True, False):
            scripted = ScriptedTilia(at_once)
            async with hostile_server(scripted.serve) as server:
                async with client_of(server.template, ledger=ledger) as tilia:
                    if rehearsal:
                        await tilia.bulk.block(ids(3), job_id="wave")
                    else:
                        with pytest.raises(errors.ConfigurationError, match="another job_id"):
                            await tilia.bulk.block(ids(3), job_id="wave")
                        assert scripted.arrived == []


async def test_a_password_that_breaks_the_url_is_not_repeated() -> None:
    with pytest.raises(errors.ConfigurationError, match="%40") as refused:
        BlockLedger.open("postgresql://app:s3cret@hunter2@db/prod")
    assert "s3cret" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


async def test_the_deadline_bounds_a_recorded_call_whose_ledger_is_held(tmp_path: Path) -> None:
    scripted = ScriptedTilia(at_once)
    async with hostile_server(scripted.serve) as server, BlockLedger.open(url_in(tmp_path)) as ledger:
        async with client_of(server.template, ledger=ledger) as tilia:
            other = sqlite3.connect(f"{tmp_path}/blocks.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with within(1.5), pytest.raises(errors.DeadlineExceededError, match="ledger") as late:
                await tilia.accounts.block("acct_1", options=RequestOptions(timeout=0.3))
            assert (late.value.operation, late.value.took_effect) == ("accounts.block", False)
            other.execute("COMMIT")
            other.close()
            records = await settled_history(ledger, "acct_1")
    assert [record.state for record in records] == [RecordState.FAILED]
    assert scripted.arrived == []


async def test_the_deadline_bounds_the_first_use_of_a_ledger_that_cannot_be_opened_yet(tmp_path: Path) -> None:
    other = sqlite3.connect(f"{tmp_path}/blocks.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    scripted = ScriptedTilia(at_once)
    ledger = BlockLedger.open(url_in(tmp_path))
    async with hostile_server(scripted.serve) as server, client_of(server.template, ledger=ledger) as tilia:
        with within(1.5):
            with pytest.raises(errors.DeadlineExceededError, match="ledger"):
                await tilia.accounts.block("acct_1", options=RequestOptions(timeout=0.2))
            job = asyncio.create_task(tilia.bulk.block(ids(3)))
            await asyncio.sleep(0)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
        assert scripted.arrived == []
        other.execute("ROLLBACK")
        other.close()
        assert (await tilia.accounts.block("acct_1")).is_blocked
        assert [record.account_id async for record in ledger.records()] == ["acct_1"]
    await ledger.aclose()


async def settled_history(ledger: BlockLedger, account_id: str) -> list:
    """History once the ledger's own task has written what was handed in late."""
    records: list = []

    async def look() -> bool:
        records[:] = await ledger.history(account_id)
        return bool(records) and records[-1].settled_at is not None

    async with asyncio.timeout(10):
        while not await look():  # noqa: ASYNC110 - the ledger tells nobody what it has written
            await asyncio.sleep(0)
    return records


async def test_a_call_that_is_cancelled_before_it_is_sent_had_no_effect(tmp_path: Path) -> None:
    scripted = ScriptedTilia(never)
    async with hostile_server(scripted.serve) as server, BlockLedger.open(url_in(tmp_path)) as ledger:
        async with client_of(server.template, ledger=ledger) as tilia:
            other = sqlite3.connect(f"{tmp_path}/blocks.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            call = asyncio.create_task(tilia.accounts.block("acct_1"))
            await asyncio.sleep(0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            other.execute("COMMIT")
            other.close()
            records = await settled_history(ledger, "acct_1")
    assert [record.state for record in records] == [RecordState.FAILED]
    assert scripted.arrived == []


async def test_a_transaction_that_was_given_up_for_another_is_done_again(tmp_path: Path) -> None:
    class DeadlockError(Exception):
        sqlstate = "40P01"

    async with BlockLedger.open(url_in(tmp_path)) as ledger:
        tries = []

        async def work(_connection: AsyncConnection) -> str:
            tries.append(True)
            if len(tries) < 3:
                raise DBAPIError("UPDATE", {}, DeadlockError("deadlock detected"))
            return "done"

        assert await (await journal_of(ledger)).database.write(work) == "done"
    assert len(tries) == 3


async def test_a_process_that_wakes_up_late_and_the_one_that_took_over_do_not_lock_each_other() -> None:
    names = [f"acct_{number:03}" for number in range(300)]
    intent = Intent(BlockAction.BLOCK, job_id="wave")
    async with new_database() as url, BlockLedger.open(url) as one, BlockLedger.open(url) as other:
        late, next_one = await journal_of(one), await journal_of(other)
        job = JobDefinition(job_id="wave", origin="there", action="block")
        await late.begin_run("late", job, 0.01)
        mine = (await late.claim("late", intent, names, 0.01)).mine
        await asyncio.sleep(0.05)
        await next_one.begin_run("next", job, 30)
        settlements = [RecordedOutcome(name, RecordState.NOT_FOUND, "no", mine[name]) for name in reversed(names)]
        _, claims = await asyncio.gather(late.settle("late", *settlements), next_one.claim("next", intent, names, 30))
        found = {record.account_id: record.state async for record in one.records(job_id="wave")}
    settled = {name for name, state in found.items() if state is RecordState.NOT_FOUND}
    assert settled | claims.mine.keys() == set(names)


@pytest.mark.filterwarnings("ignore:.*is marked with .@pytest.mark.asyncio")
def test_a_function_that_raises_ends_the_synchronous_job_and_says_how_to_go_on(tmp_path: Path) -> None:
    def full(_progress: object) -> None:
        raise ValueError("full")

    with (
        tilia_sync.Sandbox(wallet_delay=0) as sandbox,
        tilia_sync.BlockLedger.open(url_in(tmp_path)) as ledger,
        tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment, ledger=ledger) as tilia,
    ):
        with pytest.raises(ValueError, match="full") as raised:
            tilia.bulk.block(ids(100), concurrency=4, on_progress=full)
        sent = sum(request.operation == "accounts.block" for request in sandbox.requests)
    assert "job_id='block-" in raised.value.__notes__[0]
    assert sent < 100
