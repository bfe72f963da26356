"""A worker may die, stop, or be told to go at any moment: nothing is lost, and little is sent twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

import pytest
from support.fleet_worker import Scene, is_finished
from support.postgres import unreachable
from support.scripted import DONE, Reply, ScriptedTilia, ids, until

from tilia_async import errors
from tilia_async.bulk import BulkOutcome
from tilia_async.fleet.worker import BATCHES_AT_ONCE
from tilia_async.ledger.batches import Settled, Taken, settle, take
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import RecordState

pytestmark = pytest.mark.asyncio

CONCURRENCY = 4


async def slowly(_tilia: ScriptedTilia, _account_id: str) -> Reply:
    await asyncio.sleep(0.03)
    return DONE


async def test_a_killed_workers_batches_are_taken_over_within_its_lease(fleet: Scene) -> None:
    fleet.scripted.answer = slowly
    await fleet.tilia.fleet.submit(ids(120), job_id="wave")
    with fleet.worker(concurrency=CONCURRENCY) as worker:
        await until(lambda: len(fleet.scripted.arrived) > 30, 20)
        worker.kill()
        worker.wait()
    assert not is_finished(await fleet.tilia.fleet.status("wave"))
    # The worker that goes on is there before the lease has ended.
    await asyncio.wait_for(fleet.tilia.fleet.work(concurrency=8, until_idle=True), 20)
    assert await fleet.states() == dict.fromkeys(ids(120), "confirmed")
    status = await fleet.tilia.fleet.status("wave")
    assert (status.counts[BulkOutcome.DONE], status.settled) == (120, 120)
    arrived = Counter(fleet.scripted.arrived)
    assert arrived.keys() == set(ids(120))
    assert max(arrived.values()) <= 2
    assert sum(number - 1 for number in arrived.values()) <= CONCURRENCY


async def test_sigterm_settles_what_is_in_flight_and_gives_back_the_rest(fleet: Scene) -> None:
    gate = asyncio.Event()

    async def answer(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        await gate.wait()
        return DONE

    fleet.scripted.answer = answer
    await fleet.tilia.fleet.submit(ids(60), job_id="wave")
    with fleet.worker(concurrency=CONCURRENCY, level="INFO") as worker:
        assert worker.stdout is not None
        await until(lambda: fleet.scripted.in_flight == CONCURRENCY, 20)
        worker.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            while "leaves" not in await asyncio.to_thread(worker.stdout.readline):
                pass
            gate.set()
            assert await asyncio.to_thread(worker.wait) == 0
        assert worker.stdout.read() == ""
    assert Counter((await fleet.states()).values()) == {"confirmed": CONCURRENCY, "planned": 60 - CONCURRENCY}
    assert await fleet.tilia.fleet.workers() == ()
    await asyncio.wait_for(fleet.tilia.fleet.work(until_idle=True), 20)
    assert Counter(fleet.scripted.arrived) == Counter(ids(60)), "nothing is sent twice"


@pytest.mark.nightly
async def test_sigterm_does_not_wait_for_an_answer_that_does_not_come(
    fleet: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tilia_async.fleet.worker.GRACE_SECONDS", 0.5)
    answered = asyncio.Event()

    async def answer(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        await answered.wait()
        return DONE

    fleet.scripted.answer = answer
    await fleet.tilia.fleet.submit(ids(20), job_id="wave")
    working = asyncio.create_task(fleet.tilia.fleet.work(concurrency=CONCURRENCY))
    await until(lambda: fleet.scripted.in_flight == CONCURRENCY, 20)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(working, 10)
    assert Counter((await fleet.states()).values()) == {"unknown": CONCURRENCY, "planned": 20 - CONCURRENCY}
    assert (await fleet.tilia.fleet.status("wave")).counts[BulkOutcome.UNKNOWN] == CONCURRENCY
    answered.set()
    await asyncio.wait_for(fleet.tilia.fleet.work(until_idle=True), 20)
    assert (await fleet.tilia.fleet.status("wave")).counts[BulkOutcome.DONE] == 20


async def test_a_worker_that_was_thought_dead_changes_nothing(fleet: Scene) -> None:
    """The fence: what it settles late is refused, and its renewal, too."""
    await fleet.tilia.fleet.submit(ids(10), job_id="wave")
    database = (await journal_of(fleet.ledger)).database

    async def taken_by(run_id: str, lease: float) -> Taken:
        found = await database.transact(
            lambda each: take(each, "wave", 0, run_id=run_id, worker=f"host/{run_id}", lease=lease)
        )
        assert isinstance(found, Taken)
        return found

    first = await taken_by("first", 0.0)
    second = await taken_by("second", 30.0)
    assert (len(first.doubtful), len(second.doubtful)) == (0, 10)
    outcome = Settled(first.left["acct_1"], RecordState.NOT_FOUND, "late", was_unknown=False)
    assert not await database.transact(lambda each: settle(each, first, [outcome], 30.0))
    assert (await fleet.states())["acct_1"] == "unknown"
    assert (await fleet.tilia.fleet.status("wave")).counts[BulkOutcome.NOT_FOUND] == 0
    outcome = Settled(second.left["acct_1"], RecordState.CONFIRMED, None, was_unknown=True)
    assert await database.transact(lambda each: settle(each, second, [outcome], 30.0))
    status = await fleet.tilia.fleet.status("wave")
    assert (status.counts[BulkOutcome.DONE], status.counts[BulkOutcome.UNKNOWN]) == (1, 9)


@pytest.mark.nightly  # PostgreSQL waits 15 s for a process that is stopped in a transaction
async def test_a_worker_that_is_stopped_past_its_lease_does_no_harm(fleet: Scene) -> None:
    fleet.scripted.answer = slowly
    await fleet.tilia.fleet.submit(ids(100), job_id="wave")
    with fleet.worker(concurrency=CONCURRENCY) as stopped:
        await until(lambda: len(fleet.scripted.arrived) > 20, 20)
        stopped.send_signal(signal.SIGSTOP)
        await asyncio.wait_for(fleet.tilia.fleet.work(concurrency=8, until_idle=True), 30)
        done = await fleet.tilia.fleet.status("wave")
        sent = len(fleet.scripted.arrived)
        stopped.send_signal(signal.SIGCONT)
        async with asyncio.timeout(20):
            while "taken over" not in await asyncio.to_thread(stopped.stdout.readline):
                pass
        assert stopped.poll() is None
        assert len(fleet.scripted.arrived) == sent, "what it wakes up with is another's"
    after = await fleet.tilia.fleet.status("wave")
    assert (after.counts, after.finished_at) == (done.counts, done.finished_at)
    assert is_finished(done)
    assert await fleet.states() == dict.fromkeys(ids(100), "confirmed")
    assert sum(number - 1 for number in Counter(fleet.scripted.arrived).values()) <= CONCURRENCY


@pytest.mark.nightly
async def test_workers_wait_for_a_database_that_is_away_for_ten_seconds(fleet: Scene) -> None:
    gate = asyncio.Event()

    async def answer(tilia: ScriptedTilia, account_id: str) -> Reply:
        await gate.wait()
        return await slowly(tilia, account_id)

    fleet.scripted.answer = answer
    await fleet.tilia.fleet.submit(ids(200), job_id="wave")
    with fleet.worker(concurrency=CONCURRENCY) as one, fleet.worker(concurrency=CONCURRENCY) as other:
        await fleet.until(lambda status: status.workers == 2, seconds=60)
        ended = [asyncio.create_task(asyncio.to_thread(each.wait)) for each in (one, other)]
        async with unreachable(fleet.url):
            gate.set()
            done, _ = await asyncio.wait(ended, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert not done, "a worker left"
        await fleet.until(is_finished)
    await asyncio.wait(ended)
    assert await fleet.states() == dict.fromkeys(ids(200), "confirmed")
    arrived = Counter(fleet.scripted.arrived)
    assert sum(number - 1 for number in arrived.values()) <= 2 * BATCHES_AT_ONCE * CONCURRENCY


async def test_a_worker_does_not_begin_without_its_database(fleet: Scene) -> None:
    await fleet.tilia.fleet.submit(ids(10), job_id="wave")
    async with unreachable(fleet.url):
        with pytest.raises(errors.LedgerError):
            await fleet.tilia.fleet.work(until_idle=True)
