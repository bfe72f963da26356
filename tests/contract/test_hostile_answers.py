"""Any answer to any operation comes to a model or to an error of ours that tells the truth."""

from __future__ import annotations

import json
import pickle
import types
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Union, get_args, get_origin

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.counts import count
from support.good_answers import GOOD
from support.money_samples import CAPTURED
from support.odd_json import bodies

from tilia_async import Environment, Operation, Repeat, RetryPolicy, errors
from tilia_async.api import OPERATIONS
from tilia_async.secret import Secret
from tilia_async.transport.requestor import new_key
from tilia_async.wire.envelope import RawResponse
from tilia_async.wire.redactor import Redactor
from tilia_async.wire.request import build
from tilia_async.wire.response import Success, interpret
from tilia_async.wire.retry import decide

THERE = Environment.at("http://127.0.0.1:1/{service}")
EXAMPLES = [20, pytest.param(1_000, marks=[pytest.mark.nightly, pytest.mark.timeout(1_200)])]
SOME_CLASSES = {
    400: errors.BadRequestError,
    401: errors.UnauthorizedError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.UnprocessableError,
    429: errors.RateLimitedError,
}
MASK = Redactor.of([Secret("id_1"), Secret("e")])
EXPIRED = b"token is expired"

statuses = st.sampled_from(
    [200, 200, 200, 200, 201, 202, 204, 206, 299, 301, 302, 304, 308, 400, 401, 403, 404, 409, 418, 422, 429, 499,
     500, 502, 503, 599, 600, 990, 999, 100, 101, 199, 0]
)  # fmt: skip
waits = st.sampled_from(
    ["", " ", "0", "1", "1.5", ".", "-1", "1e9", "NaN", "inf", "٣", "9" * 5_000, "0x10", "1, 2", "soon", "\udcff",
     "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 99999 23:59:59 GMT",
     "Mon, 01 Jan 0001 00:00:00 +2359", "Mon, 01 Jan 0000 00:00:00 GMT", "Wed, 21 Oct 2015 07:28:00 +9999999999"]
) | st.text(max_size=30)  # fmt: skip


def test_every_operation_has_a_good_answer_to_start_from() -> None:
    assert GOOD.keys() == OPERATIONS.keys()
    for name, operation in OPERATIONS.items():
        outcome = judged(operation, RawResponse(200, {}, _json(GOOD[name])))
        assert isinstance(outcome, Success), name
        assert fits(outcome.value, operation.returns), name


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_outcome_is_a_model_or_an_error_that_tells_the_truth(name: str, examples: int) -> None:
    operation = OPERATIONS[name]

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )
    @given(status=statuses, body=bodies(GOOD[name]), wait=waits, doubtful=st.booleans())
    def tried(status: int, body: bytes, wait: str, doubtful: bool) -> None:
        nonlocal inputs
        inputs += 1
        outcome = judged(operation, RawResponse(status, {"Retry-After": wait}, body), doubtful=doubtful)
        if isinstance(outcome, Success):
            assert 200 <= status < 300
            assert fits(outcome.value, operation.returns)
            looks_well(outcome.value)
        else:
            tells_the_truth(outcome, operation, status, body, doubtful=doubtful)

    inputs = 0
    tried()
    count("fuzz inputs", inputs)


@pytest.mark.parametrize(
    "depth", [110, 100_000, *(pytest.param(each, marks=pytest.mark.nightly) for each in (140, 300, 900, 1_010))]
)
@pytest.mark.parametrize("status", [200, 403, 500])
def test_depth_is_refused_before_it_can_blow_up(status: int, depth: int) -> None:
    """Outside of hypothesis, which raises Python's limit of recursion for its tests."""
    lists, maps = b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth
    for name, operation in OPERATIONS.items():
        whole = _json(GOOD[name])
        for deep in (lists, maps):
            inside = [
                b'{"status":"Success","message":%b,"payload":%b}' % (deep, deep),
                b'{"status":"Failure","codes":[%b],"message":[%b],"payload":{"errors":{"f":[%b]}}}'
                % (deep, deep, deep),
                b'{"error":[%b]}' % deep,
                whole[:-1] + b',"metadata":%b}' % deep,
                whole.replace(b'"integrator"', b'"metadata": %b, "provider_data": %b, "x"' % (deep, deep)),
            ]
            for body in (deep, *inside):
                outcome = judged(operation, RawResponse(status, {}, body))
                if isinstance(outcome, Success):
                    looks_well(outcome.value)
                    assert depth < 128 or deep not in body
                else:
                    tells_the_truth(outcome, operation, status, body, doubtful=False)
                count("fuzz inputs")


