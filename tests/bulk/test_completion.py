"""Completion of an account: its item, record and slot.

The record is a stand-in that writes when the test says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import anyio
import attrs
import pytest
from support.bulk_parts import Parts, job

from tilia_async import errors
from tilia_async.bulk import BulkItem, BulkOutcome
from tilia_async.bulk.ledger_run import LedgerRun
from tilia_async.bulk.work_item import WorkItem
from tilia_async.ledger.claims import ExistingRecord
from tilia_async.ledger.record import BlockAction, BlockRecord, RecordSource, RecordState

pytestmark = pytest.mark.asyncio

UNDONE = BlockRecord(
    account_id="acct_1",
    action=BlockAction.UNBLOCK,
    state=RecordState.CONFIRMED,
    source=RecordSource.BULK,
    issuer="publisher",
    requested_at=datetime(2026, 11, 29, tzinfo=UTC),
    job_id="undo-wave-7",
)


@attrs.define
class SlowRecord:
    """A record that is on disk when ``write`` is called."""

    staying: dict[str, tuple[BlockRecord, ...]] = attrs.field(factory=dict)
    given: list[tuple[str, RecordState]] = attrs.field(factory=list)
    told: list[Callable[[BaseException | None], bool]] = attrs.field(factory=list)

    def settle(
        self,
        work: WorkItem,
        state: RecordState,
        _error: str | None,
        told: Callable[[BaseException | None], bool],
        *,
        waiting: int,
    ) -> None:
        assert waiting >= 0
        self.given.append((work.account_id, state))
        self.told.append(told)

    def write(self, failure: BaseException | None = None) -> None:
        for told in self.told:
            told(failure)
        self.told.clear()


def recorded() -> tuple[Parts, SlowRecord]:
    record = SlowRecord()
    return Parts(job(record=cast(LedgerRun, record))), record


def outcomes(parts: Parts) -> list[BulkOutcome]:
    return [each.outcome for each in parts.items]


async def test_without_a_ledger_an_account_is_emitted_at_once() -> None:
    parts = Parts()
    await parts.completion.finish(await parts.sent(), RecordState.CONFIRMED, None)
    assert parts.items == [BulkItem("acct_1", BulkOutcome.DONE, None, 1)]
    assert (parts.queue.unfinished, parts.slots.unsettled) == (0, 0)


async def test_with_one_nothing_is_emitted_before_it_is_on_disk() -> None:
    parts, record = recorded()
    async with anyio.create_task_group() as parts.completion.tellers:
        await parts.completion.finish(await parts.sent(), RecordState.CONFIRMED, None)
        assert (record.given, parts.items) == ([("acct_1", RecordState.CONFIRMED)], [])
        # It is no worker's any more, and still counts as what a kill would send again.
        assert (parts.queue.unfinished, parts.slots.waiting) == (0, 1)
        settled = asyncio.ensure_future(parts.completion.settled())
        await asyncio.sleep(0)
        assert not settled.done()
        record.write()
        await settled
    assert (outcomes(parts), parts.slots.unsettled) == ([BulkOutcome.DONE], 0)


async def test_who_was_not_sent_waits_for_the_record() -> None:
    parts, record = recorded()
    work = WorkItem("acct_1")
    parts.queue.bring([work])
    async with anyio.create_task_group() as parts.completion.tellers:
        finishing = asyncio.ensure_future(parts.completion.finish(work, RecordState.FAILED, errors.TiliaError("no")))
        await asyncio.sleep(0)
        assert not finishing.done()
        record.write()
        await finishing
    assert outcomes(parts) == [BulkOutcome.FAILED]


async def test_what_cannot_be_written_stops_the_job() -> None:
    parts, record = recorded()
    full = errors.LedgerError("the disk is full")
    async with anyio.create_task_group() as parts.completion.tellers:
        await parts.completion.finish(await parts.sent(), RecordState.CONFIRMED, None)
        record.write(full)
        await parts.completion.settled()
    assert parts.stop.cause is full


async def test_an_account_in_doubt_says_so_though_its_last_attempt_changed_nothing() -> None:
    parts = Parts()
    failure = errors.ForbiddenError()
    await parts.completion.finish(await parts.sent(), RecordState.UNKNOWN, failure)
    (item,) = parts.items
    assert item.outcome is BulkOutcome.UNKNOWN
    assert item.error is not None
    assert (item.error.took_effect, failure.took_effect) == (None, False)


async def test_an_account_that_is_given_again_while_it_is_in_hand_is_sent_once_and_emitted_twice() -> None:
    parts, record = recorded()
    first, again = await parts.sent(), WorkItem("acct_1")
    assert parts.completion.new([first]) == [first]
    assert parts.completion.new([again, WorkItem("acct_2")]) != [again]
    async with anyio.create_task_group() as parts.completion.tellers:
        await parts.completion.finish(first, RecordState.CONFIRMED, None)
        record.write()
        await parts.completion.settled()
    assert [(each.account_id, each.outcome) for each in parts.items] == [
        ("acct_1", BulkOutcome.DONE),
        ("acct_1", BulkOutcome.SKIPPED),
    ]
    # It is in hand no longer.
    later = WorkItem("acct_1")
    assert parts.completion.new([later]) == [later]


@pytest.mark.parametrize(
    ("found", "outcome", "took_effect"),
    [
        (ExistingRecord(RecordState.CONFIRMED, None), BulkOutcome.SKIPPED, None),
        (ExistingRecord(RecordState.NOT_FOUND, "404"), BulkOutcome.NOT_FOUND, False),
        (ExistingRecord(RecordState.UNKNOWN, "no answer"), BulkOutcome.UNKNOWN, None),
        (ExistingRecord(RecordState.CONFIRMED, None, overtaken_by=UNDONE), BulkOutcome.OVERTAKEN, True),
        (ExistingRecord(RecordState.FAILED, "no", overtaken_by=UNDONE), BulkOutcome.OVERTAKEN, False),
    ],
)
async def test_what_an_earlier_run_left_on_record_is_emitted(
    found: ExistingRecord, outcome: BulkOutcome, took_effect: bool | None
) -> None:
    parts = Parts()
    await parts.completion.finish_as_found(WorkItem("acct_1"), found)
    (item,) = parts.items
    assert item.outcome is outcome
    assert (item.error.took_effect if item.error is not None else None) is took_effect


async def test_a_sink_that_fails_stops_the_job_with_its_own_error() -> None:
    parts = Parts()
    broken = RuntimeError("my disk is full")

    def sink(_item: BulkItem) -> None:
        raise broken

    parts.completion._sink = sink
    await parts.completion.finish(await parts.sent(), RecordState.CONFIRMED, None)
    assert parts.stop.cause is broken
    assert parts.completion.tally.total == 1
