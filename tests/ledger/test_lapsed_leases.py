"""A process that was stopped for longer than its lease goes on only with what nobody else has taken over meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import text
from support.blocking import url
from support.killed_job import JOB, Order, block, start
from support.postgres import SERVER, postgres_database
from support.scripted import blocks_sent, people, until

from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.prepared import Transaction, prepare
from tilia_async.ledger.statements import statements
from tilia_async.sandbox import Fault, Sandbox

__all__ = ["postgres_database", "url"]

CONCURRENCY = 8
LEASE = 3.0


async def stop(process: int, url: str) -> None:
    """Stop a process outside of any transaction of its ledger, which would hold others up."""
    async with asyncio.timeout(40):
        while True:
            os.kill(process, signal.SIGSTOP)
            await until(lambda: _state(process) == "T")
            if not await is_in_transaction(url):
                return
            os.kill(process, signal.SIGCONT)
            await asyncio.sleep(0.003)


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


async def is_in_transaction(url: str) -> bool:
    """Return True if anybody is in a transaction of this ledger, which waits for nobody in the server."""
    if not url.startswith("postgresql"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)) as file:
            try:
                file.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            file.execute("ROLLBACK")
            return False
    server = await asyncpg.connect(SERVER)
    try:
        while True:
            states = await server.fetch(
                "SELECT state FROM pg_stat_activity WHERE datname = $1 AND state <> 'idle'", urlsplit(url).path[1:]
            )
            if not any(state == "active" for (state,) in states):
                return bool(states)
    finally:
        await server.close()


@pytest.mark.asyncio
async def test_a_transaction_of_a_ledger_may_not_stand_idle_for_long(postgres_database: str) -> None:
    async with BlockLedger.open(postgres_database) as ledger:
        database = (await journal_of(ledger)).database

        def limit(transaction: Transaction) -> object:
            known = statements(transaction.dialect)
            assert known.clock is not None
            transaction.run(known.clock, {})
            shown = prepare(text("SELECT current_setting('idle_in_transaction_session_timeout')"), transaction.dialect)
            return transaction.run(shown, {})[0][0]

        assert await database.transact(limit) == "15s"


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
        await until(lambda: len(blocks_sent(sandbox)) >= 3 * CONCURRENCY, seconds=40)
        assert child.pid is not None
        await stop(child.pid, url)
        try:
            await block(order)
        finally:
            os.kill(child.pid, signal.SIGCONT)
        await until(lambda: not child.is_alive(), seconds=40)
        assert child.exitcode == 0
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
