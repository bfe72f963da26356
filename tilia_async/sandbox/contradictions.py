"""Answers that lie.

What becomes of a true one by the faults that Tilia's documentation leaves room for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs
import orjson

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.sandbox.faults import Fault
from tilia_async.sandbox.responses import SandboxResponse

_ZONED: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)Z")
_PLAIN: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?")
_YEAR_ONE: Final = "0001-"
_FEE_PERCENT: Final = 5

_BEFORE: Final[Mapping[str, str]] = {
    "SUCCESS": "OPEN",
    "ESCROWED": "OPEN",
    "COMMITTED": "ESCROWED",
    "CANCELLED": "ESCROWED",
    "SUPPORT-REJECT-TRANSFER-INITIATED": "FUNDS-IN-ESCROW",
    "CANCELED": "CREATED",
}
_UNDER_WAY: Final[Mapping[str, str]] = {
    "SUCCESS": "PROCESSING",
    "COMMITTED": "COMMIT-REQUESTED",
    "CANCELLED": "CANCEL-REQUESTED",
    "FUNDS-IN-ESCROW": "ESCROW-TRANSFER-INITIATED",
    # No page tells that refunds can be under way; the word is inferred.
    "REFUND-SUCCESS": "REFUND-PENDING",
}


def contradicting(answer: SandboxResponse) -> SandboxResponse:
    """Return the answer with a contradiction in it.

    The same answer, but for a flag or a state that says that it was not done; an envelope says Success as before.
    """
    return _with(answer, _each_object(orjson.loads(answer.body), _undone))


def lying(answer: SandboxResponse, lies: Mapping[Fault, float], asked: Collection[str]) -> SandboxResponse:
    """Return the answer, spoiled by lies.

    Args:
        lies: with the seconds of each.
        asked: the ids and usernames that the request asked for.
    """
    if not answer.body:
        return answer
    body: JsonValue = orjson.loads(answer.body)
    for fault, lie in _LIES.items():
        if fault in lies:
            body = lie(body)
    if Fault.OTHER_ID in lies:
        body = _replaced(body, {each: another(each) for each in asked})
    if Fault.TIMES_WITHOUT_ZONE in lies:
        body = _unzoned(body, lies[Fault.TIMES_WITHOUT_ZONE])
    if Fault.OTHER_ENVELOPE in lies:
        body = _in_other_envelope(body)
    return _with(answer, body)


def turned_around(answer: SandboxResponse) -> SandboxResponse:
    """Return the answer with its list reversed."""
    body: JsonValue = orjson.loads(answer.body)
    if isinstance(body, dict) and isinstance(listed := body.get("payload"), list):
        return _with(answer, {**body, "payload": listed[::-1]})
    return answer


def another(name: str) -> str:
    """Return an id or username with another last character."""
    return name[:-1] + ("b" if name.lower().endswith("a") else "a")


def _with(answer: SandboxResponse, body: JsonValue) -> SandboxResponse:
    return attrs.evolve(answer, body=orjson.dumps(body))


def _each_object(value: JsonValue, change: Callable[[JsonObject], JsonObject]) -> JsonValue:
    """Return a value with each object changed.

    The innermost first.
    """
    if isinstance(value, dict):
        return change({name: _each_object(part, change) for name, part in value.items()})
    return [_each_object(part, change) for part in value] if isinstance(value, list) else value


def _undone(resource: JsonObject) -> JsonObject:
    if isinstance(flag := resource.get("is_blocked"), bool):
        resource["is_blocked"] = not flag
    if isinstance(resource.get("blocks"), dict):
        # The newer way says so with an object that is empty.
        resource["blocks"] = {}
    return _renamed(resource, _BEFORE)


def _renamed(resource: JsonObject, words: Mapping[str, str]) -> JsonObject:
    """Return an object with other words for its state."""
    for name in ("state", "status"):
        if isinstance(word := resource.get(name), str):
            resource[name] = words.get(word, word)
    return resource


def _pending(body: JsonValue) -> JsonValue:
    def change(resource: JsonObject) -> JsonObject:
        if "is_fully_refunded" in resource:
            resource["is_fully_refunded"] = False
        return _renamed(resource, _UNDER_WAY)

    return _each_object(body, change)


def _is_refund(resource: JsonObject) -> bool:
    return "refund_id" in resource and isinstance(resource.get("amount"), int)


def _is_credit(resource: JsonObject) -> bool:
    return "destination_payment_method_id" in resource and isinstance(resource.get("amount"), int)


def _in_euros(body: JsonValue) -> JsonValue:
    def change(resource: JsonObject) -> JsonObject:
        if _is_refund(resource) or _is_credit(resource):
            resource |= {"amount": _less(resource["amount"]), "currency": "EUR"}
        for kind in ("processing", "received"):
            if isinstance(amount := resource.get(f"{kind}_amount"), int):
                resource |= {f"{kind}_amount": _less(amount), f"{kind}_currency": "EUR"}
        return resource

    return _each_object(body, change)


def _less_a_fee(body: JsonValue) -> JsonValue:
    def change(resource: JsonObject) -> JsonObject:
        amount = resource.get("amount")
        if isinstance(amount, int) and (_is_refund(resource) or _is_credit(resource)):
            resource["amount"] = _less(amount)
            if _is_credit(resource):
                resource["fee_amount"] = amount - _less(amount)
        return resource

    return _each_object(body, change)


def _less(amount: JsonValue) -> int:
    """95 of 100, and at least 1 less."""
    whole = amount if isinstance(amount, int) else 0
    return max(0, whole - max(1, whole * _FEE_PERCENT // 100))


def _split(body: JsonValue) -> JsonValue:
    if isinstance(body, list):
        return [part for each in body for part in _parts(_split(each))]
    if not isinstance(body, dict):
        return body
    resource: JsonObject = {}
    for name, value in body.items():
        parts = _parts(_split(value))
        resource[name] = parts[0]
        for part in parts[1:]:
            resource[another(name)] = part
    return resource


def _parts(value: JsonValue) -> list[JsonValue]:
    """Return the two halves of a refund.

    Anything else as it is.
    """
    if not isinstance(value, dict) or not _is_refund(value):
        return [value]
    amount, refund_id = value["amount"], value["refund_id"]
    if not isinstance(amount, int) or amount < 2:
        return [value]
    half = amount // 2
    return [{**value, "amount": amount - half}, {**value, "amount": half, "refund_id": another(str(refund_id))}]


def _listed_elsewhere(body: JsonValue) -> JsonValue:
    if isinstance(body, dict) and isinstance(payments := body.get("payments"), dict):
        bare: JsonObject = {
            name: {**payment, "refunds": []} if isinstance(payment, dict) else payment
            for name, payment in payments.items()
        }
        return {**body, "payments": bare}
    return body


_LIES: Final[Mapping[Fault, Callable[[JsonValue], JsonValue]]] = {
    Fault.OTHER_CURRENCY: _in_euros,
    Fault.LESS_FEE: _less_a_fee,
    Fault.SPLIT: _split,
    Fault.LISTED_ELSEWHERE: _listed_elsewhere,
    Fault.PENDING: _pending,
}


def _replaced(value: JsonValue, others: Mapping[str, str]) -> JsonValue:
    if isinstance(value, dict):
        return {name: _replaced(part, others) for name, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, others) for part in value]
    return others.get(value, value) if isinstance(value, str) else value


def _unzoned(value: JsonValue, ahead: float) -> JsonValue:
    if isinstance(value, dict):
        return {name: _unzoned(part, ahead) for name, part in value.items()}
    if isinstance(value, list):
        return [_unzoned(part, ahead) for part in value]
    if not isinstance(value, str) or value.startswith(_YEAR_ONE):
        return value
    if zoned := _ZONED.fullmatch(value):
        return (datetime.fromisoformat(" ".join(zoned.groups())) + timedelta(seconds=ahead)).isoformat()
    if _PLAIN.fullmatch(value):
        return (datetime.fromisoformat(value) + timedelta(seconds=ahead)).isoformat(" ")
    return value


def _in_other_envelope(body: JsonValue) -> JsonValue:
    if not isinstance(body, dict):
        return body
    if "payload" in body:
        return body["payload"]
    # An envelope without a payload, as after a merge, says nothing without its status.
    return (
        body if body.get("status") == "Success" else {"status": "Success", "message": [], "codes": [], "payload": body}
    )
