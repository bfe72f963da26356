"""A job is submitted as a whole or not at all, and is what it was submitted as."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support import postgres
from support.fleet_worker import LEASE, Scene, is_finished
from support.postgres import every_text
from support.scripted import client_of, ids

from tilia_async import Secret, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.fleet import JobState
from tilia_async.fleet.connections import connected
from tilia_async.ledger import BlockLedger, RecordState

pytestmark = pytest.mark.asyncio


async def test_a_job_is_entered_with_its_reason_its_batches_and_nothing_sent(fleet: Scene) -> None:
    review_at = datetime(2030, 1, 2, tzinfo=UTC)
    status = await fleet.tilia.fleet.submit(
        [*ids(25), "acct_3"], reason="chargebacks", actor="ann", job_id="wave", review_at=review_at
    )
    assert (status.state, status.total, status.settled, status.action) == (JobState.RUNNING, 25, 0, "block")
    assert (status.reason, status.actor, status.workers, status.finished_at) == ("chargebacks", "ann", 0, None)
    assert status.started_at is not None
    records = [record async for record in fleet.ledger.records(job_id="wave")]
    assert [record.account_id for record in records] == ids(25)
    assert {(each.state, each.reason, each.actor, each.review_at) for each in records} == {
        (RecordState.PLANNED, "chargebacks", "ann", review_at)
    }
    assert fleet.scripted.arrived == []
    assert [record async for record in fleet.ledger.blocked()] == []
    assert [record async for record in fleet.ledger.pending()] == []
    batches = await fleet.rows("SELECT number, total FROM tilia_bulk_batches ORDER BY number")
    assert batches == [(0, 10), (1, 10), (2, 5)]
    assert len(await fleet.rows("SELECT id FROM procrastinate_jobs")) == 3
    await fleet.tilia.fleet.cancel("wave")
    assert [(job.job_id, job.state) async for job in fleet.ledger.jobs()] == [("wave", JobState.CANCELLED)]


async def test_ids_may_come_from_any_iterable_in_several_transactions(
    fleet: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tilia_async.fleet.planning.IN_ONE_TRANSACTION", 15)
    seen = list[JobState]()

    async def later() -> AsyncIterator[str]:
        for each in ids(40):
            if each == "acct_20":
                seen.append((await fleet.tilia.fleet.status("wave")).state)
            yield each

    status = await fleet.tilia.fleet.submit(later(), job_id="wave")
    assert (status.total, seen) == (40, [JobState.PLANNED])
    assert (await fleet.tilia.fleet.submit(iter(ids(31)), "unblock", job_id="other")).total == 31
    assert len({each async for each in fleet.ledger.records(job_id="wave")}) == 40


async def test_a_job_without_accounts_is_finished(fleet: Scene) -> None:
    status = await fleet.tilia.fleet.submit([], job_id="wave")
    assert (status.state, status.total) == (JobState.FINISHED, 0)
    await fleet.tilia.fleet.work(until_idle=True)


async def test_an_id_that_cannot_be_one_fails_alone(fleet: Scene) -> None:
    await fleet.tilia.fleet.submit(["acct_1", "a/b", "", "x" * 300, "a\0b"], job_id="wave")
    await fleet.tilia.fleet.work(until_idle=True)
    status = await fleet.tilia.fleet.status("wave")
    assert (status.counts[BulkOutcome.DONE], status.counts[BulkOutcome.FAILED]) == (1, 4)
    assert fleet.scripted.arrived == ["acct_1"]
    await fleet.tilia.fleet.retry("wave")
    await fleet.tilia.fleet.work(until_idle=True)
    assert fleet.scripted.arrived == ["acct_1"]
    found = [item async for item in fleet.tilia.fleet.failures("wave")]
    assert {item.outcome for item in found} == {BulkOutcome.FAILED}
    assert "has a slash in it" in str(found[0].error)


async def failing() -> AsyncIterator[str]:
    for each in ids(30):
        yield each
    raise OSError("the list cannot be read")


async def test_a_list_that_cannot_be_read_to_its_end_leaves_nothing(
    fleet: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tilia_async.fleet.planning.IN_ONE_TRANSACTION", 10)
    with pytest.raises(OSError, match="cannot be read"):
        await fleet.tilia.fleet.submit(failing(), job_id="wave")
    with pytest.raises(errors.InvalidRequestError, match="number 21 is an id"):
        await fleet.tilia.fleet.submit([*ids(20), 5], job_id="wave")
    assert await fleet.states() == {}
    with pytest.raises(errors.ConfigurationError, match="no job 'wave'"):
        await fleet.tilia.fleet.status("wave")
    assert (await fleet.tilia.fleet.submit(ids(12), job_id="wave")).total == 12


async def test_a_submitter_that_is_cancelled_leaves_nothing(fleet: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilia_async.fleet.planning.IN_ONE_TRANSACTION", 10)
    entered = asyncio.Event()

    async def stuck() -> AsyncIterator[str]:
        for each in ids(20):
            yield each
        entered.set()
        await asyncio.Event().wait()

    submitting = asyncio.create_task(fleet.tilia.fleet.submit(stuck(), job_id="wave"))
    await entered.wait()
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert await fleet.states() == {}


async def test_a_submitter_that_died_is_replaced_once_its_lease_is_over(
    fleet: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tilia_async.fleet.planning.IN_ONE_TRANSACTION", 10)

    class DiedError(BaseException):
        pass

    async def nothing(_plan: object) -> None:
        pass

    def dying() -> Iterator[str]:
        yield from ids(25)
        raise DiedError

    with monkeypatch.context() as patched:
        patched.setattr("tilia_async.fleet.service._removed", nothing)
        with pytest.raises(DiedError):
            await fleet.tilia.fleet.submit(dying(), reason="first", job_id="wave")
    status = await fleet.tilia.fleet.status("wave")
    assert (status.state, status.total, len(await fleet.states())) == (JobState.PLANNED, 20, 20)
    await fleet.tilia.fleet.work(until_idle=True)
    assert fleet.scripted.arrived == [], "half a job is not begun"
    with pytest.raises(errors.ConfigurationError, match="being submitted by another"):
        await fleet.tilia.fleet.submit(ids(5), reason="second", job_id="wave")
    for steer in (fleet.tilia.fleet.pause, fleet.tilia.fleet.resume, fleet.tilia.fleet.retry):
        with pytest.raises(errors.ConfigurationError, match="is planned"):
            await steer("wave")
    async with asyncio.timeout(4 * LEASE):
        while True:
            try:
                status = await fleet.tilia.fleet.submit(ids(5), reason="second", job_id="wave")
                break
            except errors.ConfigurationError:
                await asyncio.sleep(0.1)
    assert (status.total, status.reason) == (5, "second")
    await fleet.tilia.fleet.work(until_idle=True)
    assert await fleet.states() == dict.fromkeys(ids(5), "confirmed")


async def test_a_job_is_submitted_once(fleet: Scene) -> None:
    await fleet.tilia.fleet.submit(ids(3), reason="fraud", job_id="wave")
    with pytest.raises(errors.ConfigurationError, match=r"was submitted at .* with 3 accounts, and is running"):
        await fleet.tilia.fleet.submit(ids(4), reason="fraud", job_id="wave")
    assert len(await fleet.states()) == 3
    await fleet.tilia.bulk.block(ids(2), "fraud", job_id="alone")
    with pytest.raises(errors.ConfigurationError, match="one process's"):
        await fleet.tilia.fleet.submit(ids(4), reason="fraud", job_id="alone")
    with pytest.raises(errors.ConfigurationError, match="is a fleet's"):
        await fleet.tilia.bulk.block(ids(3), "fraud", job_id="wave")
    for asked in (fleet.tilia.fleet.status, fleet.tilia.fleet.pause, fleet.tilia.fleet.resume):
        with pytest.raises(errors.ConfigurationError, match="no job 'alone' of a fleet"):
            await asked("alone")


async def test_what_is_done_is_said_if_only_the_status_cannot_be_read(
    fleet: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreadable(_database: object, _job_id: str) -> None:
        raise errors.LedgerError("the ledger is away")

    doing = fleet.tilia.fleet
    for change, after, told in [
        (lambda: doing.submit(ids(3), job_id="wave"), JobState.RUNNING, "submitted"),
        (lambda: doing.pause("wave"), JobState.PAUSED, "paused"),
        (lambda: doing.resume("wave"), JobState.RUNNING, "resumed"),
        (lambda: doing.retry("wave"), JobState.RUNNING, "retried"),
        (lambda: doing.cancel("wave"), JobState.CANCELLED, "cancelled"),
    ]:
        with monkeypatch.context() as patched:
            patched.setattr("tilia_async.ledger.fleet_jobs.status", unreadable)
            with pytest.raises(errors.LedgerError, match=f"'wave' was {told}, and only its status .* is away"):
                await change()
        assert (await doing.status("wave")).state is after


async def test_bad_arguments_are_refused_before_anything_is_entered(fleet: Scene) -> None:
    refused = {
        "action": {"action": "suspend"},
        "job_id": {"job_id": ""},
        "reason": {"reason": 5},
        "review_at": {"review_at": datetime(2030, 1, 1)},  # noqa: DTZ001 - it has no time zone
    }
    for field, given in refused.items():
        with pytest.raises(errors.InvalidRequestError) as refusal:
            await fleet.tilia.fleet.submit(ids(1), **given)
        assert field in refusal.value.problems
    with pytest.raises(errors.InvalidRequestError, match="account_ids"):
        await fleet.tilia.fleet.submit("acct_1")
    with pytest.raises(errors.InvalidRequestError, match="concurrency"):
        await fleet.tilia.fleet.work(concurrency=0)


async def test_a_fleet_needs_a_ledger_on_postgresql(tmp_path: Path) -> None:
    async with client_of("http://127.0.0.1:1/{service}") as without:
        with pytest.raises(errors.ConfigurationError, match="on PostgreSQL"):
            await without.fleet.submit(ids(1))
    async with (
        BlockLedger.open(f"sqlite:///{tmp_path}/blocks.db") as ledger,
        client_of("http://127.0.0.1:1/{service}", ledger=ledger) as tilia,
    ):
        for asking in (tilia.fleet.work(), tilia.fleet.status("wave"), tilia.fleet.workers(), tilia.fleet.install()):
            with pytest.raises(errors.ConfigurationError, match="on PostgreSQL"):
                await asking


async def test_the_engine_is_installed_once_and_an_older_one_is_refused(fleet: Scene) -> None:
    made = await asyncio.gather(*(fleet.tilia.fleet.install() for _ in range(3)))
    assert sorted(made) == [False, False, True]
    assert await fleet.tilia.fleet.install() is False
    await fleet.execute("DROP FUNCTION procrastinate_fetch_job_v2 CASCADE")
    with pytest.raises(errors.ConfigurationError, match="procrastinate_fetch_job_v2.*older"):
        await fleet.tilia.fleet.submit(ids(1))


async def test_a_password_is_in_no_error_and_no_table(fleet: Scene) -> None:
    secret = "correct-horse-battery"
    url = fleet.url.replace("postgres@", f"nobody:{secret}@")
    with pytest.raises(errors.LedgerError, match='role "nobody" does not exist') as refusal:
        async with connected(Secret(url)):
            pass
    beyond = refusal.tb.tb_next
    shown = traceback.TracebackException(refusal.type, refusal.value, beyond, capture_locals=True)
    assert secret not in "".join(shown.format())
    await fleet.tilia.fleet.submit(ids(3), job_id="wave")
    await fleet.tilia.fleet.work(until_idle=True)
    assert is_finished(await fleet.tilia.fleet.status("wave"))
    assert [text async for text in every_text(fleet.url) if "secret" in text] == []


async def test_the_settings_of_the_database_for_times_do_not_matter(
    fleet: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = urlsplit(fleet.url).path[1:]
    async with postgres.connected(fleet.url) as owner:
        for setting in ("datestyle = 'German, DMY'", "timezone = 'Europe/Berlin'"):
            await owner.execute(f"ALTER DATABASE {name} SET {setting}".encode())
        try:
            status = await fleet.tilia.fleet.submit(ids(3), job_id="wave")

            async def nothing(*_: object) -> None:
                pass

            # Another submitter was first in between.
            monkeypatch.setattr("tilia_async.ledger.fleet_jobs.check_submittable", nothing)
            with pytest.raises(errors.ConfigurationError, match=r"was submitted at \S+ \S+\+0000, with 3 accounts"):
                await fleet.tilia.fleet.submit(ids(4), job_id="wave")
            await fleet.tilia.fleet.work(until_idle=True)
            assert await fleet.states() == dict.fromkeys(ids(3), "confirmed")
        finally:
            await owner.execute(f"ALTER DATABASE {name} RESET ALL".encode())
    assert status.started_at is not None
    assert status.started_at.utcoffset() == timedelta(0)


async def test_a_submission_waits_for_no_lock_for_ever(fleet: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await fleet.tilia.fleet.install()
    monkeypatch.setattr("tilia_async.fleet.connections.SUBMIT_SECONDS", 0.5)
    async with postgres.connected(fleet.url) as other, other.transaction():
        await other.execute("LOCK TABLE tilia_bulk_jobs IN EXCLUSIVE MODE")
        with pytest.raises(errors.LedgerError, match="nothing was heard in time"):
            await fleet.tilia.fleet.submit(["acct_1"], job_id="wave")
    assert (await fleet.tilia.fleet.submit(["acct_1"], job_id="wave")).total == 1