@pytest.mark.parametrize("order", ["9" * 5_000, "-1", 1e300, [], {}, True, "soon"], ids=lambda order: str(order)[:9])
def test_an_odd_place_among_the_line_items_loses_no_invoice(order: object) -> None:
    items = {name: {**item, "sort_order": order} for name, item in CAPTURED["line_items"].items()}
    for lines in (items, list(items.values())):
        body = _json({"status": "Success", "payload": {**CAPTURED, "state": "SUCCESS", "line_items": lines}})
        outcome = judged(OPERATIONS["invoices.pay"], RawResponse(200, {}, body))
        assert isinstance(outcome, Success)
        assert len(outcome.value.line_items) == len(items)


def asked(operation: Operation[Any]) -> dict[str, str]:
    """The ids of the good answer, so that it answers the question."""
    good: Any = GOOD[operation.name].get("payload", GOOD[operation.name])
    only = good[0] if isinstance(good, list) else good
    told = {name: only.get(fields[0]) for name, fields in operation.echoes}
    return {name: told.get(name) or "id_1" for name in operation.parameters}


def judged(
    operation: Operation[Any], answer: RawResponse, *, doubtful: bool = False
) -> Success[Any] | errors.TiliaError:
    request = build(operation, THERE, path=asked(operation), new_key=new_key(operation))
    attempts = 2 if doubtful else 1
    masked = interpret(
        operation, request, answer, attempts=attempts, doubtful=doubtful, now=datetime.now(UTC), mask=MASK
    )
    outcome = interpret(operation, request, answer, attempts=attempts, doubtful=doubtful, now=datetime.now(UTC))
    assert type(masked) is type(outcome), "what a mask hides does not change what happened"
    return outcome


def tells_the_truth(
    error: errors.TiliaError, operation: Operation[Any], status: int, body: bytes, *, doubtful: bool
) -> None:
    assert isinstance(error, errors.ApiError | errors.ResponseDecodeError)
    assert error.operation == operation.name
    assert error.status == status
    text = str(error)
    assert text.startswith(f"{operation.name}: {status}")
    assert text.isprintable()
    assert len(text) < 2_000
    assert repr(error)
    assert error.remedy in error.explain()
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.took_effect) == (type(error), text, error.took_effect)
    assert error.took_effect in effects(error, operation, status, body, doubtful=doubtful)
    if not 200 <= status < 300:
        assert isinstance(error, SOME_CLASSES.get(status, errors.ServerError if status >= 500 else errors.ApiError))
    if isinstance(error, errors.RateLimitedError):
        assert error.retry_after is None or 0 <= error.retry_after < float("inf")
    if isinstance(error, errors.ApiError) and error.retryable and operation.repeat is Repeat.NEVER:
        assert error.took_effect is False
    decision = decide(operation, RetryPolicy(), error, attempt=1, remaining=30, draw=0.5)
    assert decision.wait is None or 0 <= decision.wait < 30


def effects(
    error: errors.TiliaError, operation: Operation[Any], status: int, body: bytes, *, doubtful: bool
) -> set[bool | None]:
    """Effects that the error may name."""
    if operation.method == "GET":
        return {False}
    if isinstance(error, errors.ResponseDecodeError):
        return {True, None} if b"Success" in body or b"payload" in body else {None}
    refused: bool | None = None if doubtful else False
    if status in SOME_CLASSES:
        return {refused}
    # Tilia's word that the token is expired means under any status that the request was refused.
    return {None, refused} if EXPIRED in body else {None}


def fits(value: object, declared: Any) -> bool:
    """The value is of the type that the model declares."""
    origin, arguments = get_origin(declared), get_args(declared)
    if declared in {object, Any}:
        return True
    if origin in {Union, types.UnionType}:
        return any(fits(value, each) for each in arguments)
    if origin in {list, tuple}:
        return type(value) is origin and all(fits(each, arguments[0]) for each in value)
    if origin in {dict, Mapping} or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return isinstance(value, dict) and all(fits(each, arguments[1]) for each in value.values())
    if attrs.has(declared):
        attrs.resolve_types(declared)
        return type(value) is declared and all(
            fits(getattr(value, field.name), field.type) for field in attrs.fields(declared)
        )
    if declared is datetime:
        return isinstance(value, datetime) and value.utcoffset() == timedelta(0)
    if issubclass(declared, Enum):
        return isinstance(value, declared)
    return type(value) is declared


def looks_well(value: object) -> None:
    """Everything that a caller may do with a model works."""
    assert repr(value)
    assert pickle.loads(pickle.dumps(value)) == value
    for model in models(value):
        for name in dir(type(model)):
            if isinstance(getattr(type(model), name, None), property):
                getattr(model, name)


def models(value: object) -> Iterable[object]:
    """The models in a value, at any depth."""
    if attrs.has(type(value)):
        yield value
        for field in attrs.fields(type(value)):
            yield from models(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from models(each)
    elif isinstance(value, dict):
        yield from models(list(value.values()))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
