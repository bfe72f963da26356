"""The next attempt: if there is one, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilia_async import Operation, Repeat, RetryPolicy, Service, errors
from tilia_async.wire.retry import Decision, backoff, decide

SAFE = Operation("a.safe", "POST", Service.ACCOUNTS, "/s", dict, scopes=(), repeat=Repeat.SAFE)
KEYED = Operation("a.keyed", "POST", Service.ACCOUNTS, "/k", dict, scopes=(), repeat=Repeat.KEYED)
NEVER = Operation("a.never", "POST", Service.ACCOUNTS, "/n", dict, scopes=(), repeat=Repeat.NEVER)


def decided(
    operation: Operation[object],
    failure: errors.TiliaError,
    *,
    attempt: int = 1,
    remaining: float = 100.0,
    policy: RetryPolicy | None = None,
) -> Decision:
    return decide(operation, policy or RetryPolicy(), failure, attempt=attempt, remaining=remaining, draw=0.5)


@pytest.mark.parametrize("operation", [SAFE, KEYED])
@pytest.mark.parametrize(
    "failure",
    [
        errors.ConnectError("x"),
        errors.OutcomeUnknownError("x", took_effect=None),
        errors.TransportError("x"),
        errors.ServerError(status=500, took_effect=None),
        errors.ServerError(status=503, took_effect=None),
        errors.RateLimitedError(status=429),
        errors.ResponseDecodeError("x", status=200, took_effect=None),
        errors.ApiError(status=200, took_effect=None),
        errors.ApiError(status=202, took_effect=None),
    ],
)
def test_what_may_be_repeated_is_repeated_until_the_attempts_are_used_up(
    operation: Operation[object], failure: errors.TiliaError
) -> None:
    assert decided(operation, failure).wait is not None
    assert decided(operation, failure, attempt=2).wait is not None
    assert decided(operation, failure, attempt=3).wait is None


@pytest.mark.parametrize(
    "failure",
    [
        errors.OutcomeUnknownError("x", took_effect=None),
        errors.ServerError(status=500, took_effect=None),
        errors.RateLimitedError(status=429),
        errors.ResponseDecodeError("x", status=200, took_effect=None),
        errors.ApiError(status=200, took_effect=None),
    ],
)
def test_a_never_operation_is_not_sent_again_once_it_may_have_been_sent(failure: errors.TiliaError) -> None:
    assert decided(NEVER, failure).wait is None


def test_a_key_in_use_is_waited_for() -> None:
    """The first attempt is still worked on at Tilia, although the connection is gone."""
    in_use = errors.ConflictError(status=409)
    assert [decided(each, in_use).wait is None for each in (KEYED, SAFE, NEVER)] == [False, True, True]


def test_a_never_operation_is_sent_again_when_nothing_was_sent() -> None:
    assert decided(NEVER, errors.ConnectError("x")).wait is not None


@pytest.mark.parametrize(
    "failure",
    [
        errors.NotFoundError(status=404),
        errors.BadRequestError(status=400),
        errors.ForbiddenError(status=403),
        errors.ApiError(status=405),
        errors.ServerError(status=501, took_effect=None),
        errors.ApiError(status=302, took_effect=None),
        # A read that is told no: there is no doubt to clear up.
        errors.ApiError(status=200),
        errors.ResponseDecodeError("x", status=200, took_effect=True),
        errors.ClientClosedError("x"),
    ],
)
def test_what_would_come_again_is_not_repeated(failure: errors.TiliaError) -> None:
    assert decided(SAFE, failure).wait is None


@pytest.mark.parametrize(("asked", "waits"), [(0.0, True), (60.0, True), (60.5, False), (1e12, False)])
def test_retry_after_is_waited_out_up_to_the_limit(asked: float, waits: bool) -> None:
    failure = errors.RateLimitedError(status=429)
    failure.retry_after = asked
    decision = decided(SAFE, failure)
    assert (decision.wait is not None) is waits
    assert decision.wait is None or decision.wait >= asked


def test_a_wait_that_does_not_fit_into_the_deadline_is_not_begun() -> None:
    failure = errors.RateLimitedError(status=429)
    failure.retry_after = 5.0
    decision = decided(SAFE, failure, remaining=4.9)
    assert decision.wait is None
    assert "4.90 s" in decision.why


@given(
    st.integers(1, 10_000),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_the_wait_never_exceeds_the_cap(attempt: int, draw: float, initial: float, maximum: float) -> None:
    assert 0 <= backoff(RetryPolicy(initial=initial, maximum=maximum), attempt, draw) <= maximum


def test_the_wait_doubles() -> None:
    waits = [backoff(RetryPolicy(initial=0.2, maximum=5), attempt, 1.0) for attempt in range(1, 8)]
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])
