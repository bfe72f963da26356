"""Undoing a job frees whom that job alone blocked, and nobody else."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection
from support.blocking import BlockingTilia, nothing, notification, numbers, states, url
from support.hostile import hostile_server
from support.scripted import DROPPED, Reply, client_of, failing, ids, until

import tilia_sync
from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkItem, BulkOutcome
from tilia_async.ledger import BlockLedger, RecordState, journal
from tilia_async.ledger.jobs import UNDO, JobDefinition
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.prepared import Transaction
from tilia_async.ledger.schema import RECORDS
from tilia_async.ledger.standing import Standing
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import TokenCache

pytestmark = pytest.mark.asyncio

__all__ = ["url"]

X, Y = "acct_x", "acct_y"


@pytest_asyncio.fixture
async def ledger(url: str) -> AsyncIterator[BlockLedger]:
    async with BlockLedger.open(url, lease=1.0) as opened:
        yield opened


@pytest.fixture
def served() -> BlockingTilia:
    return BlockingTilia()


@pytest_asyncio.fixture
async def tilia(served: BlockingTilia, ledger: BlockLedger) -> AsyncIterator[TiliaClient]:
    async with hostile_server(served.serve) as server, client_of(server.template, ledger=ledger) as client:
        yield client


Cause = Callable[[TiliaClient, BlockLedger, BlockingTilia], Awaitable[object]]


async def by_job(tilia: TiliaClient, _ledger: BlockLedger, _served: BlockingTilia) -> object:
    return await tilia.bulk.block([X], "fraud", "ann", job_id="for cause")


async def by_call(tilia: TiliaClient, _ledger: BlockLedger, _served: BlockingTilia) -> object:
    return await tilia.accounts.block(X, "fraud", "ann")


async def by_tilia(_tilia: TiliaClient, ledger: BlockLedger, _served: BlockingTilia) -> object:
    return await ledger.apply(notification(X))


async def by_lost_call(tilia: TiliaClient, _ledger: BlockLedger, served: BlockingTilia) -> object:
    async def lose(_action: str, _account_id: str) -> Reply | None:
        return DROPPED

    served.after, before = lose, served.after
    with pytest.raises(errors.OutcomeUnknownError):
        await tilia.accounts.block(X, "fraud", "ann")
    served.after = before
    return None


CAUSES = (by_job, by_call, by_tilia, by_lost_call)


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("cause_first", [True, False])
async def test_who_is_blocked_for_another_reason_stays_blocked(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, cause: Cause, cause_first: bool
) -> None:
    if cause_first:
        await cause(tilia, ledger, served)
    await tilia.bulk.block([X, Y], "wrong list", "bob", job_id="mistake")
    if not cause_first:
        await cause(tilia, ledger, served)
    served.sent.clear()
    report = await tilia.bulk.undo("mistake", "the list was another's", "bob")
    assert (report.action, report.job_id, report.total) == ("undo", "undo-mistake", 2)
    assert numbers(report) == {"DONE": 1, "KEPT": 1}
    assert served.sent == [("unblock", Y)]
    (kept,) = report.failures
    assert (kept.account_id, kept.outcome, kept.attempts) == (X, BulkOutcome.KEPT, 0)
    (why,) = kept.also_blocked_by
    assert why.job_id != "mistake"
    assert isinstance(kept.error, errors.TiliaError)
    assert kept.error.took_effect is False
    told = {by_job: "the job 'for cause', reason 'fraud'", by_tilia: "a notification"}.get(cause, "a call of")
    assert told in str(kept.error)
    assert ("unknown" in str(kept.error)) is (cause is by_lost_call)
    assert await states(ledger, "undo-mistake") == {X: RecordState.KEPT, Y: RecordState.CONFIRMED}
    in_force = {record.account_id: record async for record in ledger.blocked()}
    if cause is not by_lost_call:
        assert {X: in_force[X].job_id} == {X: why.job_id} or cause is by_tilia
    assert Y not in in_force


async def test_who_is_blocked_by_nothing_else_is_free(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    await tilia.bulk.block(ids(40), "wrong list", "bob", job_id="mistake")
    report = await tilia.bulk.undo("mistake", "the list was another's", "carol")
    assert (numbers(report), report.failures, report.complete) == ({"DONE": 40}, (), True)
    assert served.blocked == set()
    assert [record async for record in ledger.blocked()] == []
    records = [record async for record in ledger.records(job_id="undo-mistake")]
    assert {(each.action.value, each.reason, each.actor) for each in records} == {
        ("unblock", "the list was another's", "carol")
    }


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
async def test_two_jobs_undone_in_either_order_leave_nobody_blocked(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, order: tuple[str, str]
) -> None:
    for job_id in ("first", "second"):
        await tilia.bulk.block([X], job_id, job_id=job_id)
    assert numbers(await tilia.bulk.undo(order[0])) == {"KEPT": 1}
    assert served.blocked == {X}
    (in_force,) = [record async for record in ledger.blocked()]
    assert in_force.job_id == order[1], "the block that stays is the reason that is told"
    assert numbers(await tilia.bulk.undo(order[1])) == {"DONE": 1}
    assert served.blocked == set()
    assert [record async for record in ledger.blocked()] == []


async def test_two_jobs_undone_at_once_leave_nobody_blocked(tilia: TiliaClient, served: BlockingTilia) -> None:
    for job_id in ("first", "second"):
        await tilia.bulk.block(ids(60), job_id, job_id=job_id)
    async with asyncio.timeout(20):
        await asyncio.gather(tilia.bulk.undo("first"), tilia.bulk.undo("second"))
    assert served.blocked == set()


async def test_nobody_writes_to_a_file_between_the_look_at_an_account_and_its_claim(
    tmp_path: Path, served: BlockingTilia, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or two processes that undo two jobs at once would each keep an account for the other's sake."""
    looks: list[bool] = []
    read = journal.standings

    def look(transaction: Transaction, account_ids: Sequence[str]) -> Mapping[str, Standing]:
        with closing(sqlite3.connect(tmp_path / "blocks.db", timeout=0.0)) as another:
            try:
                another.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                looks.append(True)
            else:
                looks.append(False)
        return read(transaction, account_ids)

    async with (
        BlockLedger.open(f"sqlite:///{tmp_path}/blocks.db") as ledger,
        hostile_server(served.serve) as server,
        client_of(server.template, ledger=ledger) as tilia,
    ):
        await tilia.bulk.block([X], job_id="mistake")
        await by_call(tilia, ledger, served)
        monkeypatch.setattr(journal, "standings", look)
        assert numbers(await tilia.bulk.undo("mistake")) == {"KEPT": 1}
    assert looks == [True]


