"""Frozen values can be put into a set, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
import orjson
import pytest
from support.good_answers import GOOD

from tilia_async import Environment, LineItem, Recipient, RequestOptions
from tilia_async.api import OPERATIONS
from tilia_async.bulk import BulkOutcome, BulkProgress, BulkReport
from tilia_async.transport.requestor import new_key
from tilia_async.wire.envelope import RawResponse
from tilia_async.wire.request import build
from tilia_async.wire.response import Response, Success, interpret

THERE = Environment.at("http://127.0.0.1:1/{service}")


def models(value: object) -> Iterator[Any]:
    if attrs.has(type(value)):
        yield value
        for field in attrs.fields(type(value)):
            yield from models(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from models(each)
    elif isinstance(value, dict):
        yield from models(list(value.values()))


def answer(name: str) -> Any:
    operation = OPERATIONS[name]
    good: Any = GOOD[name].get("payload", GOOD[name])
    only = good[0] if isinstance(good, list) else good
    asked = {each: only.get(fields[0]) for each, fields in operation.echoes}
    path = {each: asked.get(each) or "id_1" for each in operation.parameters}
    outcome = interpret(
        operation,
        build(operation, THERE, path=path, new_key=new_key(operation)),
        RawResponse(200, {}, orjson.dumps(GOOD[name])),
        attempts=1,
        doubtful=False,
        now=datetime.now(UTC),
    )
    assert isinstance(outcome, Success)
    return outcome.value


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_model_of_an_answer_can_be_hashed(name: str) -> None:
    one, other = list(models(answer(name))), list(models(answer(name)))
    assert one == other
    assert [hash(model) for model in one] == [hash(model) for model in other]
    assert set(one) == set(other)


def test_what_hashes_alike_need_not_be_equal_and_what_is_equal_hashes_alike() -> None:
    one, other = ({**answer_of("accounts.get"), "blocked_capabilities": blocked} for blocked in ({}, {"login": [1]}))
    assert read(one) != read(other)
    assert {read(one), read(other)} == {read(other), read(one)}
    assert len({read(one), read(one), read(other)}) == 2


def answer_of(name: str) -> dict[str, Any]:
    payload: dict[str, Any] = GOOD[name]["payload"]
    return payload


def read(payload: dict[str, Any]) -> Any:
    operation = OPERATIONS["accounts.get"]
    request = build(operation, THERE, path={"account_id": payload["account_id"]}, new_key=new_key(operation))
    body = orjson.dumps({"status": "Success", "payload": payload})
    outcome = interpret(
        operation, request, RawResponse(200, {}, body), attempts=1, doubtful=False, now=datetime.now(UTC)
    )
    assert isinstance(outcome, Success)
    return outcome.value


def test_what_a_caller_makes_or_gets_can_be_hashed() -> None:
    recipient = Recipient(amount=5, currency="USD", metadata={"a": [1]})
    counts = dict.fromkeys(BulkOutcome, 0)
    for each in (
        recipient,
        LineItem(
            amount=5, currency="USD", transaction_type="user_to_user", recipients=[recipient], metadata={"a": [1]}
        ),
        RequestOptions(headers={"X": "y"}),
        THERE,
        Response([], {"a": 1}, 200, {"X": "y"}, 1, 0.5),
        BulkReport("block", "job", 0, counts, (), 0.5),
        BulkProgress(*(counts if field.name == "counts" else 0 for field in attrs.fields(BulkProgress))),
        *OPERATIONS.values(),
    ):
        assert hash(each) == hash(each)
