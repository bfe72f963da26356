"""Servers that flood, stall, lie about lengths and send elsewhere: memory and time stay bounded, nothing leaks."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from support import attacks
from support.attacks import ATTACKS, FAKE, GOOD, LIMIT, TIMEOUT, Attack, whole
from support.counts import count
from support.hostile import Connection
from support.interruption import elsewhere
from support.quick import QUICK

from tilia_async import RequestOptions, RetryPolicy, TiliaClient, errors
from tilia_async.tokens import TokenCache

SLACK = 1.0
BOUND = 12 * LIMIT
"""The memory that one answer may cost at its worst, its JSON and its models included."""
BOUND_UNREAD = 4 * LIMIT
"""And if it is refused before it is read as JSON."""


async def attack(connection: Connection) -> None:
    while (line := await connection.tokens()) is not None:
        name = line.split("/")[-3]
        if name == "good":
            connection.writer.write(whole(GOOD))
            continue
        with suppress(ConnectionError):
            async for part in ATTACKS[name].parts():
                connection.writer.write(part)
                await connection.writer.drain()
        if ATTACKS[name].ends == "hangs":
            await connection.reader.read()
        if ATTACKS[name].ends != "serves":
            return


def run_into_all() -> list[dict[str, object]]:
    """Each attack in turn, in a process of its own, whose memory is the client's alone."""
    for each in ATTACKS.values():
        assert each.first is not None
    with elsewhere(attack) as server:
        ran = subprocess.run(
            [sys.executable, attacks.__file__, str(server.port), *ATTACKS],
            capture_output=True,
            check=False,
            text=True,
            timeout=55,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(attacks.__file__).parent), *sys.path])},
        )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="measures memory as Linux shows it")
def test_memory_and_time_stay_bounded_and_the_next_call_works() -> None:
    came = run_into_all()
    assert [each["name"] for each in came] == list(ATTACKS)
    for each in came:
        survived(ATTACKS[str(each["name"])], each)
    count("hostile answers tried", len(came))


def survived(tried: Attack, came: dict[str, object]) -> None:
    decoded = str(came["name"]).startswith("many-")
    assert came["grown"] <= (BOUND if decoded else BOUND_UNREAD), came
    if not decoded:
        # Reading so much JSON takes its time, and as long for an honest answer of that size.
        assert came["seconds"] <= TIMEOUT + SLACK, came
    assert came["after"] == "inv_good", came
    if tried.ends_well:
        assert (came["outcome"], came["text"]) == ("value", "inv_good"), came
        return
    assert came["outcome"] in {"ResponseDecodeError", "OutcomeUnknownError", "ApiError", "ServerError"}, came
    assert came["took_effect"] is (True if came["name"] == "many-lists-in-the-wrong-place" else None), came
    assert str(came["text"]).startswith("invoices.pay: "), came
    assert len(str(came["text"])) < 400, came


@pytest.mark.asyncio
@pytest.mark.parametrize("head", [b"HTTP/1.1 204 No Content", b"HTTP/1.1 200 OK\r\nContent-Length: 0"])
async def test_nothing_is_nothing_in_any_encoding(head: bytes) -> None:
    async def empty(connection: Connection) -> None:
        while await connection.tokens() is not None:
            connection.writer.write(head + b"\r\nContent-Encoding: gzip\r\n\r\n")

    with elsewhere(empty) as server:
        async with TiliaClient("id", "secret", server.template, token_cache=TokenCache()) as tilia:
            for _ in range(2):
                with pytest.raises(errors.ResponseDecodeError) as caught:
                    await tilia.accounts.merge("acct_1", "acct_2")
                assert "gzip" not in str(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("pause", [0.0, 0.05])
async def test_an_answer_that_nobody_asked_for_is_not_the_next_one(pause: float) -> None:
    async def ahead(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await connection.answer(GOOD)
            await asyncio.sleep(pause)
            await connection.answer(FAKE)

    with elsewhere(ahead) as server:
        async with TiliaClient("id", "secret", server.template, token_cache=TokenCache()) as tilia:
            for _ in range(3):
                # What comes only after the question was sent may be taken for its answer, and then it is doubt.
                with suppress(errors.OutcomeUnknownError, errors.ResponseDecodeError):
                    # A connection on which something waits is not used, and nothing is lost by asking on another.
                    assert (await tilia.invoices.pay("inv_good")).invoice_id == "inv_good"
                await asyncio.sleep(0.1)
            once = RequestOptions(retry=RetryPolicy(attempts=1))
            if pause:
                assert (await tilia.invoices.pay("inv_good", options=once)).invoice_id == "inv_good"


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["elsewhere", "the same host", "nowhere"])
async def test_a_redirect_is_not_followed_and_the_token_goes_nowhere(status: int, target: str) -> None:
    seen: list[str] = []

    async def listen(connection: Connection) -> None:
        seen.append((await connection.reader.read(65_536)).decode())

    with elsewhere(listen) as other:
        places = {
            "elsewhere": f"http://127.0.0.1:{other.port}/accounts/v1/thing",
            "the same host": "/accounts/v1/elsewhere",
            "nowhere": "http://[::bad/",
        }
        head = f"HTTP/1.1 {status} Go\r\nLocation: {places[target]}\r\nContent-Length: 0\r\n\r\n"

        async def redirect(connection: Connection) -> None:
            while await connection.tokens() is not None:
                connection.writer.write(head.encode())

        async def redirect_tokens(connection: Connection) -> None:
            while (line := await connection.request()) is not None:
                connection.server.requests.append(line)
                connection.writer.write(head.encode())

        with elsewhere(redirect) as server:
            async with TiliaClient("id", "secret", server.template, retry=QUICK, token_cache=TokenCache()) as tilia:
                for call, effect in ((tilia.accounts.get("acct_1"), False), (tilia.invoices.pay("inv_1"), None)):
                    with pytest.raises(errors.TiliaError) as caught:
                        await call
                    assert caught.value.took_effect is effect
            assert len(server.requests) == 2
        with elsewhere(redirect_tokens) as server:
            async with TiliaClient("id", "secret", server.template, retry=QUICK, token_cache=TokenCache()) as tilia:
                with pytest.raises(errors.TiliaError) as caught:
                    await tilia.invoices.pay("inv_1")
            assert caught.value.took_effect is False
            assert {line.split()[1] for line in server.requests} == {"/auth/token"}
    assert seen == []
    count("hostile answers tried", 3)


@pytest.mark.asyncio
async def test_no_cookie_ever_comes_back() -> None:
    heads: list[bytes] = []
    cookies = b"".join(b"Set-Cookie: c%d=x; Path=/; Domain=localhost; Max-Age=1000\r\n" % n for n in range(100))

    async def bake(connection: Connection) -> None:
        while True:
            try:
                head = await connection.reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            heads.append(head.lower())
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            await connection.reader.readexactly(int(length or 0))
            await connection.answer(b'{"access_token":"t"}' if b"/token" in head else GOOD, cookies)

    with elsewhere(bake) as server:
        # By name, because aiohttp keeps no cookies of bare addresses anyway.
        template = server.template.replace("127.0.0.1", "localhost")
        async with TiliaClient("id", "secret", template, token_cache=TokenCache()) as tilia:
            for _ in range(5):
                await tilia.invoices.pay("inv_good")
    assert len(heads) == 6
    assert not [head for head in heads if b"cookie" in head]
