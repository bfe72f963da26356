"""A job is one process's: a second is refused, a dead one is replaced, and one that wakes up late does nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import pytest_asyncio
from sqlalchemy import update
from support.blocking import url
from support.killed_job import JOB, Order, block, start
from support.scripted import blocks_sent, people, until

from tilia_async import errors
from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.job_run import JobRun, this_process
from tilia_async.ledger.jobs import JobDefinition
from tilia_async.ledger.journal import Journal
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction
from tilia_async.ledger.schema import RUNS
from tilia_async.sandbox import Fault, Sandbox

__all__ = ["url"]

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="elsewhere a dead process is not seen"),
]

CONCURRENCY = 8
INTENT = Intent(BlockAction.BLOCK, "chargebacks", job_id=JOB)


@attrs.frozen
class Scene:
    """A slow sandbox, and an order for a job there."""

    sandbox: Sandbox
    order: Order

    @property
    def job(self) -> JobDefinition:
        origin = self.order.environment.format(service="accounts")
        return JobDefinition(job_id=JOB, origin=origin, action="block", reason="chargebacks")

    async def states(self) -> Counter[RecordState]:
        async with BlockLedger.open(self.order.ledger) as ledger:
            records = [record async for record in ledger.records(job_id=JOB)]
        assert Counter(record.account_id for record in records) == dict.fromkeys(self.order.accounts, 1)
        return Counter(record.state for record in records)


@pytest_asyncio.fixture
async def scene(url: str) -> AsyncIterator[Scene]:
    async with Sandbox(wallet_delay=0) as sandbox:
        sandbox.faults.add("accounts.block", Fault.LATENCY, times=None, seconds=0.02)
        accounts = tuple(people(sandbox, 10 * CONCURRENCY))
        template, lease = sandbox.environment.template, 30.0
        yield Scene(
            sandbox, Order(sandbox.client_id, sandbox.client_secret, template, url, accounts, CONCURRENCY, lease)
        )


async def test_a_second_process_is_told_where_the_job_runs_and_a_dead_ones_job_is_taken_over_at_once(
    scene: Scene,
) -> None:
    child = start(scene.order)
    await until(lambda: len(blocks_sent(scene.sandbox)) >= 2 * CONCURRENCY, seconds=20)
    with pytest.raises(errors.ConfigurationError, match=rf"runs at .*, process {child.pid}, since 20.*fleet"):
        await block(scene.order)
    child.kill()
    # It takes a busy machine a moment to end a process.
    await asyncio.to_thread(child.join)
    async with asyncio.timeout(20):
        await block(scene.order)
    assert await scene.states() == {RecordState.CONFIRMED: len(scene.order.accounts)}
    repeated = sum(number - 1 for number in Counter(blocks_sent(scene.sandbox)).values())
    assert repeated <= CONCURRENCY


async def test_a_process_that_is_stopped_past_its_lease_sends_nothing_more(scene: Scene) -> None:
    order = attrs.evolve(scene.order, lease=1.0)
    child = start(order)
    await until(lambda: len(blocks_sent(scene.sandbox)) >= 2 * CONCURRENCY, seconds=20)
    assert child.pid is not None
    await stop_between_writes(child.pid, order.ledger)
    try:
        await asyncio.sleep(1.1)
        await block(order)
        sent = Counter(blocks_sent(scene.sandbox))
    finally:
        os.kill(child.pid, signal.SIGCONT)
    await until(lambda: not child.is_alive(), seconds=20)
    assert child.exitcode != 0
    assert Counter(blocks_sent(scene.sandbox)) == sent, "it woke up, and sent what is another's"
    assert await scene.states() == {RecordState.CONFIRMED: len(order.accounts)}
    assert sum(number - 1 for number in sent.values()) <= CONCURRENCY


async def stop_between_writes(process: int, ledger: str) -> None:
    """Stop a process while it has no lock on the ledger.

    A SQLite file is locked for as long as a process that is stopped in a transaction stands still.
    """
    while True:
        os.kill(process, signal.SIGSTOP)
        await until(lambda: Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T", seconds=20)
        if not is_locked(ledger):
            return
        os.kill(process, signal.SIGCONT)
        await asyncio.sleep(0.005)


def is_locked(ledger: str) -> bool:
    """Return True for a SQLite file that nobody else can write."""
    scheme, _, file = ledger.partition(":///")
    if scheme != "sqlite":
        return False
    with contextlib.closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        database.execute("ROLLBACK")
        return False


async def begun(ledger: BlockLedger, scene: Scene, lease: float, process: str | None) -> Journal:
    """Begin a run as a process elsewhere does, or as one of an older version."""
    journal = await journal_of(ledger)
    await journal.begin_run("elsewhere", scene.job, lease)
    row = {"process": process} if process else {"process": None, "host": None, "pid": None, "started_at": None}
    async with journal.database._engine.begin() as connection:
        await connection.execute(update(RUNS).values(row))
    return journal


@pytest.mark.parametrize("process", ["another-boot/4026531836/7-1234", None], ids=["elsewhere", "an older version's"])
async def test_a_run_that_cannot_be_seen_is_waited_for_until_its_lease_is_over(
    scene: Scene, process: str | None
) -> None:
    async with BlockLedger.open(scene.order.ledger) as ledger:
        journal = await begun(ledger, scene, 1.5, process)
        claims = await journal.claim("elsewhere", INTENT, scene.order.accounts[:3], 1.5)
        assert len(claims.mine) == 3
        beginning = asyncio.create_task(block(scene.order))
        await asyncio.sleep(0.5)
        assert (blocks_sent(scene.sandbox), beginning.done()) == ([], False)
        await beginning
        with pytest.raises(errors.LedgerError, match="another run has the job"):
            await journal.claim("elsewhere", INTENT, scene.order.accounts[:3], 1.5)
        with pytest.raises(errors.LedgerError, match="another run has the job"):
            await journal.renew_run("elsewhere", 1.5)
    assert await scene.states() == {RecordState.CONFIRMED: len(scene.order.accounts)}


async def test_a_run_that_cannot_be_seen_and_renews_its_lease_has_the_job(scene: Scene) -> None:
    async with BlockLedger.open(scene.order.ledger) as ledger:
        journal = await begun(ledger, scene, 20.0, "another-boot/4026531836/7-1234")
        beginning = asyncio.create_task(block(scene.order))
        while not beginning.done():
            # The first may come before it has looked.
            await journal.renew_run("elsewhere", 20.0)
            await asyncio.wait([beginning], timeout=0.1)
        with pytest.raises(errors.ConfigurationError, match=r"runs at .*, since"):
            await beginning
    assert blocks_sent(scene.sandbox) == []


def run_of(process: str | None) -> JobRun:
    return JobRun("run", "wave", 0.0, "host", os.getpid(), process, 0.0)


async def test_only_what_is_seen_is_called_dead_or_alive() -> None:
    mine = this_process()
    assert mine is not None
    namespace, _, one = mine.rpartition("/")
    # A run of this process that is not among its runs has ended.
    assert (run_of(mine).is_dead, run_of(mine).is_seen) == (True, False)
    # A process that was started later has the number now.
    assert run_of(f"{namespace}/{os.getpid()}-1").is_dead
    # There is none of this number.
    assert run_of(f"{namespace}/{2**22 + 1}-1").is_dead
    parent = os.getppid()
    stat = await asyncio.to_thread(Path(f"/proc/{parent}/stat").read_text)
    started_at = stat.rpartition(")")[2].split()[19]
    alive = run_of(f"{namespace}/{parent}-{started_at}")
    assert (alive.is_dead, alive.is_seen) == (False, True)
    for unseen in (None, f"another-boot/1/{one}"):
        assert (run_of(unseen).is_dead, run_of(unseen).is_seen) == (False, False)
