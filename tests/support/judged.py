"""Reads one answer as the client does."""

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from tilia_async import Environment, Operation, Repeat, Service
from tilia_async.transport.requestor import new_key
from tilia_async.wire.envelope import RawResponse
from tilia_async.wire.request import build
from tilia_async.wire.response import interpret

THERE = Environment.at("http://127.0.0.1:1/{service}")
READ = Operation("a.read", "GET", Service.ACCOUNTS, "/r", dict[str, int], scopes=(), repeat=Repeat.SAFE)
WRITE = Operation("a.write", "POST", Service.ACCOUNTS, "/w", dict[str, int], scopes=(), repeat=Repeat.NEVER)


def judged(
    operation: Operation[object],
    status: int,
    body: object,
    *,
    headers: Mapping[str, str] | None = None,
    doubtful: bool = False,
) -> object:
    raw = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
    answer = RawResponse(status, headers or {}, raw, "it was cut off")
    request = build(operation, THERE, path=dict.fromkeys(operation.parameters, "acct_1"), new_key=new_key(operation))
    return interpret(operation, request, answer, attempts=1, doubtful=doubtful, now=datetime.now(UTC))
