"""Workers do what is submitted, each account once, and do as they are told."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

import pytest
from support.blocking import notification
from support.fleet_worker import LEASE, Scene, is_finished, scene
from support.postgres import new_database, terminate_connections
from support.relay import relayed
from support.scripted import DONE, DROPPED, Reply, ScriptedTilia, client_of, failing, ids, until

from tilia_async import errors
from tilia_async.bulk import BulkOutcome
from tilia_async.bulk.run import Run
from tilia_async.fleet import JobState

pytestmark = pytest.mark.asyncio


async def test_workers_share_a_job(fleet: Scene) -> None:
    await fleet.tilia.fleet.submit(ids(95), reason="fraud", actor="ann", job_id="wave")
    await asyncio.gather(*(fleet.tilia.fleet.work(concurrency=8, until_idle=True) for _ in range(2)))
    status = await fleet.tilia.fleet.status("wave")
    assert (status.state, status.counts[BulkOutcome.DONE], status.settled) == (JobState.FINISHED, 95, 95)
    assert status.finished_at is not None
    assert status.started_at is not None
    assert status.finished_at >= status.started_at
    assert status.rate > 0
    assert Counter(fleet.scripted.arrived) == Counter(ids(95))
    assert await fleet.states() == dict.fromkeys(ids(95), "confirmed")
    assert [each async for each in fleet.tilia.fleet.failures("wave")] == []
    assert fleet.scripted.tokens == 1
    assert await fleet.tilia.fleet.workers() == ()


async def test_no_more_is_in_flight_than_a_worker_may(fleet: Scene) -> None:
    await fleet.tilia.fleet.submit(ids(60), job_id="wave")
    await fleet.tilia.fleet.work(concurrency=3, until_idle=True)
    assert is_finished(await fleet.tilia.fleet.status("wave"))
    assert fleet.scripted.peak <= 3


async def test_jobs_of_both_kinds_are_done_by_one_worker(fleet: Scene) -> None:
    await fleet.tilia.fleet.submit(ids(12), "block", job_id="wave")
    await fleet.tilia.fleet.work(until_idle=True)
    fleet.scripted.answer = unblocked
    await fleet.tilia.fleet.submit(ids(12), "unblock", job_id="back")
    await fleet.tilia.fleet.work(until_idle=True)
    assert is_finished(await fleet.tilia.fleet.status("back"))
    assert [record async for record in fleet.ledger.blocked()] == []


async def unblocked(_tilia: ScriptedTilia, _account_id: str) -> Reply:
    return Reply(body=DONE.body.replace(b"true", b"false"))


async def test_each_outcome_is_counted_and_reported(fleet: Scene) -> None:
    answers = {"acct_1": failing(404), "acct_2": failing(403), "acct_3": failing(400), "acct_4": DROPPED}

    async def answer(_tilia: ScriptedTilia, account_id: str) -> Reply:
        return answers.get(account_id, DONE)

    fleet.scripted.answer = answer
    await fleet.tilia.fleet.submit(ids(25), job_id="wave")
    await fleet.tilia.fleet.work(until_idle=True)
    status = await fleet.tilia.fleet.status("wave")
    told = {outcome.name: number for outcome, number in status.counts.items() if number}
    assert told == {"DONE": 21, "NOT_FOUND": 1, "REFUSED": 1, "FAILED": 1, "UNKNOWN": 1}
    found = {item.account_id: item async for item in fleet.tilia.fleet.failures("wave")}
    assert {name: item.outcome.name for name, item in found.items()} == {
        "acct_1": "NOT_FOUND",
        "acct_2": "REFUSED",
        "acct_3": "FAILED",
        "acct_4": "UNKNOWN",
    }
    assert [found[name].error.took_effect for name in ("acct_3", "acct_4")] == [False, None]


async def test_a_retry_counts_what_changed_and_not_what_was_tried(fleet: Scene) -> None:
    broken = {"acct_3", "acct_17"}

    async def answer(_tilia: ScriptedTilia, account_id: str) -> Reply:
        return failing(400) if account_id in broken else DONE

    fleet.scripted.answer = answer
    await fleet.tilia.fleet.submit(ids(30), job_id="wave")
    await fleet.tilia.fleet.work(until_idle=True)
    broken.discard("acct_17")
    for _ in range(2):
        assert (await fleet.tilia.fleet.retry("wave")).state is JobState.RUNNING
        await fleet.tilia.fleet.work(until_idle=True)
    status = await fleet.tilia.fleet.status("wave")
    assert (status.counts[BulkOutcome.DONE], status.counts[BulkOutcome.FAILED], status.settled) == (29, 1, 30)
    assert Counter(fleet.scripted.arrived) == Counter([*ids(30), "acct_17", "acct_3", "acct_3"])
    broken.clear()
    await fleet.tilia.fleet.retry("wave")
    await fleet.tilia.fleet.work(until_idle=True)
    assert (await fleet.tilia.fleet.retry("wave")).state is JobState.FINISHED, "nothing is left to retry"


class Gate:
    """Answers that wait until they are let go on."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def __call__(self, _tilia: ScriptedTilia, _account_id: str) -> Reply:
        await self.opened.wait()
        return DONE


