"""Answers of your server to errors of a call.

For any framework.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import attrs

from tilia_async import errors
from tilia_async.json_value import JsonValue

_log = logging.getLogger("tilia_async")

_STATUSES: Final[tuple[tuple[type[errors.TiliaError], HTTPStatus], ...]] = (
    (errors.InvalidRequestError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.NotFoundError, HTTPStatus.NOT_FOUND),
    (errors.ConflictError, HTTPStatus.CONFLICT),
    (errors.AccountBlockedError, HTTPStatus.FORBIDDEN),
    (errors.RateLimitedError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.ConnectError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.ClientClosedError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.DeadlineExceededError, HTTPStatus.GATEWAY_TIMEOUT),
    (errors.OutcomeUnknownError, HTTPStatus.GATEWAY_TIMEOUT),
    # What is wrong is here, and no caller of yours can do anything about it.
    (errors.UnauthorizedError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (errors.ConfigurationError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (errors.LedgerError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (errors.TokenError, HTTPStatus.BAD_GATEWAY),
    (errors.ApiError, HTTPStatus.BAD_GATEWAY),
    (errors.TransportError, HTTPStatus.BAD_GATEWAY),
)


@attrs.frozen
class ErrorAnswer:
    """Answer of your server to a call that failed.

    Attributes:
        body: as JSON: ``error`` (the class), ``operation``, ``took_effect``, and ``problems`` by field of a request
            that was refused here. No text of Tilia's: it may say what your users are not to read.
        headers: ``Retry-After``, if Tilia said so.
    """

    status: int
    body: dict[str, JsonValue]
    headers: Mapping[str, str]


def answer_to(error: errors.TiliaError) -> ErrorAnswer:
    """Return what your server answers, and log the error.

    Its class, operation and effect alone, which say nothing of the account; from 500 on as an error with its traceback.
    """
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    _log.log(
        logging.ERROR if failed else logging.INFO,
        "answered with %d: %s of %s, took effect: %s",
        *(status, type(error).__name__, error.operation or "no operation", error.took_effect),
        exc_info=error if failed else None,
    )
    body: dict[str, JsonValue] = {
        "error": type(error).__name__,
        "operation": error.operation,
        "took_effect": error.took_effect,
    }
    if isinstance(error, errors.InvalidRequestError):
        body["problems"] = {field: list[JsonValue](reasons) for field, reasons in error.problems.items()}
    wait: float | None = getattr(error, "retry_after", None)
    return ErrorAnswer(status, body, {} if wait is None else {"Retry-After": str(max(1, round(wait)))})
