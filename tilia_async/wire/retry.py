"""Decisions on retries: whether, and after how long."""

from __future__ import annotations

import attrs

from tilia_async import errors
from tilia_async.config import RetryPolicy
from tilia_async.wire.envelope import may_be_answered_later
from tilia_async.wire.operation import Operation, Repeat


@attrs.frozen
class Decision:
    """Decision to send again, or to stop.

    Wait that many seconds and send again, or stop (None), and why.
    """

    wait: float | None
    why: str


def decide(
    operation: Operation[object],
    policy: RetryPolicy,
    failure: errors.TiliaError,
    *,
    attempt: int,
    remaining: float,
    draw: float,
) -> Decision:
    """Judge one failed attempt.

    Args:
        attempt: how many attempts were made, this one included.
        remaining: seconds that the call has left.
        draw: a number in [0, 1) that spreads the waits of many clients (full jitter).
    """
    why_not = _never_again(operation, failure)
    if why_not is not None:
        return Decision(None, why_not)
    if attempt >= policy.attempts:
        return Decision(None, f"all {policy.attempts} attempts are used up")
    wait = backoff(policy, attempt, draw)
    asked = failure.retry_after if isinstance(failure, errors.RateLimitedError | errors.ServerError) else None
    if asked is not None:
        if asked > policy.retry_after_limit:
            return Decision(None, f"Retry-After asks for {asked:g} s; {policy.retry_after_limit:g} s are the most")
        wait = max(wait, asked)
    if wait >= remaining:
        return Decision(None, f"{wait:.2f} s of waiting do not fit into the {remaining:.2f} s that are left")
    return Decision(wait, f"attempt {attempt + 1} of {policy.attempts} follows in {wait:.2f} s")


def backoff(policy: RetryPolicy, attempt: int, draw: float) -> float:
    """Return the wait after that attempt.

    It is evenly distributed between 0 and a limit that doubles each time.
    """
    # The exponent is bounded because 2.0 ** 1024 overflows.
    return draw * min(policy.maximum, policy.initial * 2.0 ** min(attempt - 1, 64))


def _never_again(operation: Operation[object], failure: errors.TiliaError) -> str | None:
    if isinstance(failure, errors.ConnectError):
        return "it would fail again until something is changed" if failure.lasting else None
    if operation.repeat is Repeat.NEVER:
        return "the operation is not repeated once it may have been sent"
    if isinstance(failure, errors.ApiError):
        passing = may_be_answered_later(operation, failure.status, failure.took_effect)
        return None if passing else f"status {failure.status} would come again"
    if isinstance(failure, errors.ResponseDecodeError):
        return "the write is confirmed" if failure.took_effect is True else None
    if isinstance(failure, errors.OutcomeUnknownError) or type(failure) is errors.TransportError:
        return None
    return f"{type(failure).__name__} would come again"
