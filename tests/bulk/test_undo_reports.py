"""Reports and calls while a job is placed or undone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from support.blocking import BlockingTilia, ledger, nothing, notification, served, tilia, url
from support.job_reports import numbers
from support.scripted import Reply
from support.undoing import X, by_call

from tilia_async import TiliaClient
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.schema import RECORDS

__all__ = ["ledger", "served", "tilia", "url"]


pytestmark = pytest.mark.asyncio


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
    """The order holds whatever Tilia's clock says."""
    await ledger.apply(notification(X, blocked=False, sent_at=datetime.now(UTC) + timedelta(seconds=40)))
    await tilia.bulk.block([X], job_id="mistake")
    assert [each.job_id async for each in ledger.blocked()] == ["mistake"]
    assert numbers(await tilia.bulk.undo("mistake")) == {"DONE": 1}
    assert served.blocked == set()


async def test_an_unblock_that_was_asked_for_after_a_block_was_reported_lifts_it(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    """The order holds whatever Tilia's clock says."""
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
    """The record of the unblock is older than the block of another, and Tilia's clock is its own."""
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
    """Try a block that echoes yours, and one of Tilia's, which it refuses to lift."""
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