async def test_a_second_undo_sends_nothing_and_looks_again_at_what_was_kept(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    await by_call(tilia, ledger, served)
    await tilia.bulk.block([X, Y], job_id="mistake")
    await tilia.bulk.undo("mistake", "oops", "bob")
    served.sent.clear()
    again = await tilia.bulk.undo("mistake", "oops", "bob")
    assert (numbers(again), again.complete, served.sent) == ({"SKIPPED": 1, "KEPT": 1}, True, [])
    await tilia.accounts.unblock(X, "appeal")
    served.sent.clear()
    again = await tilia.bulk.undo("mistake")
    assert (numbers(again), served.sent) == ({"SKIPPED": 2}, []), "the block of the job is not in force any more"


async def test_what_was_lifted_since_is_left_alone(tilia: TiliaClient, served: BlockingTilia) -> None:
    await tilia.bulk.block([X, Y], job_id="mistake")
    await tilia.accounts.unblock(X, "appeal")
    # As on Tilia's own pages, where no ledger sees it.
    served.blocked.add(X)
    report = await tilia.bulk.undo("mistake")
    assert numbers(report) == {"SKIPPED": 1, "DONE": 1}
    assert served.blocked == {X}


async def test_what_may_have_been_blocked_is_lifted_and_what_was_not_is_not(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    replies = {"acct_1": DROPPED, "acct_2": failing(403), "acct_3": failing(404), "acct_4": failing(400)}

    async def answer(_action: str, account_id: str) -> Reply | None:
        return replies.get(account_id)

    served.before = answer
    await tilia.bulk.block(ids(5), job_id="mistake")
    assert (await states(ledger, "mistake"))["acct_1"] is RecordState.UNKNOWN
    replies.clear()
    served.sent.clear()
    report = await tilia.bulk.undo("mistake")
    assert (report.total, numbers(report)) == (2, {"DONE": 2})
    assert sorted(served.sent) == [("unblock", "acct_0"), ("unblock", "acct_1")]


async def test_a_notification_of_the_jobs_own_block_is_no_other_block(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    await tilia.bulk.block(ids(3), job_id="mistake")
    # Tilia tells whole seconds, and its clock is its own.
    sent_at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=20)
    await ledger.apply(notification("acct_0", issuer="publisher", sent_at=sent_at))
    await ledger.apply(notification("acct_1", issuer=None, sent_at=sent_at))
    assert numbers(await tilia.bulk.undo("mistake")) == {"DONE": 3}
    assert served.blocked == set()


async def test_an_unblock_of_yours_lifts_no_block_of_tilias(tilia: TiliaClient, ledger: BlockLedger) -> None:
    await ledger.apply(notification(X))
    await tilia.accounts.unblock(X, "appeal")
    await tilia.bulk.block([X], job_id="mistake")
    assert numbers(await tilia.bulk.undo("mistake")) == {"KEPT": 1}
    await ledger.apply(notification(X, blocked=False))
    assert numbers(await tilia.bulk.undo("mistake")) == {"SKIPPED": 1}


@pytest.mark.parametrize("late", [False, True])
async def test_a_block_of_yours_that_tilia_reported_before_the_job_is_another(
    tilia: TiliaClient, ledger: BlockLedger, late: bool
) -> None:
    told = notification(X, issuer="publisher", sent_at=datetime.now(UTC) - timedelta(minutes=5 if late else 0))
    if not late:
        await ledger.apply(told)
    await tilia.bulk.block([X], job_id="mistake")
    if late:
        await ledger.apply(told)
    assert numbers(await tilia.bulk.undo("mistake")) == {"KEPT": 1}


@pytest.mark.parametrize("told", [True, False])
async def test_what_unblocked_an_account_while_a_job_had_yet_to_send_its_block_lifts_nothing(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, told: bool
) -> None:
    """A block is on record as long as a minute before it is sent, when Tilia holds the job back."""

    async def unblock_first(action: str, _account_id: str) -> Reply | None:
        if action == "block":
            if told:
                await ledger.apply(notification(X, blocked=False))
            else:
                await tilia.accounts.unblock(X, "appeal")
        return None

    served.before = unblock_first
    await tilia.bulk.block([X], job_id="mistake")
    assert served.blocked == {X}
    assert [(each.account_id, each.job_id) async for each in ledger.blocked()] == [(X, "mistake")]
    assert numbers(await tilia.bulk.undo("mistake")) == {"DONE": 1}
    assert served.blocked == set()
    assert [each async for each in ledger.blocked()] == []


async def test_an_unblocking_that_was_reported_before_a_block_was_asked_for_does_not_lift_it(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    """Whatever Tilia's clock says."""
    await ledger.apply(notification(X, blocked=False, sent_at=datetime.now(UTC) + timedelta(seconds=40)))
    await tilia.bulk.block([X], job_id="mistake")
    assert [each.job_id async for each in ledger.blocked()] == ["mistake"]
    assert numbers(await tilia.bulk.undo("mistake")) == {"DONE": 1}
    assert served.blocked == set()


async def test_an_unblock_that_was_asked_for_after_a_block_was_reported_lifts_it(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    """Whatever Tilia's clock says."""
    await ledger.apply(notification(X, issuer="publisher", sent_at=datetime.now(UTC) + timedelta(seconds=40)))
    await tilia.accounts.unblock(X)
    assert [each async for each in ledger.blocked()] == []
    await tilia.bulk.block([X], job_id="mistake")
    assert numbers(await tilia.bulk.undo("mistake")) == {"DONE": 1}
    assert served.blocked == set()


async def test_a_block_that_was_lifted_before_the_undoing_does_not_come_back(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    await tilia.accounts.block(X, "fraud")
    await ledger.apply(notification(X, blocked=False))
    await tilia.bulk.block([X], job_id="mistake")
    assert numbers(await tilia.bulk.undo("mistake")) == {"DONE": 1}
    assert served.blocked == set()


@pytest.mark.parametrize(("minutes", "stays"), [(-5, False), (-0.5, True), (0, True)])
async def test_a_late_run_of_an_undoing_tells_its_own_unblock_by_the_minute(
    tmp_path: Path, minutes: float, stays: bool
) -> None:
    """Its record is older than the block of another, and Tilia's clock is its own."""
    now = datetime.now(UTC)
    times = {"undo": now, "block": now - timedelta(minutes=6), "told": now + timedelta(minutes=minutes)}
    async with BlockLedger.open(f"sqlite:///{tmp_path}/b") as ledger:
        database = (await journal_of(ledger)).database

        async def write(connection: AsyncConnection) -> None:
            for source, action, job_id in (("bulk", "unblock", "undo"), ("bulk", "block", "block")):
                row = {"run_id": job_id, "state": "intended" if job_id == "undo" else "confirmed"}
                row |= {"source": source, "action": action, "job_id": job_id, "account_id": X, "issuer": "publisher"}
                await connection.execute(RECORDS.insert().values(**row, requested_at=times[job_id]))

        await database.write(write)
        await ledger.apply(notification(X, blocked=False, sent_at=times["told"]))
        others = await (await journal_of(ledger)).blocks_beside(X, "mistake", "undo")
    assert [each.job_id for each in others] == (["block"] if stays else [])


async def test_a_block_of_which_tilia_does_not_say_whose_it_is_goes_with_your_unblock(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    """It is the echo of a block of yours; or it is Tilia's, and then Tilia refuses to lift it."""
    await tilia.accounts.block(X)
    await ledger.apply(notification(X, issuer=None))
    await tilia.accounts.unblock(X)
    assert [each async for each in ledger.blocked()] == []
    await tilia.bulk.block([X], job_id="mistake")
    assert numbers(await tilia.bulk.undo("mistake")) == {"DONE": 1}
    assert served.blocked == set()


async def test_the_report_of_the_undoing_itself_lifts_no_block_of_another(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    """Somebody blocks after the account was looked at, and Tilia says "not blocked" before it is looked at again."""
    await tilia.bulk.block([X], job_id="mistake")

    async def block_first(action: str, _account_id: str) -> Reply | None:
        if action == "unblock":
            await tilia.bulk.block([X], "fraud", "ann", job_id="for cause")
        return None

    async def report(action: str, _account_id: str) -> Reply | None:
        if action == "unblock":
            await ledger.apply(notification(X, blocked=False))
        return None

    served.before, served.after = block_first, report
    undone = await tilia.bulk.undo("mistake")
    assert numbers(undone) == {"KEPT": 1}
    assert [each.reason for each in undone.failures[0].also_blocked_by] == ["fraud"]
    assert served.blocked == {X}
    assert [each.reason async for each in ledger.blocked()] == ["fraud"]
    # Of the block that was placed again.
    await ledger.apply(notification(X, issuer="publisher"))
    served.before, served.after = nothing, nothing
    assert numbers(await tilia.bulk.undo("for cause")) == {"DONE": 1}
    assert served.blocked == set()
    assert [each async for each in ledger.blocked()] == []


async def test_who_was_kept_is_free_when_tilia_says_so_later(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    await by_call(tilia, ledger, served)
    await tilia.bulk.block([X], job_id="mistake")
    assert numbers(await tilia.bulk.undo("mistake")) == {"KEPT": 1}
    await ledger.apply(notification(X, blocked=False))
    assert [each async for each in ledger.blocked()] == []
    assert numbers(await tilia.bulk.undo("mistake")) == {"SKIPPED": 1}


async def test_a_block_that_comes_while_the_account_is_unblocked_stays(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    await tilia.bulk.block([X, Y], job_id="mistake")

    async def block_meanwhile(action: str, account_id: str) -> Reply | None:
        if (action, account_id) == ("unblock", X):
            # It is on record and at Tilia before the unblock that is on its way already.
            served.before = block_nothing
            await tilia.accounts.block(X, "fraud", "ann")
        return None

    async def block_nothing(_action: str, _account_id: str) -> Reply | None:
        return None

    served.before = block_meanwhile
    report = await tilia.bulk.undo("mistake")
    assert numbers(report) == {"DONE": 1, "KEPT": 1}
    assert served.blocked == {X}
    (kept,) = report.failures
    assert [each.reason for each in kept.also_blocked_by] == ["fraud"]
    assert await states(ledger, "undo-mistake") == {X: RecordState.KEPT, Y: RecordState.CONFIRMED}
    assert served.sent[-1] == ("block", X) or ("block", X) in served.sent[2:]


async def test_a_block_that_comes_before_the_account_is_unblocked_is_not_lifted_at_all(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    """Accounts are claimed long before they are sent, when Tilia holds the job back."""
    await tilia.bulk.block([X, Y], job_id="mistake")

    async def block_the_other(action: str, account_id: str) -> Reply | None:
        if (action, account_id) == ("unblock", X):
            await tilia.accounts.block(Y, "fraud", "ann")
        return None

    served.before = block_the_other
    assert numbers(await tilia.bulk.undo("mistake", concurrency=1)) == {"DONE": 1, "KEPT": 1}
    assert ("unblock", Y) not in served.sent
    assert served.blocked == {Y}
    assert await states(ledger, "undo-mistake") == {X: RecordState.CONFIRMED, Y: RecordState.KEPT}


@pytest.mark.parametrize("kept", [True, False])
async def test_an_account_that_is_blocked_again_is_not_unblocked_to_try_the_token(
    tilia: TiliaClient, served: BlockingTilia, kept: bool
) -> None:
    """Neither by the undoing itself, nor by somebody after it."""
    await tilia.bulk.block([X, Y], job_id="mistake")
    refusals = [failing(401)]

    async def block_or_refuse(action: str, account_id: str) -> Reply | None:
        if (action, account_id) == ("unblock", X if kept else Y) and refusals:
            await tilia.accounts.block(X, "fraud", "ann")
        return refusals.pop() if (action, account_id) == ("unblock", Y) and refusals else None

    served.before = block_or_refuse
    report = await tilia.bulk.undo("mistake", concurrency=1)
    assert numbers(report) == ({"DONE": 1, "KEPT": 1} if kept else {"DONE": 2})
    assert served.sent.count(("unblock", X)) == 1
    assert served.blocked == {X}


@pytest.mark.parametrize("reply", [DROPPED, failing(403), failing(500)])
async def test_an_account_that_could_not_be_blocked_again_is_unknown_and_blocked_by_the_next_run(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, reply: Reply
) -> None:
    await tilia.bulk.block([X], job_id="mistake")
    broken = False

    async def block_meanwhile(action: str, _account_id: str) -> Reply | None:
        nonlocal broken
        if action == "unblock":
            await tilia.accounts.block(X, "fraud", "ann")
            broken = True
        elif broken:
            return reply
        return None

    served.before = block_meanwhile
    report = await tilia.bulk.undo("mistake")
    assert numbers(report) == {"UNKNOWN": 1}
    (item,) = report.failures
    assert item.error is not None
    assert item.error.took_effect is None
    assert "was not blocked again" in str(item.error)
    assert served.blocked == set()
    broken = False
    served.sent.clear()
    assert numbers(await tilia.bulk.undo("mistake")) == {"KEPT": 1}
    assert (served.sent, served.blocked) == ([("block", X)], {X})
    assert await states(ledger, "undo-mistake") == {X: RecordState.KEPT}


async def test_an_undo_that_is_cut_off_between_unblocking_and_blocking_again_is_made_good(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    await tilia.bulk.block([X], job_id="mistake")
    undoing: asyncio.Task[object] | None = None

    async def cut_off(action: str, _account_id: str) -> Reply | None:
        if action == "unblock" and undoing is not None:
            await tilia.accounts.block(X, "fraud", "ann")
            undoing.cancel()
        return None

    served.before = cut_off
    undoing = asyncio.create_task(tilia.bulk.undo("mistake"))
    with pytest.raises(asyncio.CancelledError):
        await undoing
    await until(lambda: X not in served.blocked)
    assert await states(ledger, "undo-mistake") == {X: RecordState.UNKNOWN}
    undoing = None
    assert numbers(await tilia.bulk.undo("mistake")) == {"KEPT": 1}
    assert served.blocked == {X}


@pytest.mark.parametrize("looks", [0, 1])
async def test_a_ledger_that_is_lost_after_an_unblock_leaves_doubt(
    tilia: TiliaClient, served: BlockingTilia, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    await tilia.bulk.block([X], job_id="mistake")

    answers = [()] * looks

    async def lost(*_arguments: object) -> object:
        if answers:
            return answers.pop()
        raise errors.LedgerError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr("tilia_async.ledger.journal.Journal.blocks_beside", lost)
        with pytest.raises(errors.BulkStoppedError) as caught:
            await tilia.bulk.undo("mistake")
    assert numbers(caught.value.report) == ({"UNKNOWN": 1} if looks else {"FAILED": 1})
    assert caught.value.took_effect is (None if looks else False)
    assert "undo it again with undo_job_id='undo-mistake'" in str(caught.value)
    assert served.blocked == (set() if looks else {X})
    assert numbers(await tilia.bulk.undo("mistake")) == {"DONE": 1}


async def test_an_undo_cut_off_anywhere_goes_on_and_frees_nobody_else(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    accounts = ids(120)
    await tilia.bulk.block(accounts[::3], "fraud", job_id="for cause")
    await tilia.bulk.block(accounts, job_id="mistake")
    for _ in range(4):
        task = asyncio.create_task(tilia.bulk.undo("mistake", concurrency=8))
        max_batch = len(served.sent) + 15
        await until(lambda max_batch=max_batch, task=task: len(served.sent) >= max_batch or task.done())
        task.cancel()
        await asyncio.wait([task])
        assert set(accounts[::3]) <= served.blocked
    async with asyncio.timeout(20):
        report = await tilia.bulk.undo("mistake")
    assert (report.total, report.counts[BulkOutcome.KEPT], report.complete) == (120, 40, True)
    assert served.blocked == set(accounts[::3])
    found = await states(ledger, "undo-mistake")
    assert {each for each, state in found.items() if state is RecordState.KEPT} == set(accounts[::3])
    assert {state for each, state in found.items() if each not in accounts[::3]} == {RecordState.CONFIRMED}


async def test_what_cannot_be_undone_is_told_before_anything_is_sent(
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
        try:
            await (await journal_of(ledger)).begin_run(f"run of {job.job_id}", job, 30.0)
        except errors.ConfigurationError as error:
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
            """It has no last words."""

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