@pytest.mark.parametrize("steer", ["pause", "cancel"])
async def test_a_job_that_is_stopped_sends_nothing_more_until_it_is_resumed(
    fleet: Scene, steer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.scripted.answer = gate = Gate()
    stopped: set[Run] = set()
    stop = Run.stop

    def told(run: Run, cause: Exception) -> None:
        stop(run, cause)
        stopped.add(run)

    monkeypatch.setattr(Run, "stop", told)
    await fleet.tilia.fleet.submit(ids(60), job_id="wave")
    working = asyncio.create_task(fleet.tilia.fleet.work(concurrency=4))
    await until(lambda: fleet.scripted.in_flight == 4)
    (worker,) = await fleet.tilia.fleet.workers()
    assert (worker.concurrency, {each.job_id for each in worker.batches}) == (4, {"wave"})
    assert (await fleet.tilia.fleet.status("wave")).workers == 1
    status = await getattr(fleet.tilia.fleet, steer)("wave")
    assert status.state.value == ("paused" if steer == "pause" else "cancelled")
    assert (await getattr(fleet.tilia.fleet, steer)("wave")).state is status.state, "a second time is no error"
    assert await fleet.rows("SELECT 1 FROM procrastinate_jobs WHERE status = 'todo'") == []
    # Some of what waits for its answer is sent already.
    await until(lambda: len(stopped) >= len(worker.batches))
    sent = len(fleet.scripted.arrived)
    gate.opened.set()
    await fleet.until(lambda status: status.workers == 0)
    assert len(fleet.scripted.arrived) == sent
    states = Counter((await fleet.states()).values())
    assert states == {"confirmed": sent, "planned": 60 - sent}
    assert (await fleet.tilia.fleet.status("wave")).settled == sent
    assert (await fleet.tilia.fleet.resume("wave")).state is JobState.RUNNING
    await fleet.until(is_finished)
    assert Counter(fleet.scripted.arrived) == Counter(ids(60))
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    with pytest.raises(errors.ConfigurationError, match="is finished"):
        await getattr(fleet.tilia.fleet, steer)("wave")
    with pytest.raises(errors.ConfigurationError, match="is finished"):
        await fleet.tilia.fleet.resume("wave")


async def test_a_worker_that_joins_late_has_its_part_at_once(fleet: Scene) -> None:
    fleet.scripted.answer = gate = Gate()
    await fleet.tilia.fleet.submit(ids(60), job_id="wave")
    first = asyncio.create_task(fleet.tilia.fleet.work(concurrency=4, until_idle=True))
    await until(lambda: fleet.scripted.in_flight == 4)
    late = asyncio.create_task(fleet.tilia.fleet.work(concurrency=3, until_idle=True))
    await until(lambda: fleet.scripted.in_flight == 7)
    assert (await fleet.tilia.fleet.status("wave")).workers == 2
    gate.opened.set()
    await asyncio.gather(first, late)
    assert Counter(fleet.scripted.arrived) == Counter(ids(60))


async def test_a_worker_that_leaves_settles_what_is_in_flight_and_gives_back_the_rest(
    fleet: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tilia_async.fleet")
    fleet.scripted.answer = gate = Gate()
    await fleet.tilia.fleet.submit(ids(40), job_id="wave")
    working = asyncio.create_task(fleet.tilia.fleet.work(concurrency=4))
    await until(lambda: fleet.scripted.in_flight == 4)
    working.cancel()
    await until(lambda: "this worker leaves" in caplog.text)
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert Counter((await fleet.states()).values()) == {"confirmed": 4, "planned": 36}
    await fleet.tilia.fleet.work(until_idle=True)
    assert Counter(fleet.scripted.arrived) == Counter(ids(40)), "nothing is sent twice"


async def test_a_worker_with_wrong_credentials_leaves_and_harms_nobody(fleet: Scene) -> None:
    async def answer(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401)

    async with new_database() as _, scene(fleet.url, answer) as bad:
        await fleet.tilia.fleet.submit(ids(40), job_id="wave")
        async with client_of(bad.template, ledger=bad.ledger) as wrong:
            # The same environment by name, for a worker of the same fleet.
            object.__setattr__(wrong.fleet, "_requestor", fleet.tilia._requestor)
            with pytest.raises(errors.BulkStoppedError) as stopped:
                await wrong.fleet.work(concurrency=4)
            assert isinstance(stopped.value.cause, errors.UnauthorizedError)
        assert not is_finished(await fleet.tilia.fleet.status("wave"))
        await fleet.tilia.fleet.work(until_idle=True)
    assert await fleet.states() == dict.fromkeys(ids(40), "confirmed")
    assert (await fleet.tilia.fleet.status("wave")).counts[BulkOutcome.DONE] == 40


async def test_workers_of_another_environment_do_not_see_a_job(fleet: Scene) -> None:
    await fleet.tilia.fleet.submit(ids(12), job_id="wave")
    async with client_of("http://127.0.0.1:1/{service}", ledger=fleet.ledger) as elsewhere:
        await elsewhere.fleet.work(until_idle=True)
    assert (await fleet.tilia.fleet.status("wave")).settled == 0
    await fleet.tilia.fleet.work(until_idle=True)
    assert is_finished(await fleet.tilia.fleet.status("wave"))


async def test_what_was_changed_back_since_is_left_alone(fleet: Scene) -> None:
    await fleet.tilia.fleet.submit(ids(12), job_id="wave")
    fleet.scripted.answer = unblocked
    await fleet.tilia.accounts.unblock("acct_3", reason="appeal")
    await fleet.ledger.apply(notification("acct_4", blocked=False))
    fleet.scripted.answer = at_last
    fleet.scripted.arrived.clear()
    await fleet.tilia.fleet.work(until_idle=True)
    assert set(fleet.scripted.arrived) == set(ids(12)) - {"acct_3", "acct_4"}
    status = await fleet.tilia.fleet.status("wave")
    assert (status.counts[BulkOutcome.OVERTAKEN], status.counts[BulkOutcome.FAILED], status.settled) == (2, 0, 12)
    found = [item async for item in fleet.tilia.fleet.failures("wave")]
    assert [item.account_id for item in found] == ["acct_3", "acct_4"]
    assert all("left alone" in str(item.error) for item in found)


async def at_last(_tilia: ScriptedTilia, _account_id: str) -> Reply:
    return DONE


async def test_a_job_of_a_fleet_is_undone_once_nobody_works_on_it(fleet: Scene) -> None:
    await fleet.tilia.fleet.submit(ids(30), job_id="wave")
    with pytest.raises(errors.ConfigurationError, match="running in a fleet"):
        await fleet.tilia.bulk.undo("wave")
    await fleet.tilia.fleet.work(until_idle=True)
    fleet.scripted.answer = unblocked
    report = await fleet.tilia.bulk.undo("wave", "wrong list")
    assert report.counts[BulkOutcome.DONE] == 30
    assert [record async for record in fleet.ledger.blocked()] == []


@pytest.mark.timeout(300)
async def test_a_database_far_away_makes_a_worker_slow_and_does_not_stop_it(fleet: Scene) -> None:
    with relayed(fleet.url) as relay:
        await fleet.tilia.fleet.submit(ids(100), job_id="wave")
        with fleet.worker(ledger=relay.url):
            await until(lambda: fleet.scripted.arrived, 60)
            # A renewal that waits behind other transactions of the worker takes longer than the lease.
            relay.delay = LEASE / 13
            for _ in range(3):
                goal = len(fleet.scripted.arrived) + 1
                await until(lambda goal=goal: len(fleet.scripted.arrived) > goal, 60)
            relay.delay = 0.0
            await fleet.until(is_finished)
    assert await fleet.states() == dict.fromkeys(ids(100), "confirmed")


@pytest.mark.nightly
async def test_a_worker_outlives_the_end_of_all_its_connections(fleet: Scene) -> None:
    async def slow(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        await asyncio.sleep(0.02)
        return DONE

    fleet.scripted.answer = slow
    await fleet.tilia.fleet.submit(ids(100), job_id="wave")
    working = asyncio.create_task(fleet.tilia.fleet.work(concurrency=4))
    await until(lambda: len(fleet.scripted.arrived) > 20)
    await terminate_connections(fleet.url)

    async def finished() -> bool:
        try:
            return is_finished(await fleet.tilia.fleet.status("wave"))
        except errors.LedgerError:
            return False

    async with asyncio.timeout(40):
        while not await finished():  # noqa: ASYNC110 - the database says it
            await asyncio.sleep(0.1)
    working.cancel()
    await asyncio.wait([working])
    assert await fleet.states() == dict.fromkeys(ids(100), "confirmed")
    assert (await fleet.tilia.fleet.status("wave")).counts[BulkOutcome.DONE] == 100
    assert max(Counter(fleet.scripted.arrived).values()) <= 2
