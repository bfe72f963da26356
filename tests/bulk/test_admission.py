"""Accounts that come to the queue of a run. A stand-in says what the ledger answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import cast

import attrs
import pytest
from support.bulk_parts import Parts, job

from tilia_async import errors
from tilia_async.bulk import BulkOutcome
from tilia_async.bulk.admission import Admission
from tilia_async.bulk.ledger_run import Admitted, LedgerRun
from tilia_async.bulk.work_item import WorkItem
from tilia_async.ledger.claims import ExistingRecord
from tilia_async.ledger.record import RecordState

pytestmark = pytest.mark.asyncio

DONE_BEFORE = ExistingRecord(RecordState.CONFIRMED, None)


@attrs.define
class Scripted:
    """A ledger that answers in turn: mine, settled, or an error."""

    answers: deque[str]
    asked: int = 0

    async def admit(self, works: Sequence[WorkItem]) -> Admitted:
        self.asked += 1
        answer = self.answers.popleft()
        if answer == "error":
            raise errors.LedgerError("the disk is full")
        return Admitted(
            works if answer == "mine" else (),
            [(work, DONE_BEFORE) for work in works] if answer == "settled" else (),
        )


def admission(*answers: str) -> tuple[Admission, Parts, Scripted]:
    record = Scripted(deque(answers))
    parts = Parts(job())
    return Admission(cast(LedgerRun, record), parts.queue, parts.stop, parts.completion), parts, record


async def test_without_a_ledger_all_are_brought() -> None:
    parts = Parts()
    works = [WorkItem("acct_1"), WorkItem("acct_2")]
    await Admission(None, parts.queue, parts.stop, parts.completion).admit(works)
    assert [await parts.queue.take(), await parts.queue.take()] == works


@pytest.mark.parametrize(("answer", "brought", "told"), [("mine", 1, []), ("settled", 0, [BulkOutcome.SKIPPED])])
async def test_what_is_left_to_do_is_brought_and_what_is_settled_is_reported(
    answer: str, brought: int, told: list[BulkOutcome]
) -> None:
    admits, parts, _ = admission(answer)
    await admits.admit([WorkItem("acct_1")])
    assert (parts.queue.unfinished, [each.outcome for each in parts.items]) == (brought, told)


async def test_a_ledger_that_fails_stops_the_job_and_nothing_is_brought() -> None:
    admits, parts, _ = admission("error")
    await admits.admit([WorkItem("acct_1")])
    assert isinstance(parts.stop.cause, errors.LedgerError)
    assert parts.queue.unfinished == 0


async def test_a_job_that_stops_asks_for_nothing_more() -> None:
    admits, parts, record = admission()
    parts.stop.call(RuntimeError("enough"))
    await admits.admit([WorkItem("acct_1")])
    assert (record.asked, parts.queue.unfinished) == (0, 0)
