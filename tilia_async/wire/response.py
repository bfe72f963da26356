"""Interpretation of one attempt's response.

A value, or the error that is true.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Generic, TypeVar

import attrs

from tilia_async import errors
from tilia_async.json_value import JsonValue
from tilia_async.wire import envelope, json_reader
from tilia_async.wire.agreement import agrees, contradiction, needed, refusal, shortfall
from tilia_async.wire.codec import PayloadError, decode
from tilia_async.wire.effect import AttemptResult, took_effect
from tilia_async.wire.envelope import NoResponse, Opened, RawResponse
from tilia_async.wire.operation import Operation
from tilia_async.wire.redactor import NO_REDACTION, Redactor
from tilia_async.wire.request import WireRequest

T = TypeVar("T")


@attrs.frozen
class Response(Generic[T]):
    """An answer of Tilia with its details.

    Attributes:
        value: the typed result, as the operation's method returns it.
        payload: the JSON it was read from, without the envelope.
        status: the HTTP status.
        headers: the HTTP headers, looked up without regard to case.
        attempts: how many times the request was sent.
        elapsed: seconds for the whole call, tokens and waits included.
    """

    value: T = attrs.field(hash=False)
    payload: JsonValue = attrs.field(repr=False, hash=False)
    status: int
    headers: Mapping[str, str] = attrs.field(repr=False, hash=False)
    attempts: int
    elapsed: float


@attrs.define
class Success(Generic[T]):
    """The typed value of an answer, with its payload.

    The payload that it was read from.
    """

    value: T
    payload: JsonValue = attrs.field(repr=False)
    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)


def well(operation: Operation[T], request: WireRequest, answer: RawResponse) -> Success[T] | None:
    """Return the value of a plainly good answer.

    Most are; None: it is for ``interpret`` to say.

    What this returns, ``interpret`` returns, too; but that has to know all the ways in which an answer may be odd.
    """
    required = needed(operation.returns)  # type: ignore[arg-type]  # a type can be hashed
    if answer.status != _OK or not answer.body or not required or operation.essential:
        return None
    try:
        payload = envelope.payload_of(json_reader.loads(answer.body))
        if payload is None:
            return None
        value = decode(payload, operation.returns)
    except ValueError:
        return None
    if not agrees(operation, request.asked, value, required, payload):
        return None
    return Success(value, payload, answer.status, answer.headers)


_OK: Final = 200


def interpret(
    operation: Operation[T],
    request: WireRequest,
    answer: RawResponse | NoResponse,
    *,
    attempts: int,
    doubtful: bool,
    now: datetime,
    mask: Redactor = NO_REDACTION,
) -> Success[T] | errors.TiliaError:
    """Return the value of an attempt, or the error.

    Args:
        attempts: how many times the request was sent, this time included.
        doubtful: an earlier attempt of the same call may have taken effect.
        now: when the attempt ended, with a time zone, for a ``Retry-After`` that is a date.
        mask: the secrets that an error must not repeat, whatever the answer does.
    """
    outcome = _judge(operation, request, answer, attempts=attempts, doubtful=doubtful, now=now, mask=mask)
    if isinstance(outcome, errors.TiliaError):
        admit_inference(operation, outcome)
    return outcome


def admit_inference(operation: Operation[object], error: errors.TiliaError) -> None:
    """Say in the error which facts are only inferred.

    The facts of the operation, where they may be what went wrong.
    """
    suspects = frozenset[str]() if operation.evidence is None else operation.evidence.inferred & _suspects(error)
    if operation.evidence is not None and suspects:
        errors.add_inferred(error, suspects, operation.evidence.note)


def _suspects(error: errors.TiliaError) -> frozenset[str]:
    """Return the facts that may explain such a failure.

    The facts of a declaration that it may be due to.
    """
    if isinstance(error, errors.ApiError):
        return _BY_STATUS.get(error.status, frozenset())
    if isinstance(error, errors.ResponseDecodeError):
        return frozenset({"answer"})
    return frozenset({"host"}) if isinstance(error, errors.ConnectError) else frozenset()


_BY_STATUS = {
    400: frozenset({"body"}),
    401: frozenset({"scope"}),
    403: frozenset({"scope"}),
    404: frozenset({"host", "path"}),
    405: frozenset({"host", "path"}),
}


def _judge(
    operation: Operation[T],
    request: WireRequest,
    answer: RawResponse | NoResponse,
    *,
    attempts: int,
    doubtful: bool,
    now: datetime,
    mask: Redactor,
) -> Success[T] | errors.TiliaError:
    if isinstance(answer, NoResponse):
        return no_answer(operation, request, answer, doubtful=doubtful, mask=mask)
    if not 200 <= answer.status < 300:
        return _refusal(operation, request, answer, attempts=attempts, doubtful=doubtful, now=now, mask=mask)
    confirmed = False
    try:
        opened = _opened(operation, answer)
        # A code is the word of an error, so a write that has one beside its Success is in doubt.
        if not opened.success or (opened.codes and not operation.reads):
            return _refusal(operation, request, answer, attempts=attempts, doubtful=doubtful, now=now, mask=mask)
        confirmed = opened.confirmed
        read = _read(operation, request, answer, opened)
        if isinstance(read, Success):
            return read
        why, confirmed = mask.text(read.why), confirmed and not read.denied
    except ValueError as error:
        why = f"the answer cannot be read: {mask.text(str(error))}"
    return envelope.undecodable(
        operation, answer, why, reference=request.reference, confirmed=confirmed, doubtful=doubtful, mask=mask
    )


@attrs.frozen
class _Odd:
    """An answer that is not a value.

    Attributes:
        denied: it says the opposite, or is about something else, so its envelope's word is worth nothing.
    """

    why: str
    denied: bool = False


def _read(operation: Operation[T], request: WireRequest, answer: RawResponse, opened: Opened) -> Success[T] | _Odd:
    payload = opened.payload
    try:
        value = decode(payload, operation.returns)
    except PayloadError as error:
        # What cannot be read may say no all the same.
        denied = contradiction(operation, request.asked, payload, payload) or refusal(operation, opened)
        odd = _Odd(f"the answer cannot be read: {error}")
    else:
        denied = contradiction(operation, request.asked, value, payload) or refusal(operation, opened)
        missing = shortfall(operation, opened, value)
        if missing is denied is None:
            return Success(value, payload, answer.status, answer.headers)
        odd = _Odd(f"the answer is incomplete: {missing}")
    return odd if denied is None else _Odd(f"the answer contradicts itself or its request: {denied}", denied=True)


def _opened(operation: Operation[object], answer: RawResponse) -> Opened:
    """Open an envelope, which may be empty.

    An operation that returns nothing may be answered with nothing, where that is its documented success.
    """
    if answer.body == b"" and operation.returns is type(None) and answer.status in operation.success & _WITHOUT_BODY:
        return Opened(True, None, confirmed=True)
    return envelope.open_envelope(envelope.read_json(answer))


_WITHOUT_BODY = frozenset({204, 205})


def _refusal(
    operation: Operation[T],
    request: WireRequest,
    answer: RawResponse,
    *,
    attempts: int,
    doubtful: bool,
    now: datetime,
    mask: Redactor,
) -> errors.ApiError:
    error = envelope.api_error(
        operation, answer, reference=request.reference, attempts=attempts, now=now, doubtful=doubtful, mask=mask
    )
    if isinstance(error, errors.AccountExistsError) and operation.conflict is not None:
        # A 409 to a registration carries the account that is there; without one it still says that there is one.
        with contextlib.suppress(PayloadError):
            found = decode(error.payload, operation.conflict)
            if contradiction(operation, request.asked, found, error.payload) is None:
                error.account = found
    return error


def no_answer(
    operation: Operation[T], request: WireRequest, ended: NoResponse, *, doubtful: bool, mask: Redactor = NO_REDACTION
) -> errors.TransportError:
    """Return the error for an attempt without answer."""
    happened = AttemptResult.NO_ANSWER if ended.sent else AttemptResult.NOT_SENT
    effect = took_effect(operation, happened, doubtful=doubtful)
    error: type[errors.TransportError]
    if effect is None:
        error, what = (
            errors.OutcomeUnknownError,
            "sent, and no answer came" if ended.sent else "an earlier attempt was sent",
        )
    elif ended.sent:
        error, what = errors.TransportError, "no answer came"
    else:
        error, what = errors.ConnectError, "not sent"
    failure = error(
        f"{what}: {ended.reason}", operation=operation.name, took_effect=effect, reference=request.reference
    )
    failure.cause = mask.cause(ended.cause)
    if isinstance(failure, errors.ConnectError):
        failure.lasting = ended.lasting
    return failure


def out_of_time(
    operation: Operation[T], request: WireRequest, ended: NoResponse, *, doubtful: bool
) -> errors.TransportError:
    """Return the error for a call out of time."""
    happened = AttemptResult.NO_ANSWER if ended.sent else AttemptResult.NOT_SENT
    effect = took_effect(operation, happened, doubtful=doubtful)
    error = errors.OutcomeUnknownError if effect is None else errors.DeadlineExceededError
    return error(ended.reason, operation=operation.name, took_effect=effect, reference=request.reference)
