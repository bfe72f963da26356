"""The types of what errors carry. Type checkers read this file (``nox -s types``); nobody runs it."""

from collections.abc import Mapping
from typing import assert_type

from tilia_async import errors
from tilia_async.bulk import BulkReport
from tilia_async.models import RegisteredAccount


def every(error: errors.TiliaError) -> None:
    assert_type(error.args, tuple[object, ...])
    assert_type(error.operation, str | None)
    assert_type(error.took_effect, bool | None)
    assert_type(error.reference, Mapping[str, str])
    assert_type(error.explain(), str)


def refused(error: errors.ApiError) -> None:
    assert_type(error.status, int)
    assert_type(error.codes, tuple[str, ...])
    assert_type(error.messages, tuple[str, ...])
    assert_type(error.field_errors, dict[str, tuple[str, ...]])
    assert_type(error.attempts, int)
    assert_type(error.retryable, bool)


def told_apart(error: errors.TiliaError) -> None:
    if isinstance(error, errors.InvalidRequestError):
        assert_type(error.problems, dict[str, list[str]])
    elif isinstance(error, errors.MissingScopeError):
        assert_type(error.needed, frozenset[str])
        assert_type(error.granted, frozenset[str])
    elif isinstance(error, errors.AccountBlockedError):
        assert_type(error.account_id, str)
    elif isinstance(error, errors.AccountExistsError):
        assert_type(error.account, RegisteredAccount | None)
    elif isinstance(error, errors.BulkStoppedError):
        assert_type(error.report, BulkReport)
        assert_type(error.cause, errors.TiliaError)
        assert_type(error.job_id, str)


def waits(limited: errors.RateLimitedError, broken: errors.ServerError, token: errors.TokenError) -> None:
    assert_type(limited.retry_after, float | None)
    assert_type(broken.retry_after, float | None)
    assert_type(token.retry_after, float | None)


def caught_as_the_standard_ones() -> tuple[type[ValueError], type[ConnectionError], type[TimeoutError]]:
    return errors.InvalidRequestError, errors.ConnectError, errors.DeadlineExceededError
