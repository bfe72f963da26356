"""Conditions of an undoing, and its report."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.blocking import BlockingTilia, ledger, notification, served, tilia, url
from support.job_reports import numbers
from support.ledgers import states
from support.scripted import Reply, client_of
from support.undoing import X, Y, by_call

import tilia_sync
from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkItem, BulkOutcome
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.job_run import RUNNING_HERE
from tilia_async.ledger.jobs import UNDO, JobDefinition
from tilia_async.ledger.ledger import journal_of
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import TokenCache

__all__ = ["ledger", "served", "tilia", "url"]


pytestmark = pytest.mark.asyncio


async def test_what_cannot_be_undone_is_refused_before_anything_is_sent(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    await tilia.bulk.unblock([X], job_id="appeals")
    await tilia.bulk.block([X], job_id="mistake")
    await tilia.bulk.undo("mistake")
    served.sent.clear()
    for job_id, why in (("nobody", "no job 'nobody'"), ("appeals", "action is unblock"), ("undo-mistake", "is undo")):
        with pytest.raises(errors.ConfigurationError, match=why):
            await tilia.bulk.undo(job_id)
    with pytest.raises(errors.ConfigurationError, match=r"to undo the job 'mistake', and this is to unblock"):
        await tilia.bulk.unblock([X], job_id="undo-mistake")
    await tilia.bulk.block([X], job_id="other")
    served.sent.clear()
    with pytest.raises(errors.ConfigurationError, match="to undo the job 'mistake', and this is to undo the job 'oth"):
        await tilia.bulk.undo("other", undo_job_id="undo-mistake")
    async with client_of("http://127.0.0.1:1/{service}", ledger=ledger) as elsewhere:
        with pytest.raises(errors.ConfigurationError, match="was begun at"):
            await elsewhere.bulk.undo("other")
    async with client_of("http://127.0.0.1:1/{service}") as without:
        with pytest.raises(errors.ConfigurationError, match="ledger"):
            await without.bulk.undo("other")
        with pytest.raises(errors.ConfigurationError, match="ledger"):
            without.bulk.stream_undo("other")
    for wrong in (
        {"job_id": ""},
        {"job_id": "j", "undo_job_id": "x" * 256},
        {"job_id": "j", "reason": 3},
        {"job_id": "a\0b"},
    ):
        with pytest.raises(errors.InvalidRequestError):
            await tilia.bulk.undo(**wrong)
    assert served.sent == []


async def test_a_job_that_is_under_way_is_not_undone_and_a_job_that_is_undone_does_not_go_on(
    tilia: TiliaClient, served: BlockingTilia
) -> None:
    go_on = asyncio.Event()
    arrived = asyncio.Event()

    async def wait(_action: str, _account_id: str) -> Reply | None:
        arrived.set()
        await go_on.wait()
        return None

    served.before = wait
    async with asyncio.timeout(10):
        blocking = asyncio.create_task(tilia.bulk.block([X], job_id="mistake"))
        await arrived.wait()
        with pytest.raises(errors.ConfigurationError, match="'mistake' is under way"):
            await tilia.bulk.undo("mistake")
        go_on.set()
        await blocking
        arrived.clear()
        go_on.clear()
        undoing = asyncio.create_task(tilia.bulk.undo("mistake"))
        await arrived.wait()
        with pytest.raises(errors.ConfigurationError, match="being undone by the job 'undo-mistake'"):
            await tilia.bulk.block([X, Y], job_id="mistake")
        go_on.set()
        assert numbers(await undoing) == {"DONE": 1}
    assert numbers(await tilia.bulk.block([X], job_id="mistake")) == {"OVERTAKEN": 1}


async def test_a_job_and_its_undoing_never_run_at_once(url: str) -> None:
    """Also when both have looked for the other before either was there."""
    begun: list[str] = []

    async def begin(ledger: BlockLedger, job: JobDefinition) -> str | None:
        run_id = f"run of {job.job_id}"
        # As a run does; one that is not there counts as dead.
        RUNNING_HERE.add(run_id)
        try:
            await (await journal_of(ledger)).begin_run(run_id, job, 30.0)
        except errors.ConfigurationError as error:
            RUNNING_HERE.discard(run_id)
            return str(error)
        begun.append(job.job_id)
        return None

    async with BlockLedger.open(url) as one, BlockLedger.open(url) as other:
        for number in range(12):
            job_id = f"mistake-{number}"
            job = JobDefinition(job_id=job_id, origin="here", action="block")
            undo = JobDefinition(job_id=f"undo-{job_id}", origin="here", action=UNDO, undoes=job_id)
            await begin(one, job)
            await (await journal_of(one)).end_run(f"run of {job_id}")
            begun.clear()
            told = await asyncio.gather(begin(one, job), begin(other, undo))
            assert len(begun) == 1, "one of them, and the other is told"
            assert any("under way" in each or "being undone" in each for each in told if each is not None)


async def test_the_claims_of_a_process_that_died_are_waited_for(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        async def killed(_journal: object, _run_id: str) -> None:
            """Say no last words."""

        patched.setattr("tilia_async.ledger.journal.Journal.end_run", killed)
        await tilia.bulk.block([X], job_id="mistake")
    async with asyncio.timeout(10):
        assert numbers(await tilia.bulk.undo("mistake")) == {"DONE": 1}
    assert served.blocked == set()


async def test_an_unblock_names_the_blocks_that_it_lifts_beside(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    await tilia.bulk.block([X], "fraud", job_id="for cause")
    await tilia.bulk.block([X, Y], job_id="mistake")
    await ledger.apply(notification(Y, issuer="publisher"))
    items = {item.account_id: item async for item in tilia.bulk.stream_unblock([X, Y, "acct_z"], job_id="appeals")}
    assert {item.outcome for item in items.values()} == {BulkOutcome.DONE}
    assert [each.job_id for each in items[X].also_blocked_by] == ["for cause", "mistake"]
    assert (items[Y].also_blocked_by, items["acct_z"].also_blocked_by) == ((), ())
    assert served.blocked == set()
    await tilia.bulk.block([X, Y], job_id="third")
    await tilia.accounts.block(X)
    report = await tilia.bulk.unblock([X, Y])
    assert [item.account_id for item in report.overlaps] == [X]
    assert [each.job_id for each in report.overlaps[0].also_blocked_by] == ["third", None]


async def test_items_are_streamed(tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia) -> None:
    await by_call(tilia, ledger, served)
    await tilia.bulk.block([X, Y], job_id="mistake")
    async with tilia.bulk.stream_undo("mistake", "oops", "bob", undo_job_id="mend") as stream:
        items: dict[str, BulkItem] = {item.account_id: item async for item in stream}
    assert {each: item.outcome for each, item in items.items()} == {X: BulkOutcome.KEPT, Y: BulkOutcome.DONE}
    assert (await states(ledger, "mend")).keys() == {X, Y}


async def test_a_job_with_a_long_name_can_be_undone(tilia: TiliaClient, served: BlockingTilia) -> None:
    name = "x" * 255
    await tilia.bulk.block([X], job_id=name)
    report = await tilia.bulk.undo(name)
    assert (numbers(report), len(report.job_id) <= 255) == ({"DONE": 1}, True)
    assert numbers(await tilia.bulk.undo(name)) == {"SKIPPED": 1}


@pytest.mark.filterwarnings("ignore:.*is marked with .@pytest.mark.asyncio")
def test_the_synchronous_package_undoes_the_same(tmp_path: Path) -> None:
    with (
        tilia_sync.Sandbox(wallet_delay=0) as sandbox,
        tilia_sync.BlockLedger.open(f"sqlite:///{tmp_path}/b") as ledger,
    ):
        credentials = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        with tilia_sync.TiliaClient(*credentials, ledger=ledger, token_cache=TokenCache()) as tilia:
            inside = sandbox._sandbox
            assert isinstance(inside, Sandbox)
            accounts = [tilia.accounts.register(f"u{n}", email=f"u{n}@mail.example").account_id for n in range(30)]
            tilia.bulk.block(accounts[:10], "fraud", job_id="for cause")
            tilia.bulk.block(accounts, job_id="mistake")
            told: list[int] = []
            report = tilia.bulk.undo("mistake", "oops", "bob", on_progress=lambda progress: told.append(progress.total))
            assert (numbers(report), told) == ({"DONE": 20, "KEPT": 10}, list(range(1, 31)))
            assert [each for each in accounts if sandbox.accounts[each].is_blocked] == accounts[:10]
            with tilia.bulk.stream_undo("for cause") as stream:
                assert {item.outcome for item in stream} == {BulkOutcome.DONE}
            with pytest.raises(errors.ConfigurationError, match="no job 'nobody'"):
                tilia.bulk.undo("nobody")
