"""Two block ids are two blocks, and two clocks make doubt: an undoing and a later run of a job say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import attrs
import orjson
import pytest
from support.blocking import BlockingTilia, ledger, nothing, notification, served, tilia, url
from support.job_reports import numbers
from support.scripted import DROPPED, Reply, failing

from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, RecordSource
from tilia_async.webhooks import AccountBlockChanged, parse_event

pytestmark = pytest.mark.asyncio

__all__ = ["ledger", "served", "tilia", "url"]

X = "acct_x"


def told(*block_ids: str | None, after: float | None = 0.0, issuer: str | None = "publisher") -> AccountBlockChanged:
    """A report of blocks, sent that many seconds from now; None: of a state."""
    blocks = [{"account_id": X, "block_id": each, "capability": "login", "issuer": issuer} for each in block_ids]
    envelope: dict[str, object] = {
        "event_name": "account-block-unblock-webhook",
        "bucket_key": "staging",
        "message": {"account_id": X, "is_blocked": True, "blocks": blocks},
    }
    if after is not None:
        envelope["sent_at"] = (datetime.now(UTC) + timedelta(seconds=after)).isoformat()
    event = parse_event(orjson.dumps(envelope))
    assert isinstance(event, AccountBlockChanged)
    return event


Report = Callable[[], AccountBlockChanged]


async def apply(ledger: BlockLedger, reports: Sequence[Report]) -> None:
    """Enter them as of now; one that is there several times is delivered several times."""
    made = {id(each): each() for each in reports}
    for each in reports:
        await ledger.apply(made[id(each)])


# --- Whose echo -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "events",
    [
        [partial(told, "blk_1", after=0.5), partial(told, "blk_2", after=200)],
        [partial(told, "blk_2", after=200), partial(told, "blk_1", after=0.5)],
        [partial(told, "blk_1", after=0.5), partial(told, "blk_2", after=600)],
        [partial(told, "blk_1", after=10), partial(told, "blk_2", after=15)],
        [partial(told, "blk_1", after=10), partial(told, "blk_2", after=15, issuer=None)],
        [partial(told, "blk_1", "blk_2", after=10)],
        [partial(told, "blk_1", None, after=10)],
        [partial(told, "blk_1", after=None), partial(told, "blk_2", after=None)],
        [partial(told, "blk_1", after=10), partial(told, "blk_1", "blk_2", after=None)],
        [partial(told, "blk_9", after=600)],
        [partial(told, None, after=10), partial(told, None, after=600)],
    ],
)
async def test_a_block_that_may_be_anothers_stays(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, events: Sequence[Report]
) -> None:
    await tilia.bulk.block([X], job_id="mistake")
    await apply(ledger, events)
    report = await tilia.bulk.undo("mistake")
    assert (numbers(report), served.blocked) == ({"KEPT": 1}, {X})
    (why,) = report.failures[0].also_blocked_by
    assert (why.source, why.issuer in {"publisher", "unknown"}) == (RecordSource.WEBHOOK, True)


async def test_two_blocks_of_one_second_are_two(tilia: TiliaClient, ledger: BlockLedger) -> None:
    await tilia.bulk.block([X], job_id="mistake")
    first = told("blk_1")
    same_second = attrs.evolve(told("blk_2"), sent_at=first.sent_at)
    await ledger.apply(first)
    await ledger.apply(same_second)
    assert numbers(await tilia.bulk.undo("mistake")) == {"KEPT": 1}


@pytest.mark.parametrize(
    "events",
    [
        [partial(told, "blk_1", after=0.5)] * 4,
        [partial(told, "blk_1", after=50)],
        [partial(told, "blk_1", after=-50)],
        [partial(told, None, after=10), partial(told, None, after=12, issuer=None)],
        [partial(told, "blk_1", after=None), partial(told, "blk_1", after=None)],
        [partial(told, "blk_1", after=1), partial(told, "blk_1", after=600), partial(told, "blk_1", after=None)],
        [partial(told, "blk_1", after=1), partial(told, "blk_1", after=5, issuer=None)],
        [partial(told, None, after=None)],
    ],
)
async def test_the_jobs_own_block_is_its_echo_however_often_it_is_reported(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, events: Sequence[Report]
) -> None:
    await tilia.bulk.block([X], job_id="mistake")
    await apply(ledger, events)
    assert (numbers(await tilia.bulk.undo("mistake")), served.blocked) == ({"DONE": 1}, set())
    assert [each async for each in ledger.blocked()] == []


async def test_a_block_that_was_reported_before_the_job_is_not_the_jobs_when_it_is_reported_again(
    tilia: TiliaClient, ledger: BlockLedger
) -> None:
    await ledger.apply(told("blk_0", after=-1))
    await tilia.bulk.block([X], job_id="mistake")
    await ledger.apply(told("blk_0", after=1))
    report = await tilia.bulk.undo("mistake")
    assert (numbers(report), len(report.failures[0].also_blocked_by)) == ({"KEPT": 1}, 1)


async def test_each_block_of_yours_has_an_echo_and_so_has_one_that_was_placed_again(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia
) -> None:
    await tilia.bulk.block([X], job_id="mistake")
    await ledger.apply(told("blk_1"))

    async def block_meanwhile(action: str, _account_id: str) -> Reply | None:
        if action == "unblock":
            await tilia.bulk.block([X], "fraud", job_id="for cause")
            await ledger.apply(told("blk_2"))
        return None

    served.before = block_meanwhile
    assert numbers(await tilia.bulk.undo("mistake")) == {"KEPT": 1}
    served.before = nothing
    await ledger.apply(told("blk_3"))
    assert numbers(await tilia.bulk.undo("for cause")) == {"DONE": 1}
    assert served.blocked == set()


async def test_what_was_kept_at_once_has_no_echo(tilia: TiliaClient, ledger: BlockLedger) -> None:
    for job_id in ("mistake", "for cause"):
        await tilia.bulk.block([X], job_id=job_id)
        await ledger.apply(told(f"blk_{job_id}"))
    assert numbers(await tilia.bulk.undo("mistake")) == {"KEPT": 1}
    await ledger.apply(told("blk_3"))
    assert numbers(await tilia.bulk.undo("for cause")) == {"KEPT": 1}


async def test_an_unblock_names_a_block_of_another_id(tilia: TiliaClient, ledger: BlockLedger) -> None:
    await tilia.bulk.block([X], job_id="wave")
    await apply(ledger, [partial(told, "blk_1", after=-2), partial(told, "blk_2", after=-1)])
    (item,) = (await tilia.bulk.unblock([X])).overlaps
    assert [each.source for each in item.also_blocked_by] == [RecordSource.WEBHOOK, RecordSource.BULK]


@pytest.mark.parametrize("issuer", ["tilia", "publisher", None])
async def test_a_block_that_is_told_twice_is_one(tilia: TiliaClient, ledger: BlockLedger, issuer: str | None) -> None:
    await apply(ledger, [partial(told, "blk_1", after=-2, issuer=issuer), partial(told, "blk_1", issuer=issuer)])
    report = await tilia.bulk.unblock([X])
    assert (numbers(report), report.overlaps) == ({"DONE": 1}, ())


async def test_the_echo_of_a_block_of_yours_hides_no_report_that_it_is_tilias(
    tilia: TiliaClient, ledger: BlockLedger
) -> None:
    await tilia.bulk.block([X], job_id="mistake")
    await apply(ledger, [partial(told, "blk_1", after=1), partial(told, "blk_1", after=2, issuer="tilia")])
    assert numbers(await tilia.bulk.undo("mistake")) == {"KEPT": 1}


async def test_of_two_blocks_each_counts_once_however_they_are_reported(
    tilia: TiliaClient, ledger: BlockLedger
) -> None:
    await apply(ledger, [partial(told, "blk_1", after=-3), partial(told, "blk_1", "blk_2", after=-2)])
    await apply(ledger, [partial(told, "blk_2", after=-1), partial(told, None)])
    (item,) = (await tilia.bulk.unblock([X])).overlaps
    assert len(item.also_blocked_by) == 3, "the one without an id may be another"


# --- What a job has left to do ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [DROPPED, failing(500)])
@pytest.mark.parametrize("freed_by", ["undo", "call", "job", "tilia"])
async def test_who_was_freed_since_is_not_blocked_by_a_job_that_goes_on(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, reply: Reply, freed_by: str
) -> None:
    async def lose(_action: str, _account_id: str) -> Reply | None:
        return reply

    served.after = lose
    assert numbers(await tilia.bulk.block([X], job_id="wave")) == {"UNKNOWN": 1}
    served.after = nothing
    if freed_by == "undo":
        await tilia.bulk.undo("wave")
    elif freed_by == "call":
        await tilia.accounts.unblock(X)
    elif freed_by == "job":
        await tilia.bulk.unblock([X])
    else:
        served.blocked.clear()
        await ledger.apply(notification(X, blocked=False))
    for _ in range(2):
        served.sent.clear()
        report = await tilia.bulk.block([X], job_id="wave")
        assert (numbers(report), served.sent, served.blocked) == ({"OVERTAKEN": 1}, [], set())
        (item,) = report.failures
        assert item.outcome is BulkOutcome.OVERTAKEN
        assert "unblocked since" in str(item.error)
        assert item.error is not None
        assert item.error.took_effect is None


async def test_what_failed_is_left_alone_too_and_what_is_without_an_opposite_is_done(
    tilia: TiliaClient, served: BlockingTilia
) -> None:
    async def fail(_action: str, account_id: str) -> Reply | None:
        return failing(400)

    served.before = fail
    assert numbers(await tilia.bulk.block([X, "acct_y"], job_id="wave")) == {"FAILED": 2}
    served.before = nothing
    await tilia.accounts.unblock(X)
    report = await tilia.bulk.block([X, "acct_y"], job_id="wave")
    assert (numbers(report), served.blocked) == ({"OVERTAKEN": 1, "DONE": 1}, {"acct_y"})
    assert report.failures[0].error is not None
    assert report.failures[0].error.took_effect is False


async def test_an_opposite_of_which_nobody_knows_overtakes_nothing_that_is_left_to_do(
    tilia: TiliaClient, served: BlockingTilia
) -> None:
    async def lose(_action: str, _account_id: str) -> Reply | None:
        return DROPPED

    served.before = lose
    assert numbers(await tilia.bulk.block([X], job_id="wave")) == {"UNKNOWN": 1}
    assert numbers(await tilia.bulk.unblock([X])) == {"UNKNOWN": 1}
    served.before = nothing
    assert numbers(await tilia.bulk.block([X], job_id="wave")) == {"DONE": 1}


async def test_what_a_run_has_in_hand_when_it_is_unblocked_is_left_alone_by_the_next_run(
    tilia: TiliaClient, served: BlockingTilia
) -> None:
    go_on, arrived = asyncio.Event(), asyncio.Event()

    async def wait(action: str, _account_id: str) -> Reply | None:
        if action == "block":
            arrived.set()
            await go_on.wait()
        return None

    served.after = wait
    async with asyncio.timeout(20):
        first = asyncio.create_task(tilia.bulk.block([X], job_id="wave"))
        await arrived.wait()
        await tilia.accounts.unblock(X)
        with pytest.raises(errors.ConfigurationError, match="the job 'wave' runs at .*: wait for its end"):
            await tilia.bulk.block([X], job_id="wave")
        go_on.set()
        assert numbers(await first) == {"DONE": 1}
        (item,) = (await tilia.bulk.block([X], job_id="wave")).failures
    assert (item.outcome, getattr(item.error, "took_effect", None)) == (BulkOutcome.OVERTAKEN, True)


# --- Two clocks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "outcome"), [(30, "OVERTAKEN"), (58, "OVERTAKEN"), (90, "SKIPPED")])
async def test_an_unblocking_by_a_clock_that_is_behind_is_doubt(
    tilia: TiliaClient, ledger: BlockLedger, seconds: int, outcome: str
) -> None:
    await tilia.bulk.block([X], job_id="wave")
    sent_at = datetime.now(UTC) - timedelta(seconds=seconds)
    await ledger.apply(notification(X, blocked=False, sent_at=sent_at))
    report = await tilia.bulk.block([X], job_id="wave")
    assert numbers(report) == {outcome: 1}
    assert all("perhaps unblocked since" in str(item.error) for item in report.failures)
    assert [each.account_id async for each in ledger.blocked()] == [X], "in doubt it is blocked"
    assert numbers(await tilia.bulk.undo("wave")) == {"DONE": 1}


async def test_an_unblocking_that_was_reported_before_the_job_is_no_doubt(
    tilia: TiliaClient, ledger: BlockLedger
) -> None:
    await ledger.apply(notification(X, blocked=False))
    await tilia.bulk.block([X], job_id="wave")
    assert numbers(await tilia.bulk.block([X], job_id="wave")) == {"SKIPPED": 1}


async def test_the_late_echo_of_a_block_that_was_lifted_since_overtakes_nothing(
    tilia: TiliaClient, ledger: BlockLedger
) -> None:
    await tilia.bulk.block([X], job_id="mistake")
    late = told("blk_1", after=0)
    await tilia.bulk.undo("mistake")
    await ledger.apply(late)
    assert numbers(await tilia.bulk.undo("mistake")) == {"SKIPPED": 1}
