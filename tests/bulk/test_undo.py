"""Undoing a job frees whom that job alone blocked, and nobody else."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.blocking import BlockingTilia, ledger, notification, served, tilia, url
from support.hostile import hostile_server
from support.job_reports import numbers
from support.ledgers import states
from support.scripted import DROPPED, Reply, client_of, failing, ids
from support.undoing import X, Y, by_call

from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, RecordState, journal
from tilia_async.ledger.prepared import Transaction
from tilia_async.ledger.standing import Standing

__all__ = ["ledger", "served", "tilia", "url"]


pytestmark = pytest.mark.asyncio

Cause = Callable[[TiliaClient, BlockLedger, BlockingTilia], Awaitable[object]]


async def by_job(tilia: TiliaClient, _ledger: BlockLedger, _served: BlockingTilia) -> object:
    return await tilia.bulk.block([X], "fraud", "ann", job_id="for cause")


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
