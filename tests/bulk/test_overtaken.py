"""A job that is run again says what is not so any more, and stays the job that it was begun as."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone

import pytest
from support.blocking import BlockingTilia, ledger, notification, served, tilia, url
from support.hostile import hostile_server
from support.job_reports import numbers
from support.ledgers import states
from support.scripted import DROPPED, Reply, client_of, ids

from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, RecordState

pytestmark = pytest.mark.asyncio

__all__ = ["ledger", "served", "tilia", "url"]

SOON = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))


# --- Overtaken --------------------------------------------------------------------------------------------------------

Opposite = Callable[[TiliaClient, BlockLedger, BlockingTilia, list[str]], Awaitable[object]]


async def by_job(tilia: TiliaClient, _ledger: BlockLedger, _served: BlockingTilia, accounts: list[str]) -> object:
    return await tilia.bulk.unblock(accounts, "appeal", "ann", job_id="appeals")


async def by_calls(tilia: TiliaClient, _ledger: BlockLedger, _served: BlockingTilia, accounts: list[str]) -> object:
    return [await tilia.accounts.unblock(each, "appeal", "ann") for each in accounts]


async def by_tilia(_tilia: TiliaClient, ledger: BlockLedger, _served: BlockingTilia, accounts: list[str]) -> object:
    return [await ledger.apply(notification(each, blocked=False)) for each in accounts]


async def by_undo(tilia: TiliaClient, _ledger: BlockLedger, _served: BlockingTilia, accounts: list[str]) -> object:
    return await tilia.bulk.undo("wave")


async def by_undo_that_kept_them(
    tilia: TiliaClient, _ledger: BlockLedger, _served: BlockingTilia, accounts: list[str]
) -> object:
    await tilia.bulk.block(accounts, job_id="other")
    return await tilia.bulk.undo("wave")


async def perhaps(tilia: TiliaClient, _ledger: BlockLedger, served: BlockingTilia, accounts: list[str]) -> object:
    async def lose(_action: str, _account_id: str) -> Reply | None:
        return DROPPED

    served.after = lose
    for each in accounts:
        with pytest.raises(errors.OutcomeUnknownError):
            await tilia.accounts.unblock(each, "appeal", "ann")
    return None


@pytest.mark.parametrize("opposite", [by_job, by_calls, by_tilia, by_undo, by_undo_that_kept_them, perhaps])
async def test_what_was_undone_since_is_emitted_and_left_alone(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, opposite: Opposite
) -> None:
    accounts = ids(6)
    await tilia.bulk.block(accounts, "wave", "ops", job_id="wave")
    undone = accounts if opposite in {by_undo, by_undo_that_kept_them} else accounts[:4]
    await opposite(tilia, ledger, served, undone)
    served.sent.clear()
    report = await tilia.bulk.block(accounts, "wave", "ops", job_id="wave")
    rest = {"SKIPPED": 2} if len(undone) == 4 else {}
    assert (numbers(report), served.sent) == ({"OVERTAKEN": len(undone), **rest}, [])
    assert {item.account_id for item in report.failures} == set(undone)
    for item in report.failures:
        assert (item.outcome, item.attempts) == (BulkOutcome.OVERTAKEN, 0)
        assert item.error is not None
        assert ("perhaps" in str(item.error)) is (opposite is perhaps)
    assert set((await states(ledger, "wave")).values()) == {RecordState.CONFIRMED}, "what was confirmed was confirmed"


async def test_an_unblock_is_overtaken_by_a_block(tilia: TiliaClient, ledger: BlockLedger) -> None:
    await tilia.bulk.unblock(ids(3), job_id="appeals")
    await tilia.accounts.block("acct_0", "fraud")
    await ledger.apply(notification("acct_1"))
    assert numbers(await tilia.bulk.unblock(ids(3), job_id="appeals")) == {"OVERTAKEN": 2, "SKIPPED": 1}


async def test_what_was_unblocked_before_the_job_or_failed_to_be_overtakes_nothing(
    tilia: TiliaClient, served: BlockingTilia
) -> None:
    await tilia.bulk.unblock(ids(2))
    await tilia.bulk.block(ids(2), job_id="wave")

    async def refuse(_action: str, _account_id: str) -> Reply | None:
        return Reply(403, b'{"status":"Failure","message":["no"],"codes":[],"payload":null}')

    served.before = refuse
    assert numbers(await tilia.bulk.unblock(ids(2))) == {"REFUSED": 2}
    assert numbers(await tilia.bulk.block(ids(2), job_id="wave")) == {"SKIPPED": 2}


async def test_what_is_blocked_again_by_another_is_not_the_jobs_any_more(tilia: TiliaClient) -> None:
    await tilia.bulk.block(["acct_1"], job_id="wave")
    await tilia.accounts.unblock("acct_1")
    await tilia.accounts.block("acct_1", "fraud")
    assert numbers(await tilia.bulk.block(["acct_1"], job_id="wave")) == {"OVERTAKEN": 1}


# --- A job is what it was begun as --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"reason": "spam"}, "with the reason 'fraud', and this has the reason 'spam'"),
        ({"actor": "bob"}, "with the actor 'ann', and this has the actor 'bob'"),
        (
            {"review_at": SOON + timedelta(microseconds=1)},
            "review date 2030-01-02T01:04:05.678901.00:00, and this has the review date 2030-01-02T03:04:05.678902",
        ),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_another_job_under_the_same_name_is_refused(
    tilia: TiliaClient, served: BlockingTilia, other: dict[str, object], told: str, streamed: bool
) -> None:
    as_begun = {"reason": "fraud", "actor": "ann", "review_at": SOON, "job_id": "wave"}
    await tilia.bulk.block(ids(2), **as_begun)
    served.sent.clear()
    changed = {**as_begun, **other}
    begin = anext(tilia.bulk.stream_block(ids(4), **changed)) if streamed else tilia.bulk.block(ids(4), **changed)
    with pytest.raises(errors.ConfigurationError, match=told) as caught:
        await begin
    assert "'wave'" in str(caught.value)
    assert served.sent == []
    assert numbers(await tilia.bulk.block(ids(4), **as_begun)) == {"SKIPPED": 2, "DONE": 2}


@pytest.mark.parametrize("begun", ["block", "unblock"])
async def test_the_same_name_for_another_action_is_refused(
    tilia: TiliaClient, served: BlockingTilia, begun: str
) -> None:
    actions = {"block": tilia.bulk.block, "unblock": tilia.bulk.unblock}
    await actions.pop(begun)(ids(2), "fraud", job_id="wave")
    served.sent.clear()
    ((name, other),) = actions.items()
    with pytest.raises(errors.ConfigurationError, match=f"begun to {begun}, and this is to {name}"):
        await other(ids(2), "fraud", job_id="wave")
    assert served.sent == []


async def test_what_a_job_was_begun_without_is_another_thing_too(tilia: TiliaClient) -> None:
    await tilia.bulk.block(ids(1), job_id="wave")
    with pytest.raises(errors.ConfigurationError, match="with no reason, and this has the reason 'fraud'"):
        await tilia.bulk.block(ids(1), "fraud", job_id="wave")


async def test_what_is_left_out_stays_as_it_was(tilia: TiliaClient, ledger: BlockLedger) -> None:
    await tilia.bulk.block(ids(1), "fraud", "ann", review_at=SOON, job_id="wave")
    await tilia.bulk.block(ids(3), job_id="wave")
    records = [record async for record in ledger.records(job_id="wave")]
    assert {(record.reason, record.actor, record.review_at) for record in records} == {("fraud", "ann", SOON)}
    assert len(records) == 3


async def test_the_first_of_two_that_begin_at_once_decides(
    ledger: BlockLedger, url: str, served: BlockingTilia
) -> None:
    async with (
        hostile_server(served.serve) as server,
        BlockLedger.open(url) as second,
        client_of(server.template, ledger=ledger) as one,
        client_of(server.template, ledger=second) as other,
        asyncio.timeout(20),
    ):
        came = await asyncio.gather(
            one.bulk.block(ids(20), "fraud", "ann", job_id="wave"),
            other.bulk.block(ids(20), "fraud", "bob", job_id="wave"),
            return_exceptions=True,
        )
    assert [type(each) for each in came if isinstance(each, Exception)] == [errors.ConfigurationError]
    assert len({record.actor async for record in ledger.records(job_id="wave")}) == 1
    assert set(await states(ledger, "wave")) == set(ids(20))


async def test_jobs_without_a_name_and_without_a_ledger_are_as_free_as_ever(tilia: TiliaClient) -> None:
    for reason in ("fraud", "spam"):
        assert numbers(await tilia.bulk.block(ids(2), reason)) == {"DONE": 2}
