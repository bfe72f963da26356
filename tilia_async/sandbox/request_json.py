"""Recorded requests as JSON, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import orjson
from multidict import CIMultiDict

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.sandbox.faults import Fault
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.requests import repeatable
from tilia_async.secret import MASK
from tilia_async.wire.redactor import NO_REDACTION

_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_LONGEST_TEXT: Final = 65_536


def summary(request: RecordedRequest) -> JsonObject:
    """Return the line of a log about a request."""
    return {
        "number": request.number,
        "time": request.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "operation": request.operation,
        "method": request.method,
        "service": request.service,
        "template": request.template,
        "path": request.path,
        "status": request.status,
        "ms": None if request.elapsed is None else round(request.elapsed * 1000, 2),
        "fault": None if request.fault is None else request.fault.name.lower(),
        "lies": [lie.name.lower() for lie in request.lies],
        "dropped": request.dropped,
    }


def details(request: RecordedRequest) -> JsonObject:
    """Return all that is known of a request.

    The values of secrets are masked; a body is JSON where it is, else text.
    """
    return {
        **summary(request),
        "query": _text(request.query.encode()),
        "headers": _headers(request.headers),
        "body": without_secrets(request.body),
        "answer": None if request.answer is None else without_secrets(request.answer),
    }


def without_secrets(body: bytes) -> JsonValue:
    """Return a body with its secrets masked.

    JSON as its value, anything else as a text: a form, a page.
    """
    try:
        value: JsonValue = orjson.loads(body)
    except ValueError:
        return _text(body)
    if not repeatable(value):
        return _text(body)
    return NO_REDACTION.json(value)


def _headers(headers: Mapping[str, str]) -> JsonObject:
    return {
        _printable(name): MASK if name.lower() in _SECRET_HEADERS else _printable(value)
        for name, value in headers.items()
    }


def _printable(text: str) -> str:
    """Return a header's text.

    Its bytes that are no UTF-8 are replaced.
    """
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _text(text: bytes) -> str:
    return NO_REDACTION.beginning(text, _LONGEST_TEXT) or ""


def recorded(record: JsonObject) -> RecordedRequest:
    """Return the request that JSON tells of.

    Secrets are missing, as they were left out; bodies are written anew.
    """
    headers, lies, fault, elapsed = record.get("headers"), record.get("lies"), record.get("fault"), record.get("ms")
    operation, template, status, answer = (record.get(name) for name in ("operation", "template", "status", "answer"))
    number = record.get("number")
    return RecordedRequest(
        operation if isinstance(operation, str) else None,
        str(record.get("method")),
        str(record.get("service")),
        str(record.get("path")),
        str(record.get("query", "")),
        CIMultiDict({name: str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}),
        _written(record.get("body", "")),
        template if isinstance(template, str) else None,
        number if isinstance(number, int) else 0,
        datetime.fromisoformat(str(record.get("time"))),
        status if isinstance(status, int) else None,
        None if answer is None else _written(answer),
        Fault[fault.upper()] if isinstance(fault, str) else None,
        tuple(Fault[str(lie).upper()] for lie in lies) if isinstance(lies, list) else (),
        elapsed / 1000 if isinstance(elapsed, int | float) else None,
        dropped=record.get("dropped") is True,
    )


def _written(body: JsonValue) -> bytes:
    return body.encode() if isinstance(body, str) else orjson.dumps(body)
