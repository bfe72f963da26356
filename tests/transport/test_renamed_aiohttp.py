"""A release of aiohttp that has renamed what is used of it costs speed, and never the truth about a write."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    # The process that this module tells of loads them after aiohttp has got its other names.
    from support.hostile import Connection

    from tilia_async import TiliaClient

ASKED = b'{"status":"Success","payload":{"a":"asked"}}'
ANSWER_TO_NOTHING = b'HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n{"status":"Success","payload":{"a":"not asked"}}'
TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module", params=["four", "unheard"])
def came(request: pytest.FixtureRequest) -> dict[str, object]:
    """Results of the calls of ``tell``, in a process with an aiohttp whose names are others."""
    path = str(TESTS)
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__],
        env={**os.environ, "TILIA_TEST_AIOHTTP": request.param, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, object] = json.loads(done.stdout)
    return told


@pytest.fixture(autouse=True)
def way() -> None:
    """The ways of the other modules here: this one has a process of its own, in which the session is the only one."""


def test_the_session_is_asked(came: dict[str, object]) -> None:
    assert came["sends as before"] is False
    assert came["direct"] is False


def test_calls_work(came: dict[str, object]) -> None:
    assert came["read"] == {"a": "asked"}
    assert came["write"] == {"a": "asked"}


def test_what_may_have_reached_the_server_is_never_said_to_have_had_no_effect(came: dict[str, object]) -> None:
    assert came["cut off after the request"] == ["OutcomeUnknownError", None, True]
    assert came["no answer in time"] == ["OutcomeUnknownError", None, True]
    assert came["an answer cut off"] == ["ResponseDecodeError", None, True]


def test_what_never_left_is_said_to_have_had_no_effect(came: dict[str, object]) -> None:
    assert came["nobody listens"] == ["ConnectError", False, False]


def test_nothing_is_sent_twice(came: dict[str, object]) -> None:
    assert came["requests"] == ["GET", "POST", "PUT", "POST", "POST", "POST", "POST"]


def test_an_answer_to_nothing_is_not_taken_for_that_of_the_next_request(came: dict[str, object]) -> None:
    assert came["after an answer to nothing"] == {"a": "asked"}


async def tell() -> dict[str, object]:
    from aiohttp.client_reqrep import ClientRequest
    from support.breakers import closed_port
    from support.hostile import hostile_server

    from tilia_async import Environment, RetryPolicy, Service, TiliaClient
    from tilia_async.tokens import TokenCache

    once = RetryPolicy(attempts=1)
    told: dict[str, object] = {"sends as before": hasattr(ClientRequest, "send")}
    async with hostile_server(serve) as server:
        async with TiliaClient("id", "secret", server.template, retry=once, token_cache=TokenCache()) as tilia:
            told["read"] = await tried(tilia, "GET", "/v1/thing")
            (part,) = tilia._pool._parts.values()
            told["direct"] = part.direct is not None
            told["write"] = await tried(tilia, "POST", "/v1/thing")
            told["cut off after the request"] = await tried(tilia, "PUT", "/v1/cut")
            told["no answer in time"] = await tried(tilia, "POST", "/v1/silent", seconds=0.3)
            told["an answer cut off"] = await tried(tilia, "POST", "/v1/half")
            await tried(tilia, "POST", "/v1/thing")
            # It has come before the next request is made, and the loop has not read it.
            connections.pop().writer.write(ANSWER_TO_NOTHING)
            told["after an answer to nothing"] = await tried(tilia, "POST", "/v1/asked")
            told["requests"] = [each.split()[0] for each in server.requests]
        nobody = Environment.at(server.template, {Service.ACCOUNTS: f"http://127.0.0.1:{closed_port()}"})
        async with TiliaClient("id", "secret", nobody, retry=once, token_cache=TokenCache()) as tilia:
            told["nobody listens"] = await tried(tilia, "POST", "/v1/thing")
    return told


connections: list[Connection] = []
"""Connections that have served a request, in that order."""


async def serve(connection: Connection) -> None:
    while (line := await connection.tokens()) is not None:
        if "/cut" in line:
            return
        if "/silent" in line:
            await connection.reader.read()
            return
        if "/half" in line:
            connection.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            return
        await connection.answer(ASKED)
        connections.append(connection)


async def tried(tilia: TiliaClient, method: str, path: str, seconds: float = 5.0) -> object:
    from tilia_async import Operation, Repeat, RequestOptions, Service, errors

    repeat = Repeat.SAFE if method == "GET" else Repeat.NEVER
    operation = Operation("things.do", method, Service.ACCOUNTS, path, dict[str, str], scopes=(), repeat=repeat)
    body = None if method == "GET" else {"b": 1}
    try:
        return (await tilia.send(operation, body=body, options=RequestOptions(timeout=seconds))).value
    except errors.TiliaError as error:
        return [type(error).__name__, error.took_effect, error.call.attempts[-1].sent]


if __name__ == "__main__":
    from support import renamed_aiohttp  # noqa: F401 - importing it gives aiohttp its other names

    print(json.dumps(asyncio.run(tell())))  # noqa: T201 - its output is read
