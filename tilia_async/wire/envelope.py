"""Reading of envelopes: the payload, or the error.

Both come from status and body.

The shapes are those of the fact sheets "accounts" (D2, D3) and "money" (0.3, 0.4): answers with and without an
envelope, ``message`` and ``codes`` as list, list with nulls, null or absent, and seven shapes of errors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import attrs

from tilia_async import errors
from tilia_async.json_value import JsonValue
from tilia_async.wire import json_reader
from tilia_async.wire.effect import REFUSALS, AttemptResult, answered, took_effect
from tilia_async.wire.operation import Operation, Repeat
from tilia_async.wire.redactor import NO_REDACTION, Redactor, named_secrets

SUCCESS: Final = "Success"
_FAILURES: Final = ("Failure", "Failed")
_COMPLAINTS: Final = ("error", "errors", "error_description")
TOKEN_EXPIRED: Final = "token is expired"  # noqa: S105 - no password
_BLOCKED: Final = "account is blocked ("
_LONGEST_TEXT: Final = 2_000
_LARGEST_KEPT: Final = 262_144
_MOST_TEXTS: Final = 100
"""An error is for people.

What is larger is clipped, because masking it would hold up the loop.
"""

_ERRORS: Final[Mapping[int, type[errors.ApiError]]] = {
    400: errors.BadRequestError,
    401: errors.UnauthorizedError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.UnprocessableError,
    429: errors.RateLimitedError,
}


@attrs.define
class RawResponse:
    """An HTTP answer as it came.

    Attributes:
        body: None if it could not be read to its end.
        defect: why it could not.
        cause: the exception behind that, as text.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes | None = attrs.field(repr=False)
    defect: str = ""
    cause: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class NoResponse:
    """An attempt that ended without an HTTP answer.

    Attributes:
        sent: the request, or a part of it, may have reached the server.
        reason: what happened, told without secrets.
        cause: the exception behind it, as text: its type, message and place.
        lasting: the same would happen again, until somebody changes something.
    """

    sent: bool
    reason: str
    cause: str | None = attrs.field(default=None, repr=False)
    lasting: bool = False


@attrs.define
class Opened:
    """An answer with its envelope taken off.

    Attributes:
        success: an envelope that says so, or a 2xx without an envelope that complains of nothing.
        payload: what the envelope held, or the whole body if there is none.
        has_payload: there is one, be it null.
        codes, messages: of the envelope, without nulls and empty texts; the messages of a success are left out.
        confirmed: an envelope says Success in so many words.
        body: all of the answer, its envelope included.
    """

    success: bool
    payload: JsonValue
    codes: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    confirmed: bool = False
    has_payload: bool = True
    body: JsonValue = None


def read_json(answer: RawResponse) -> JsonValue:
    """Return the body as JSON.

    Raises:
        ValueError: it could not be read to its end, is not JSON, or is nested too deeply.
    """
    if answer.body is None:
        raise ValueError(answer.defect)
    if not answer.body:
        raise ValueError("it is empty")
    return json_reader.loads(answer.body)


def payload_of(body: JsonValue) -> JsonValue:
    """Return the payload of a plain success.

    The envelope says Success and nothing else, as most do; None if it does not.

    ``open_envelope`` finds the same payload in it, and no code. It is asked about all others, of which null is one.
    """
    if type(body) is not dict or body.get("status") != SUCCESS or body.get("codes") or not _ENVELOPE.issuperset(body):
        return None
    payload = body.get("payload")
    if type(payload) is dict and payload.keys().isdisjoint(_COMPLAINTS):
        return None if "status" in payload and payload["status"] in _FAILURES else payload
    return None if _complains(payload) else payload


_ENVELOPE: Final = frozenset({"status", "message", "messages", "codes", "payload"})


