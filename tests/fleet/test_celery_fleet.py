"""Celery delivers the same batches, and whatever it loses is found in the ledger."""

from __future__ import annotations

import asyncio
import logging
import types
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import pytest
from celery.exceptions import Reject
from support.celery_fleet import BROKER, Broker, broker_for, kill, new_app
from support.fleet_worker import Scene, is_finished
from support.postgres import connected, rows
from support.relay import relayed
from support.scripted import DONE, Reply, ScriptedTilia, ids, until

from tilia_async import errors
from tilia_async.fleet import JobState
from tilia_async.fleet.celery import SEND_TASK, TASK, _request_poll, add_tasks
from tilia_async.fleet.engine import LaterError
from tilia_async.fleet.outbox import _LOCK

pytestmark = pytest.mark.asyncio


@pytest.fixture
def broker(fleet: Scene) -> Iterator[Broker]:
    with broker_for(fleet) as opened:
        yield opened


async def slowly(_tilia: ScriptedTilia, _account_id: str) -> Reply:
    await asyncio.sleep(0.05)
    return DONE


@pytest.mark.timeout(120)
@pytest.mark.parametrize("pool", ["prefork", "threads"])
async def test_workers_do_what_is_submitted(fleet: Scene, broker: Broker, pool: str) -> None:
    status = await broker.fleet.submit(ids(45), reason="fraud", job_id="wave")
    assert status.state is JobState.RUNNING
    assert await asyncio.to_thread(broker.waiting) == 5
    assert await fleet.rows("SELECT to_regclass('procrastinate_jobs')") == [(None,)]
    # Of a lost message nobody hears; of one that is not there yet, a worker finds it as it starts.
    assert await asyncio.to_thread(broker.lose) == 5
    await fleet.tilia.fleet.pause("wave")
    await fleet.tilia.fleet.resume("wave")
    assert await asyncio.to_thread(broker.waiting) == 0, "whoever steers it may not know the broker"
    with broker.worker(pool) as (process, log):
        await fleet.until(lambda status: is_finished(status) or process.poll() is not None, seconds=60)
        # Whoever did the last batch leaves a moment later.
        async with asyncio.timeout(20):
            while await fleet.tilia.fleet.workers():  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.02)
        assert process.poll() is None
        log.seek(0)
        written = log.read()
        assert b"Traceback" not in written
        assert b"tried again" not in written
        assert b"to be sent" not in written
    assert await fleet.states() == dict.fromkeys(ids(45), "confirmed")
    assert Counter(fleet.scripted.arrived) == Counter(ids(45))


async def test_without_a_broker_a_job_is_submitted_and_sent_later(
    fleet: Scene, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    away = fleet.tilia.fleet.with_celery(new_app("nowhere", "amqp://guest:guest@127.0.0.1:1//"))
    with caplog.at_level(logging.WARNING, "tilia_async.fleet"):
        assert (await away.submit(ids(20), job_id="wave")).state is JobState.RUNNING
    assert "cannot send to its broker (OperationalError)" in caplog.text
    assert await fleet.rows("SELECT count(*) FROM tilia_fleet_messages WHERE sent_at IS NULL") == [(2,)]
    await broker.fleet._send()
    assert await asyncio.to_thread(broker.waiting) == 2
    await broker.fleet._send()
    assert await asyncio.to_thread(broker.waiting) == 2, "what is on its way is not sent again"


LATER = "UPDATE tilia_fleet_messages SET sent_at = sent_at - {}; "
TAKEN = (
    "UPDATE tilia_bulk_batches SET run_id = 'run', taken_at = 0, expires_at = extract(epoch from now()) + {} "
    "WHERE number = 0; "
)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        pytest.param(LATER.format(700), 2, id="nobody took them"),
        pytest.param(LATER.format(500), 0, id="they may be on their way"),
        pytest.param(LATER.format(700) + TAKEN.format(20), 0, id="they may wait behind others"),
        pytest.param(LATER.format(10) + TAKEN.format(-1), 1, id="who had it died"),
        pytest.param(
            "UPDATE tilia_bulk_jobs SET state = 'paused'; UPDATE tilia_fleet_messages SET sent_at = NULL",
            0,
            id="the job is paused",
        ),
    ],
)
async def test_lost_messages_are_found(fleet: Scene, broker: Broker, change: str, again: int) -> None:
    await broker.fleet.submit(ids(20), job_id="wave")
    assert await asyncio.to_thread(broker.lose) == 2
    await fleet.execute(change)
    await broker.fleet._send()
    assert await asyncio.to_thread(broker.waiting) == again


