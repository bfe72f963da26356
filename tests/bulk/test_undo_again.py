"""An account that is to stay blocked is blocked again, wherever the undoing is cut off."""

from __future__ import annotations

import asyncio

import pytest
from support.blocking import BlockingTilia, ledger, served, tilia, url
from support.job_reports import numbers
from support.ledgers import states
from support.scripted import DROPPED, Reply, failing, ids, until
from support.undoing import X, Y

from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, RecordState

__all__ = ["ledger", "served", "tilia", "url"]


pytestmark = pytest.mark.asyncio


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