def open_envelope(body: JsonValue, *, success: bool = True) -> Opened:
    """Take the envelope off, if there is one.

    A bare escrow has a ``status`` of its own, so a ``status`` makes an envelope only together with one of its other
    keys, or with a word that only envelopes have; ``payload`` alone does, as in the idempotency errors.

    Args:
        success: the HTTP status says so.
    """
    if not isinstance(body, dict):
        return Opened(success, body, body=body)
    said = body.get("status", SUCCESS)
    has_texts = "codes" in body or "message" in body or "messages" in body
    has_word = "status" in body and (has_texts or said == SUCCESS or said in _FAILURES)
    complains = _complains(body)
    if "payload" not in body and not has_word:
        return Opened(success and not complains, body, _texts(body.get("codes")), body=body)
    payload = body.get("payload")
    if success and said == SUCCESS and not complains and not _complains(payload):
        # The messages of a success are for nobody.
        codes = _texts(body.get("codes"))
        return Opened(True, payload, codes, confirmed="status" in body, has_payload="payload" in body, body=body)
    messages = (*_texts(body.get("message")), *_texts(body.get("messages")))
    if complains:
        texts, _ = _complaints(body)
        messages += texts
    return Opened(False, payload, _texts(body.get("codes")), messages, body=body)


def _complains(part: JsonValue) -> bool:
    """Return True if the envelope complains.

    It has an error in it, or says Failure, whatever else it says: an error that is empty does not count.
    """
    if not isinstance(part, dict):
        return False
    if part.get("status") in _FAILURES:
        return True
    if part.keys().isdisjoint(_COMPLAINTS):
        return False
    said = [part[name] for name in _COMPLAINTS if name in part]
    return any(each is True or (isinstance(each, str | list | dict) and bool(each)) for each in said)


def token_expired(payload: JsonValue) -> bool:
    """Return True if Tilia calls the token expired.

    It is not documented under which status (fact sheet "guides", G1).
    """
    return isinstance(payload, dict) and payload.get("error") == TOKEN_EXPIRED


def api_error(
    operation: Operation[object],
    answer: RawResponse,
    *,
    reference: Mapping[str, str],
    attempts: int,
    now: datetime,
    doubtful: bool = False,
    mask: Redactor = NO_REDACTION,
) -> errors.ApiError:
    """Return the error that an answer means.

    Its HTTP status decides the class.

    Args:
        now: when it came, with a time zone, for a ``Retry-After`` that is a date.
    """
    says_no = False
    try:
        body = read_json(answer)
        opened = open_envelope(body, success=False)
        messages, field_errors = _complaints(opened.payload)
        structured = True
        says_no = isinstance(body, dict) and body.get("status", SUCCESS) != SUCCESS
    except ValueError:
        # An HTML page of a proxy, or nothing at all: its beginning is worth keeping, but it is nobody's message.
        opened, messages, field_errors = Opened(False, mask.beginning(answer.body, _LONGEST_TEXT)), (), {}
        structured = False
    mask = mask.and_of(named_secrets(opened.payload))
    status = answer.status
    error_class = _ERRORS.get(status, errors.ServerError if status >= 500 else errors.ApiError)
    account_id = _blocked_account(messages) if status == 403 else None
    if account_id is not None:
        error_class = errors.AccountBlockedError
    if status == 409 and operation.conflict is not None:
        error_class = errors.AccountExistsError
    is_withheld = operation.confidential and (not structured or status not in REFUSALS)
    if is_withheld:
        # It may hold what it would hold if it said yes, in whatever text; but an envelope that says no says why.
        texts = (*opened.messages, *messages) if says_no else ()
        opened, messages, field_errors = Opened(False, _kept_of_withheld(opened.payload), opened.codes), texts, {}
    happened = AttemptResult.REFUSED if token_expired(opened.payload) else answered(status, success=False)
    effect = took_effect(operation, happened, doubtful=doubtful)
    error = error_class(
        status=status,
        operation=operation.name,
        codes=mask.texts(opened.codes[:_MOST_TEXTS]),
        messages=mask.texts((*opened.messages, *messages)[:_MOST_TEXTS]),
        payload=opened.payload if is_withheld else _kept(opened.payload, answer, mask),
        field_errors={
            mask.text(field): mask.texts(texts[:_MOST_TEXTS])
            for field, texts in itertools.islice(field_errors.items(), _MOST_TEXTS)
        },
        attempts=attempts,
        # A call that is made again has another idempotency key, so in doubt a key makes nothing safe.
        retryable=may_be_answered_later(operation, status, effect)
        and (effect is False or operation.repeat is Repeat.SAFE),
        took_effect=effect,
        reference=reference,
    )
    error.structured = structured
    if isinstance(error, errors.AccountBlockedError):
        error.account_id = account_id or ""
    if isinstance(error, errors.RateLimitedError | errors.ServerError):
        error.retry_after = retry_after(answer.headers, now)
    return error