async def test_each_engine_delivers_its_own_jobs(fleet: Scene, broker: Broker) -> None:
    await fleet.tilia.fleet.submit(ids(10), job_id="wave")
    with pytest.raises(errors.ConfigurationError, match="not submitted through Celery"):
        await broker.fleet.resume("wave")
    with pytest.raises(errors.ConfigurationError, match="workers of this fleet are Celery's"):
        await broker.fleet.work()
    assert (await fleet.tilia.fleet.cancel("wave")).state is JobState.CANCELLED


async def test_what_cannot_be_sent_again_goes_back(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def do(_job_id: str, number: int) -> None:
        raise (ValueError("surprise"), LaterError(3.0))[number]

    async def send() -> None:
        pass

    monkeypatch.setattr("tilia_async.fleet.celery.ERROR_SECONDS", 0.0)
    app = new_app("nowhere", "amqp://guest:guest@127.0.0.1:1//")
    add_tasks(app, "here", do, send)

    def deliver(number: int, origin: str) -> None:
        task = app.tasks[TASK]
        arguments = ("wave", number, origin)
        route = {"routing_key": "nowhere"}
        task.push_request(id="1", called_directly=False, args=arguments, kwargs={}, delivery_info=route, retries=0)
        try:
            task.run(*arguments)
        finally:
            task.pop_request()

    for number, origin in [(0, "here"), (1, "here"), (0, "elsewhere")]:
        with pytest.raises(Reject) as caught:
            await asyncio.to_thread(deliver, number, origin)
        assert caught.value.requeue
    told = [each for each in caplog.records if each.name == "tilia_async.fleet"]
    assert [each.levelname for each in told] == ["ERROR", "WARNING", "WARNING", "ERROR", "WARNING"]
    assert [each.exc_info is not None for each in told] == [True, False, False, False, False]
    assert caplog.text.count("it cannot be sent to it again: OperationalError") == 3


async def test_an_app_works_in_several_environments(caplog: pytest.LogCaptureFixture) -> None:
    done: list[object] = []

    def fleet(name: str) -> tuple[Callable[[str, int], Awaitable[None]], Callable[[], Awaitable[None]]]:
        async def do(job_id: str, number: int) -> None:
            done.append((name, job_id, number))

        async def send() -> None:
            done.append(name)
            if name != "c":
                raise errors.LedgerError("away") if name == "a" else ValueError("surprise")

        return do, send

    one, other = new_app("one"), new_app("other")
    add_tasks(one, "a", *fleet("lost"))
    for app, origin in [(one, "a"), (one, "b"), (other, "c")]:
        add_tasks(app, origin, *fleet(origin))
    for app, origin in [(one, "a"), (one, "b"), (other, "c")]:
        await asyncio.to_thread(app.tasks[SEND_TASK].run)
        # Not again so soon.
        await asyncio.to_thread(app.tasks[TASK].run, "wave", 1, origin)
    assert done == ["a", "b", ("a", "wave", 1), "a", "b", ("b", "wave", 1), "c", ("c", "wave", 1)]
    assert caplog.text.count("batches for a are to be sent: away") == 2
    assert caplog.text.count("ValueError: surprise") == 2


async def test_polling_survives_a_broken_connection(fleet: Scene) -> None:
    with relayed(BROKER, 5672) as relay, broker_for(fleet) as broker:
        app = new_app(broker.app.conf.task_default_queue, relay.url)
        await asyncio.to_thread(_request_poll, app)
        await until(lambda: broker.waiting() == 1)
        relay.cut()
        for _ in range(3):
            await asyncio.to_thread(_request_poll, app)
        assert await asyncio.to_thread(broker.waiting) >= 2
        app.close()


async def test_a_broker_that_answers_no_more_holds_nobody_up(fleet: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilia_async.fleet.celery._ANSWER_SECONDS", 0.3)
    with relayed(BROKER, 5672) as relay, broker_for(fleet) as broker:
        app = new_app(broker.app.conf.task_default_queue, relay.url)
        send_task = app.send_task

        def sent(*arguments: object, **options: object) -> None:
            send_task(*arguments, **options)
            # As RabbitMQ does while it lacks memory or disk, from a connection's first message on.
            relay.is_mute = True

        monkeypatch.setattr(app, "send_task", sent)
        async with asyncio.timeout(10):
            status = await fleet.tilia.fleet.with_celery(app).submit(ids(10), job_id="wave")
        assert status.state is JobState.RUNNING
        relay.is_mute = False
        await asyncio.to_thread(_request_poll, app)
        async with asyncio.timeout(5):
            await asyncio.to_thread(_request_poll, app)
        relay.cut()


async def test_who_finds_another_sending_leaves_it_to_that_one(
    fleet: Scene, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.fleet.submit(ids(10), job_id="wave")
    await fleet.execute("UPDATE tilia_fleet_messages SET sent_at = NULL")
    async with connected(fleet.url) as other:
        await rows(other, "SELECT pg_advisory_lock(%s)", _LOCK)
        async with asyncio.timeout(10):
            await broker.fleet._send()
        assert await asyncio.to_thread(broker.waiting) == 1

        async def leave(_seconds: float) -> None:
            await rows(other, "SELECT pg_advisory_unlock(%s)", _LOCK)

        # It may have looked before something was entered: so whoever comes then tries again.
        monkeypatch.setattr("tilia_async.fleet.outbox.asyncio", types.SimpleNamespace(sleep=leave))
        await broker.fleet._send()
    assert await asyncio.to_thread(broker.waiting) == 2


@pytest.mark.timeout(120)
async def test_lost_batches_are_found_behind_a_long_queue(fleet: Scene) -> None:
    fleet.scripted.answer = slowly
    with broker_for(fleet, poll=0.5) as broker:
        await broker.fleet.submit(ids(400), job_id="long")
        away = fleet.tilia.fleet.with_celery(new_app("nowhere", "amqp://guest:guest@127.0.0.1:1//"))
        await away.submit(ids(410)[400:], job_id="wave")
        unsent = "SELECT count(*) FROM tilia_fleet_messages WHERE sent_at IS NULL"
        assert await fleet.rows(unsent) == [(1,)]
        with broker.worker():
            async with asyncio.timeout(60):
                while await fleet.rows(unsent) != [(0,)]:  # noqa: ASYNC110 - another process does it
                    await asyncio.sleep(0.02)
        assert (await fleet.tilia.fleet.status("long")).state is JobState.RUNNING


@pytest.mark.timeout(120)
async def test_a_worker_that_lost_its_broker_polls_again(fleet: Scene) -> None:
    with relayed(BROKER, 5672) as relay, broker_for(fleet, way=relay.url, poll=0.5) as broker:
        accounts = ids(30)
        for number, job_id in enumerate(("first", "wave", "last")):
            await broker.fleet.submit(accounts[number * 10 : number * 10 + 10], job_id=job_id)
            await broker.fleet.pause(job_id)
        assert await asyncio.to_thread(broker.lose) == 3
        await fleet.tilia.fleet.resume("first")
        with broker.worker() as (process, _log):
            await fleet.until(is_finished, "first", seconds=60)
            before = relay.connections
            relay.cut()
            await until(lambda: relay.connections > before, 60)
            await until(lambda: broker.consumers() == 1, 60)
            for job_id in ("wave", "last"):
                await fleet.tilia.fleet.resume(job_id)
                await fleet.until(is_finished, job_id, seconds=30)
            assert process.poll() is None
    assert Counter(fleet.scripted.arrived) == Counter(ids(30))


@pytest.mark.nightly
@pytest.mark.timeout(180)
async def test_a_worker_waits_for_a_broker_that_is_silent_at_its_start(fleet: Scene) -> None:
    with relayed(BROKER, 5672) as relay, broker_for(fleet, way=relay.url) as broker:
        await broker.fleet.submit(ids(20), job_id="wave")
        relay.is_silent = True
        with broker.worker() as (process, log):
            await until(lambda: log.seek(0) == 0 and b"Trying again" in log.read(), 60)
            relay.is_silent = False
            await fleet.until(is_finished, seconds=60)
            assert process.poll() is None
    assert Counter(fleet.scripted.arrived) == Counter(ids(20))


@pytest.mark.nightly
@pytest.mark.timeout(300)
async def test_killed_prefork_workers_lose_no_account(fleet: Scene, broker: Broker) -> None:
    fleet.scripted.answer = slowly
    accounts, kills = ids(400), 3
    await broker.fleet.submit(accounts, job_id="wave")
    for kill_number in range(kills):
        with broker.worker() as (process, _log):
            await until(lambda goal=(kill_number + 1) * 80: len(fleet.scripted.arrived) > goal, 60)
            kill(process)
    with broker.worker() as _:
        await fleet.until(is_finished, seconds=60)
    assert await fleet.states() == dict.fromkeys(accounts, "confirmed")
    arrived = Counter(fleet.scripted.arrived)
    # Two processes, with four requests each.
    assert sum(number - 1 for number in arrived.values()) <= kills * 8
