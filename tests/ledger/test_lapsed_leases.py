"""A process that was stopped for longer than its lease goes on only with what nobody else has taken over meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from support.blocking import url
from support.killed_job import JOB, Order, block, start
from support.scripted import blocks_sent, people, until

from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.sandbox import Fault, Sandbox

__all__ = ["url"]

CONCURRENCY = 8
LEASE = 1.0


@pytest.mark.asyncio
async def test_a_stopped_process_sends_nothing_again_that_another_has_taken_over(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Sandbox(wallet_delay=0) as sandbox:
        sandbox.faults.add("accounts.block", Fault.LATENCY, times=None, seconds=0.02)
        accounts = tuple(people(sandbox, 30 * CONCURRENCY))
        secret = sandbox.client_secret
        lapsed = tmp_path / "lapsed"
        order = Order(
            sandbox.client_id, secret, sandbox.environment.template, url, accounts, CONCURRENCY, LEASE, str(lapsed)
        )
        child = start(order)
        await until(lambda: len(blocks_sent(sandbox)) >= 3 * CONCURRENCY, seconds=20)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGSTOP)
        try:
            await block(order)
        finally:
            os.kill(child.pid, signal.SIGCONT)
        await until(lambda: not child.is_alive(), seconds=20)
        # PostgreSQL ends the transaction of a process that is stopped in one; its job then says how to go on.
        assert child.exitcode == 0 or url.startswith("postgresql")
        async with BlockLedger.open(url) as ledger:
            records = [record async for record in ledger.records(job_id=JOB)]
        sent = Counter(blocks_sent(sandbox))
    assert Counter(record.account_id for record in records) == dict.fromkeys(accounts, 1)
    assert {record.state for record in records} == {RecordState.CONFIRMED}
    told = await asyncio.to_thread(lapsed.read_text)
    assert JOB in told
    # Those that were under way when it was stopped; or when a machine with much else to do stopped either.
    lapses = told.count("\n") + sum(record.module == "ledger_run" for record in caplog.records)
    assert sum(number - 1 for number in sent.values()) <= lapses * CONCURRENCY, lapses