def _kept_of_withheld(payload: JsonValue) -> JsonValue:
    return {"error": TOKEN_EXPIRED} if token_expired(payload) else None


def undecodable(
    operation: Operation[object],
    answer: RawResponse,
    why: str,
    *,
    reference: Mapping[str, str],
    confirmed: bool = False,
    doubtful: bool = False,
    mask: Redactor = NO_REDACTION,
) -> errors.ResponseDecodeError:
    """Return the error for an unusable 2xx.

    It cannot be read, or cannot be believed.

    Args:
        why: what is wrong with it, without what it must not repeat.
        confirmed: its envelope says Success, and only the payload has another shape than expected.
    """
    try:
        payload = None if operation.confidential else _kept(open_envelope(read_json(answer)).payload, answer, mask)
    except ValueError:
        payload = None if operation.confidential else mask.beginning(answer.body, _LONGEST_TEXT)
    happened = AttemptResult.SUCCEEDED if confirmed else AttemptResult.UNREADABLE
    error = errors.ResponseDecodeError(
        why,
        status=answer.status,
        payload=payload,
        operation=operation.name,
        took_effect=took_effect(operation, happened, doubtful=doubtful),
        reference=reference,
    )
    error.cause = mask.cause(answer.cause)
    return error


def _kept(payload: JsonValue, answer: RawResponse, mask: Redactor) -> JsonValue:
    """Return the payload as an error keeps it.

    Masked, or only its beginning as text.
    """
    is_large = answer.body is not None and len(answer.body) > _LARGEST_KEPT
    return mask.beginning(answer.body, _LONGEST_TEXT) if is_large else mask.json(payload)


def missing_scope(
    error: errors.UnauthorizedError, *, needed: Iterable[str], granted: Iterable[str]
) -> errors.MissingScopeError:
    """Return the error for a fresh token's refusal.

    Told as what it most likely is.
    """
    missing = errors.MissingScopeError(
        needed=needed,
        granted=granted,
        status=error.status,
        operation=error.operation,
        codes=error.codes,
        messages=error.messages,
        payload=error.payload,
        field_errors=error.field_errors,
        attempts=error.attempts,
        retryable=error.retryable,
        took_effect=error.took_effect,
        reference=error.reference,
    )
    missing.structured = error.structured
    return missing


_PASSING: Final = frozenset({408, 425, 429, 444, 460, 499, 500, 502, 503, 504})


def may_succeed_later(status: int) -> bool:
    """Return True for a status that may pass.

    It tells of a passing state, not of this request.
    """
    return status in _PASSING


def may_be_answered_later(operation: Operation[object], status: int, effect: bool | None) -> bool:
    """Return True for an operation's status that may pass.

    It tells of a passing state of this operation.

    A key is "in use" (409) as long as an earlier attempt is worked on, although its connection is gone. A 2xx that
    leaves a write in doubt says too little, as one that cannot be read does.
    """
    in_doubt = effect is None and 200 <= status < 300
    return in_doubt or may_succeed_later(status) or (status == 409 and operation.repeat is Repeat.KEYED)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for.

    Given as a number or as a date; None if it cannot be read.
    """
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.replace(".", "", 1).isdecimal() and value.isascii():
        seconds = float(value)
        return seconds if seconds < float("inf") else None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    date = date.replace(tzinfo=UTC) if date.tzinfo is None else date
    return max(0.0, (date - now).total_seconds())


def _texts(value: JsonValue) -> tuple[str, ...]:
    if not value:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(item if isinstance(item, str) else str(item) for item in value if item not in (None, ""))
    return ()


def _complaints(payload: JsonValue) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return the texts in a failure's payload.

    The texts, and the texts by field.
    """
    if isinstance(payload, str):
        return _texts(payload), {}
    if not isinstance(payload, dict):
        return (), {}
    by_field = payload.get("errors")
    fields = {name: _texts(texts) for name, texts in by_field.items()} if isinstance(by_field, dict) else {}
    named = (payload.get("error"), payload.get("error_description"), None if isinstance(by_field, dict) else by_field)
    return _flatten(_texts(text) for text in named), fields


def _flatten(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(text for group in groups for text in group)


def _blocked_account(messages: Iterable[str]) -> str | None:
    for message in messages:
        if message.startswith(_BLOCKED):
            return message.removeprefix(_BLOCKED).partition(")")[0]
    return None
