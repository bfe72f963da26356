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

DONE_BEFORE = ExistingRecord(RecordState.CONFIRMED, None, settled=True)


@attrs.define
class Scripted:
    """A ledger that answers in turn: mine, settled, held, or an error."""

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
            works if answer == "held" else (),
        )


def admission(*answers: str) -> tuple[Admission, Parts, Scripted]:
    record = Scripted(deque(answers))
    parts = Parts(job())
    return Admission(cast(LedgerRun, record), parts.queue, parts.stop, parts.completion), parts, record


async def test_without_a_ledger_all_are_brought() -> None:
    parts = Parts()
    works = [WorkItem("acct_1"), WorkItem("acct_2")]
    assert await Admission(None, parts.queue, parts.stop, parts.completion).admit(works) == []
    assert [await parts.queue.take(), await parts.queue.take()] == works


async def test_only_what_is_this_runs_is_brought_and_what_is_settled_is_emitted() -> None:
    one = WorkItem("acct_1")
    for answer, brought, told, left in (
        ("mine", 1, [], []),
        ("settled", 0, [BulkOutcome.SKIPPED], []),
        ("held", 0, [], [one]),
    ):
        admits, parts, _ = admission(answer)
        assert await admits.admit([one]) == left
        assert (parts.queue.unfinished, [each.outcome for each in parts.items]) == (brought, told)


async def test_a_ledger_that_fails_stops_the_job_and_nothing_is_brought() -> None:
    admits, parts, _ = admission("error")
    one = WorkItem("acct_1")
    assert await admits.admit([one]) == [one]
    assert isinstance(parts.stop.cause, errors.LedgerError)
    assert parts.queue.unfinished == 0


async def test_what_another_run_has_is_asked_for_again_until_few_enough_are_left() -> None:
    admits, parts, record = admission("held", "mine")
    works = [WorkItem("acct_1"), WorkItem("acct_2")]
    assert await admits.wait_for(works, 2) == works
    assert record.asked == 0
    assert await admits.wait_for(works, 1) == []
    assert (record.asked, parts.queue.unfinished) == (2, 2)


async def test_a_job_that_stops_waits_for_nobody() -> None:
    admits, parts, record = admission()
    parts.stop.call(RuntimeError("enough"))
    works = [WorkItem("acct_1")]
    assert await admits.wait_for(works, 0) == works
    assert record.asked == 0


@pytest.mark.parametrize(
    ("answers", "is_back", "unfinished", "told"),
    [
        (["mine"], True, 1, []),
        (["held", "mine"], True, 1, []),
        (["held", "settled"], False, 0, [BulkOutcome.SKIPPED]),
        (["error"], True, 1, []),
    ],
    ids=["mine", "held, then mine", "held, then settled", "an error"],
)
async def test_a_claim_that_ended_is_claimed_again_or_the_account_is_anothers(
    answers: list[str], is_back: bool, unfinished: int, told: list[BulkOutcome]
) -> None:
    admits, parts, record = admission(*answers)
    work = await parts.sent()
    parts.completion.sent.add(work)
    await admits.claim_again(cast(LedgerRun, record), work)
    assert parts.queue.idle is not is_back
    assert (parts.queue.unfinished, [each.outcome for each in parts.items]) == (unfinished, told)
    assert (work in parts.completion.sent) is is_back
    assert parts.stop.called is ("error" in answers)
