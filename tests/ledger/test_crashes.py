"""A job that is killed with SIGKILL at random moments, again and again, loses no account.

After each kill the same job is started anew. In the end, at the sandbox and in the ledger: every account is blocked and
has one record, which is confirmed; and no more requests came twice than were in flight at a kill, or when a lease ran out
because the machine had too much else to do.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
from support.counts import count
from support.killed_job import JOB, Order, start
from support.postgres import new_database
from support.scripted import blocks_sent, people, until

from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.sandbox import Fault, Sandbox

CONCURRENCY = 16
LEASE = 60.0
"""Seconds; whoever goes on sees that the process before it is dead, and does not wait for that."""

SHORT, NIGHTLY = 5, 60


@asynccontextmanager
async def ledger_url(kind: str, directory: Path) -> AsyncIterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{directory}/blocks.db"
    else:
        async with new_database() as url:
            yield url


@attrs.define(eq=False)
class Wave:
    """A job, who works at it, and what the sandbox saw of it."""

    sandbox: Sandbox
    order: Order
    draw: random.Random
    kills: int = 0

    @property
    def sent(self) -> int:
        return len(blocks_sent(self.sandbox))

    async def kill_one(self, after: int) -> None:
        """Start a process, and kill it a moment after that many more requests have come."""
        victim, goal = start(self.order), self.sent + after
        await until(lambda: self.sent >= goal or not victim.is_alive(), seconds=20)
        # From the middle of an answer to that of a commit.
        await asyncio.sleep(self.draw.random() * 0.01)
        if victim.is_alive():
            victim.kill()
            self.kills += 1
        await asyncio.to_thread(victim.join)
        assert victim.exitcode in {0, -signal.SIGKILL}

    async def finish(self) -> None:
        """Do the rest."""
        child = start(self.order)
        await asyncio.to_thread(child.join, 30)
        assert child.exitcode == 0


async def confirm_nothing_is_lost(wave: Wave) -> None:
    accounts = wave.order.accounts
    assert [each for each in accounts if not wave.sandbox.accounts[each].is_blocked] == []
    async with BlockLedger.open(wave.order.ledger) as ledger:
        records = [record async for record in ledger.records(job_id=JOB)]
        assert [record async for record in ledger.pending(JOB)] == []
    assert Counter(record.account_id for record in records) == dict.fromkeys(accounts, 1)
    assert {record.state for record in records} == {RecordState.CONFIRMED}
    repeated = sum(number - 1 for number in Counter(blocks_sent(wave.sandbox)).values())
    lapses = (await asyncio.to_thread(Path(wave.order.lapses).read_text)).count("\n")
    assert repeated <= (wave.kills + lapses) * CONCURRENCY, lapses
    count("processes killed in the middle of a bulk job", wave.kills)
    count("accounts of killed bulk jobs, each blocked and on record", len(accounts))


async def run(kind: str, directory: Path, draw: random.Random, *, kills: int) -> None:
    async with Sandbox(wallet_delay=0) as sandbox, ledger_url(kind, directory) as url:
        # So slow that requests are always in flight, and each worker lives to send some.
        sandbox.faults.add("accounts.block", Fault.LATENCY, times=None, seconds=0.005)
        accounts = tuple(people(sandbox, kills * 3 * CONCURRENCY))
        secret = sandbox.client_secret
        lapses = str(directory / "lapses")
        order = Order(
            sandbox.client_id, secret, sandbox.environment.template, url, accounts, CONCURRENCY, LEASE, lapses
        )
        wave = Wave(sandbox, order, draw)
        while wave.kills < kills and wave.sent < len(accounts):
            await wave.kill_one(after=draw.randrange(2 * CONCURRENCY))
        assert wave.kills == kills, "the job was over too soon to be killed"
        await wave.finish()
        await confirm_nothing_is_lost(wave)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(SHORT, id="killed"),
        pytest.param(NIGHTLY, id="killed all night", marks=[pytest.mark.nightly, pytest.mark.timeout(600)]),
    ],
)
async def test_a_job_that_is_killed_at_any_moment_loses_no_account(kind: str, kills: int, tmp_path: Path) -> None:
    # The header of the run shows the seed.
    draw = random.Random(f"{os.environ['TILIA_OUTCOMES_SEED']} {kind}")
    await run(kind, tmp_path, draw, kills=kills)
