"""Meanings of a call's end, by its error alone.

No request is sent.
"""

from __future__ import annotations

from time import monotonic

import pytest
from support.bulk_parts import AT_ONCE, Parts, job

from tilia_async import RetryPolicy, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.bulk.circuit_breaker import MOST_UNANSWERED
from tilia_async.bulk.failure_policy import Meaning, meaning_of, state_of
from tilia_async.bulk.work_item import WorkItem
from tilia_async.ledger.record import RecordState


def page(error: errors.ApiError) -> errors.ApiError:
    error.structured = False
    return error


@pytest.mark.parametrize(
    ("failure", "meaning"),
    [
        (errors.ResponseDecodeError("odd", took_effect=True), Meaning.DONE),
        (errors.RateLimitedError(), Meaning.THROTTLED),
        (errors.ServerError(status=503), Meaning.THROTTLED),
        (page(errors.ServerError(status=503)), Meaning.THROTTLED),
        (errors.UnauthorizedError(), Meaning.TOKEN_REFUSED),
        (errors.MissingScopeError(), Meaning.TOKEN_REFUSED),
        (page(errors.UnauthorizedError()), Meaning.NO_ANSWER),
        (page(errors.NotFoundError()), Meaning.NO_ANSWER),
        (errors.NotFoundError(), Meaning.FINAL),
        (errors.ForbiddenError(), Meaning.FINAL),
        (errors.BadRequestError(retryable=True), Meaning.NO_ANSWER),
        (errors.ServerError(status=500), Meaning.NO_ANSWER),
        (errors.ConnectError("away"), Meaning.NO_ANSWER),
        (errors.OutcomeUnknownError("who knows"), Meaning.NO_ANSWER),
        (errors.LedgerError("the disk is full"), Meaning.JOB),
        (errors.ConfigurationError("no such file"), Meaning.JOB),
        (errors.InvalidRequestError({"reason": ["is empty"]}, operation="a.b"), Meaning.JOB),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else each.name,
)
def test_each_error_has_one_meaning(failure: errors.TiliaError, meaning: Meaning) -> None:
    assert meaning_of(failure) is meaning


@pytest.mark.parametrize(
    ("failure", "doubtful", "state"),
    [
        (errors.NotFoundError(), False, RecordState.NOT_FOUND),
        (errors.NotFoundError(), True, RecordState.NOT_FOUND),
        (errors.ForbiddenError(), False, RecordState.REFUSED),
        (errors.ForbiddenError(), True, RecordState.UNKNOWN),
        (errors.ConnectError("away"), True, RecordState.UNKNOWN),
    ],
)
def test_an_earlier_attempt_may_have_taken_effect(
    failure: errors.TiliaError, doubtful: bool, state: RecordState
) -> None:
    work = WorkItem("acct_1")
    work.doubtful = doubtful
    assert state_of(work, failure) is state


@pytest.mark.asyncio
async def test_a_final_answer_settles_the_account_and_clears_the_token() -> None:
    parts = Parts()
    suspect, answered = await parts.sent("acct_1"), await parts.sent("acct_2")
    suspect.failure = refusal = errors.UnauthorizedError()
    await parts.policy.failed(suspect, refusal, monotonic())
    assert parts.items == []
    await parts.policy.failed(answered, errors.NotFoundError(), monotonic())
    assert [(each.account_id, each.outcome) for each in parts.items] == [
        ("acct_1", BulkOutcome.REFUSED),
        ("acct_2", BulkOutcome.NOT_FOUND),
    ]
    assert (parts.queue.unfinished, parts.slots.unsettled, parts.stop.called) == (0, 0, False)


@pytest.mark.asyncio
async def test_a_suspect_holds_no_slot_and_counts_as_unfinished() -> None:
    parts = Parts()
    work = await parts.sent()
    await parts.policy.failed(work, errors.UnauthorizedError(), monotonic())
    assert (parts.queue.unfinished, parts.queue.idle, parts.slots.unsettled) == (1, True, 0)
    assert parts.policy.probe.suspects == [work]


@pytest.mark.asyncio
async def test_whom_no_answer_came_for_is_tried_as_often_as_the_retry_says() -> None:
    parts = Parts()
    work, failure = await parts.sent(), errors.ConnectError("away")
    for attempt in range(1, AT_ONCE.attempts):
        work.attempts = attempt
        await parts.policy.failed(work, failure, monotonic())
        assert await parts.queue.take() is work
    work.attempts = AT_ONCE.attempts
    await parts.policy.failed(work, failure, monotonic())
    assert [each.outcome for each in parts.items] == [BulkOutcome.FAILED]


@pytest.mark.asyncio
async def test_many_given_up_in_a_row_stop_the_job_with_the_last_ones_error() -> None:
    parts = Parts(job(retry=RetryPolicy(attempts=1), concurrency=MOST_UNANSWERED))
    last = errors.ConnectError("away for good")
    for number in range(MOST_UNANSWERED - 1):
        await parts.policy.failed(await parts.sent(f"acct_{number}"), errors.ConnectError("away"), monotonic())
    assert not parts.stop.called
    await parts.policy.failed(await parts.sent(), last, monotonic())
    assert parts.stop.cause is last


@pytest.mark.asyncio
async def test_an_error_that_is_the_jobs_stops_it() -> None:
    parts = Parts()
    failure = errors.LedgerError("the disk is full")
    await parts.policy.failed(await parts.sent(), failure, monotonic())
    assert parts.stop.cause is failure
    assert [each.outcome for each in parts.items] == [BulkOutcome.FAILED]


@pytest.mark.asyncio
async def test_an_account_that_alone_is_throttled_is_given_up_and_the_others_go_first() -> None:
    parts = Parts()
    poisoned, failure = await parts.sent("acct_x"), errors.RateLimitedError()
    await parts.policy.failed(poisoned, failure, monotonic())
    for number in range(AT_ONCE.attempts):
        assert await parts.queue.take() is poisoned
        other = await parts.sent(f"acct_{number}")
        await parts.policy.succeeded(other, monotonic(), None)
        await parts.policy.failed(poisoned, failure, monotonic())
    assert [each.account_id for each in parts.items if each.outcome is BulkOutcome.FAILED] == ["acct_x"]


def test_a_longer_wait_than_the_retry_allows_stops_the_job() -> None:
    parts = Parts()
    failure = errors.RateLimitedError()
    failure.retry_after = AT_ONCE.retry_after_limit + 1
    parts.policy.hear(failure, monotonic())
    assert parts.stop.cause is failure


def test_a_throttled_call_slows_the_job_and_a_final_answer_does_not() -> None:
    parts = Parts(job(concurrency=8))
    parts.policy.hear(errors.NotFoundError(), monotonic())
    assert parts.limit.limit == 8
    parts.policy.hear(errors.RateLimitedError(), monotonic())
    assert parts.limit.limit == 4
