"""A job on record is taken up where it was, by whoever runs it, and repeats nothing."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.hostile import hostile_server
from support.ledgers import QUICKLY_ON_BOTH, accounts_of, ledger, listed, states, tilia, url
from support.scripted import (
    DONE,
    Reply,
    ScriptedTilia,
    blocks_sent,
    client_of,
    ids,
    people,
    sandbox_client,
    until,
)

from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkOutcome, BulkReport
from tilia_async.ledger import BlockLedger, BlockRecord, RecordSource, RecordState
from tilia_async.sandbox import Fault, Sandbox

__all__ = ["ledger", "tilia", "url"]


@pytest.mark.asyncio
async def test_the_same_job_run_again_sends_nothing(tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger) -> None:
    accounts = people(sandbox, 30)
    first = await tilia.bulk.block(accounts, reason="wave", actor="ops", job_id="wave")
    assert (first.job_id, first.counts[BulkOutcome.DONE]) == ("wave", 30)
    before = await listed(ledger.records(job_id="wave"))
    sandbox.requests.clear()
    again = await tilia.bulk.block(accounts, job_id="wave")
    assert (again.total, again.counts[BulkOutcome.SKIPPED], again.failures, again.complete) == (30, 30, (), True)
    assert sandbox.requests == [], "not even for a token"
    assert await listed(ledger.records(job_id="wave")) == before, "who did it, and why, stays as it was"
    assert {(record.source, record.job_id, record.actor, record.reason) for record in before} == {
        (RecordSource.BULK, "wave", "ops", "wave")
    }
    other = await tilia.bulk.block(accounts[:5], job_id="another wave")
    lifted = await tilia.bulk.unblock(accounts[:5], job_id="appeals")
    assert (other.counts[BulkOutcome.DONE], lifted.counts[BulkOutcome.DONE]) == (5, 5)
    unnamed = await tilia.bulk.block(accounts[:5])
    assert sorted(await accounts_of(ledger.records(job_id=unnamed.job_id))) == sorted(accounts[:5])


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_what_was_unknown_or_failed_is_done_by_the_next_run(
    tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger
) -> None:
    accounts = people(sandbox, 24)
    for fault in (Fault.DROP_AFTER_COMMIT, Fault.DROP_BEFORE_COMMIT, Fault.SERVER_ERROR_EMPTY, Fault.RATE_LIMITED):
        sandbox.faults.add("accounts.block", fault, times=2, retry_after=0)
    first = await tilia.bulk.block([*accounts, "acct_nobody"], job_id="wave", concurrency=2)
    unknown = await accounts_of(ledger.records(job_id="wave", state=RecordState.UNKNOWN))
    failed = await accounts_of(ledger.records(job_id="wave", state=RecordState.FAILED))
    assert first.counts[BulkOutcome.UNKNOWN] == len(unknown) == 6
    assert first.counts[BulkOutcome.FAILED] == len(failed)
    assert sorted(await accounts_of(ledger.pending("wave"))) == sorted(unknown + failed)
    assert await accounts_of(ledger.pending("another")) == []
    sandbox.requests.clear()
    again = await tilia.bulk.block([*accounts, "acct_nobody"], job_id="wave")
    assert again.counts[BulkOutcome.DONE] == len(unknown + failed)
    assert again.counts[BulkOutcome.SKIPPED] >= 24 - len(unknown + failed)
    assert again.complete
    assert set(unknown + failed) <= set(blocks_sent(sandbox)) <= {*unknown, *failed, "acct_nobody"}
    assert await states(ledger) == {
        **dict.fromkeys(accounts, RecordState.CONFIRMED),
        "acct_nobody": RecordState.NOT_FOUND,
    }
    assert await accounts_of(ledger.pending("wave")) == []


SEEDS = [pytest.param(number, marks=[pytest.mark.nightly] if number else []) for number in range(12)]


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_job_cancelled_at_any_moment_loses_no_account_and_repeats_none_that_is_confirmed(
    ledger: BlockLedger, seed: int
) -> None:
    chance = random.Random(seed)
    accounts = ids(60)

    async def takes_its_time(_tilia: ScriptedTilia, account_id: str) -> Reply:
        await asyncio.sleep(chance.random() * 0.01)
        return DONE

    scripted = ScriptedTilia(takes_its_time)
    confirmed: set[str] = set()
    async with hostile_server(scripted.serve) as server:
        for turn in range(12):
            scripted.arrived.clear()
            async with client_of(server.template, ledger=ledger) as tilia:
                job = asyncio.create_task(tilia.bulk.block(accounts, job_id="wave", concurrency=6))
                if turn < 11:
                    await asyncio.wait([job], timeout=chance.random() * 0.06)
                    job.cancel()
                async with asyncio.timeout(15):
                    await asyncio.wait([job])
            assert not confirmed & set(scripted.arrived), "what is confirmed is not sent again"
            kept = await states(ledger)
            assert set(scripted.arrived) <= kept.keys()
            confirmed = {account for account, state in kept.items() if state is RecordState.CONFIRMED}
    assert job.result().complete
    assert confirmed == set(accounts)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "shared",
    [pytest.param(True, id="one ledger", marks=pytest.mark.nightly), pytest.param(False, id="a ledger each")],
)
@QUICKLY_ON_BOTH
async def test_of_two_clients_one_has_a_job_and_the_other_is_refused(sandbox: Sandbox, url: str, shared: bool) -> None:
    accounts = people(sandbox, 20)
    sandbox.faults.add("accounts.block", Fault.LATENCY, times=5, seconds=0.3)
    async with BlockLedger.open(url) as first, AsyncExitStack() as stack:
        second = first if shared else await stack.enter_async_context(BlockLedger.open(url))
        clients = [await stack.enter_async_context(sandbox_client(sandbox, ledger=each)) for each in (first, second)]
        async with asyncio.timeout(15):
            told = await asyncio.gather(
                *(client.bulk.block(accounts, job_id="wave", concurrency=5) for client in clients),
                return_exceptions=True,
            )
        (report,) = [each for each in told if isinstance(each, BulkReport)]
        (refusal,) = [each for each in told if isinstance(each, errors.ConfigurationError)]
        assert f"process {os.getpid()}, since" in str(refusal)
        assert report.counts[BulkOutcome.DONE] == 20
        assert Counter(blocks_sent(sandbox)) == dict.fromkeys(accounts, 1)
        again = await clients[1].bulk.block(accounts, job_id="wave")
        assert again.counts[BulkOutcome.SKIPPED] == 20


@pytest.mark.asyncio
async def test_two_jobs_over_one_ledger_do_not_mix(tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger) -> None:
    accounts = people(sandbox, 40)
    reports = await asyncio.gather(
        tilia.bulk.block(accounts[:30], job_id="a", reason="of a"),
        tilia.bulk.block(accounts[10:], job_id="b", reason="of b"),
    )
    assert [report.counts[BulkOutcome.DONE] for report in reports] == [30, 30]
    for job_id, mine in (("a", accounts[:30]), ("b", accounts[10:])):
        assert await states(ledger, job_id) == dict.fromkeys(mine, RecordState.CONFIRMED)
        assert {record.reason for record in await listed(ledger.records(job_id=job_id))} == {f"of {job_id}"}


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_several_may_open_a_new_ledger_at_once(url: str) -> None:
    async def opens() -> list[BlockRecord]:
        async with BlockLedger.open(url) as ledger:
            return await ledger.history("acct_1")

    async with asyncio.timeout(20):
        assert await asyncio.gather(*(opens() for _ in range(6))) == [[]] * 6


def process_settings(sandbox: Sandbox, url: str, accounts: list[str], **more: object) -> dict[str, str]:
    settings = {
        "ledger": url,
        "lease": 1.0,
        "concurrency": 4,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "environment": f"http://127.0.0.1:{sandbox.port}/{{service}}",
        "accounts": accounts,
        **more,
    }
    return {**os.environ, "JOB": json.dumps(settings)}


async def job_process(environment: dict[str, str]) -> asyncio.subprocess.Process:
    script = Path(__file__).parents[1] / "support" / "job_process.py"
    return await asyncio.create_subprocess_exec(
        sys.executable, str(script), env=environment, stdout=asyncio.subprocess.PIPE
    )


@pytest.mark.nightly
@pytest.mark.asyncio
async def test_a_job_whose_process_is_killed_is_taken_up_where_it_was(sandbox: Sandbox, url: str) -> None:
    accounts = people(sandbox, 80)
    sandbox.faults.add("accounts.block", Fault.LATENCY, times=None, seconds=0.02)
    process = await job_process(process_settings(sandbox, url, accounts))
    await until(lambda: len(blocks_sent(sandbox)) >= 30, seconds=20)
    process.kill()
    await process.communicate()
    await asyncio.sleep(0.1)
    first = blocks_sent(sandbox)
    async with BlockLedger.open(url, lease=1.0) as ledger:
        kept = await states(ledger)
        assert set(first) <= kept.keys(), "a request without a record"
        confirmed = {account for account, state in kept.items() if state is RecordState.CONFIRMED}
        assert confirmed
        sandbox.requests.clear()
        async with sandbox_client(sandbox, ledger=ledger) as tilia, asyncio.timeout(20):
            report = await tilia.bulk.block(accounts, job_id="wave", concurrency=4)
        assert (report.counts[BulkOutcome.SKIPPED], report.counts[BulkOutcome.DONE]) == (
            len(confirmed),
            80 - len(confirmed),
        )
        assert not confirmed & set(blocks_sent(sandbox))
        assert await states(ledger) == dict.fromkeys(accounts, RecordState.CONFIRMED)
