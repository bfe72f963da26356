"""Answers that are too much: they end in an error of ours, in time, in bounded memory, and the token stays where it is."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Awaitable, Callable

import pytest
from counts import count
from hostile import Connection, hostile_server
from interruption import elsewhere
from quick import QUICK

from tilia_async import Limits, Operation, Repeat, Service, TiliaClient, errors
from tilia_async.tokens import TokenCache

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)
SLACK = 0.25
MIB = 1_048_576
LIMIT = Limits().response_bytes
BOUND = 12 * LIMIT
"""How much memory a call may take beyond what the process has, whatever comes: twelve times the largest answer. JSON in
memory is larger than JSON as text, and an error keeps a copy without secrets."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BLOCK = b"x" * 65_536


def length_of(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body)


async def pour(connection: Connection, blocks: int = 1_024, frame: bytes = b"%b", block: bytes = BLOCK) -> None:
    """64 MiB, as far as the client takes them."""
    for _ in range(blocks):
        connection.writer.write(frame % block)
        await connection.writer.drain()


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    zeros = b"0" * MIB
    return b"".join(packer.compress(zeros) for _ in range(megabytes)) + packer.flush()


BOMB = bomb(64)
DENSE = b'{"status":"Success","payload":[' + b"[]," * (LIMIT // 3 - 40) + b"[]]}"
TEXTS = b'{"status":"Success","payload":["' + b'","'.join([b"abcdefghijklmnopqrstuvwxyz"] * (LIMIT // 30)) + b'"]}'
OBJECTS = b'{"status":"Success","payload":[' + b",".join([b'{"a":"bcdefghijklmno"}'] * (LIMIT // 24)) + b"]}"


async def announced(connection: Connection) -> None:
    connection.writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % (64 * MIB))
    await pour(connection)


async def unannounced(connection: Connection) -> None:
    connection.writer.write(HEAD + b"Connection: close\r\n\r\n")
    await pour(connection)


async def chunked(connection: Connection) -> None:
    connection.writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    await pour(connection, frame=b"10000\r\n%b\r\n")


async def chunk_extensions(connection: Connection) -> None:
    connection.writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    await pour(connection, frame=b"1;%b\r\n{\r\n")


async def packed(connection: Connection) -> None:
    connection.writer.write(HEAD + b"Content-Encoding: gzip\r\n" + length_of(BOMB) + BOMB)
    await connection.writer.drain()


async def packed_twice(connection: Connection) -> None:
    twice = gzip.compress(BOMB)
    connection.writer.write(HEAD + b"Content-Encoding: gzip, gzip\r\n" + length_of(twice) + twice)
    await connection.writer.drain()


async def many_headers(connection: Connection) -> None:
    connection.writer.write(b"HTTP/1.1 200 OK\r\n")
    await pour(connection, block=b"X-A: b\r\n" * 8_192)


async def one_header(connection: Connection) -> None:
    connection.writer.write(b"HTTP/1.1 200 OK\r\nX-A: ")
    await pour(connection)


async def headers_without_end(connection: Connection) -> None:
    connection.writer.write(b"HTTP/1.1 200 OK\r\n")
    await pour(connection, block=b"X-%b: b\r\n" % (b"y" * 60_000))


async def informational(connection: Connection) -> None:
    await pour(connection, block=b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 1_500)


async def status_line(connection: Connection) -> None:
    connection.writer.write(b"HTTP/1.1 200 ")
    await pour(connection)


def whole(body: bytes) -> Callable[[Connection], Awaitable[None]]:
    async def send(connection: Connection) -> None:
        connection.writer.write(HEAD + length_of(body) + body)
        await connection.writer.drain()

    return send


FLOODS: dict[str, Callable[[Connection], Awaitable[None]]] = {
    "announced": announced,
    "unannounced": unannounced,
    "chunked": chunked,
    "chunk extensions": chunk_extensions,
    "packed": packed,
    "packed twice": packed_twice,
    "many headers": many_headers,
    "one header": one_header,
    "headers without end": headers_without_end,
    "informational": informational,
    "status line": status_line,
    "dense json": whole(DENSE[:LIMIT]),
    "texts": whole(TEXTS),
    "objects": whole(OBJECTS),
}

TIMEOUT = 2.0
CLIENT = """
import asyncio, json, resource, sys, time
from tilia_async import Operation, Repeat, RetryPolicy, Service, TiliaClient, errors

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

async def main():
    async with TiliaClient("id", "secret", sys.argv[1], timeout=TIMEOUT, retry=RetryPolicy(attempts=2, initial=0)) as tilia:
        await tilia.access_token(())
        before, started = peak(), time.monotonic()
        try:
            await tilia.send(READ)
            ended = "no error"
        except errors.TiliaError as error:
            ended = type(error).__name__
        print(json.dumps({"took": peak() - before, "ended": ended, "elapsed": time.monotonic() - started}))

asyncio.run(main())
""".replace("TIMEOUT", str(TIMEOUT))


@pytest.mark.skipif(sys.platform == "win32", reason="getrusage() is POSIX's")
@pytest.mark.parametrize("flood", FLOODS)
def test_memory_and_time_are_bounded_whatever_comes(flood: str) -> None:
    """In a process of its own, whose memory is the client's alone."""

    async def send(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await FLOODS[flood](connection)
            if flood not in {"dense json", "texts", "objects", "packed", "packed twice"}:
                return

    with elsewhere(send) as server:
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, server.template], capture_output=True, text=True, check=True, timeout=50
        )
    told = json.loads(done.stdout)
    assert told["took"] < BOUND, f"{told['took'] / MIB:.0f} MiB"
    assert told["elapsed"] < TIMEOUT + SLACK
    assert told["ended"] in {"TransportError", "ResponseDecodeError", "DeadlineExceededError"}
    count("fuzz inputs")


LENGTHS = {
    "too small": b'Content-Length: 5\r\n\r\n{"status":"Success","payload":{}}',
    "too large": b"Content-Length: 500\r\n\r\n{}",
    "negative": b"Content-Length: -1\r\n\r\n{}",
    "two": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "no number": b"Content-Length: many\r\n\r\n{}",
    "huge": b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "with chunks": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "old HTTP": b"",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("length", LENGTHS)
async def test_a_wrong_length_is_no_success(length: str) -> None:
    async def send(connection: Connection) -> None:
        while await connection.tokens() is not None:
            raw = b'{"status":"Success","payload":{}}\r\n' if length == "old HTTP" else HEAD + LENGTHS[length]
            connection.writer.write(raw)
            await connection.writer.drain()
            if length != "too small":
                return

    async with hostile_server(send) as server:
        async with TiliaClient(
            "id", "secret", server.template, timeout=2, token_cache=TokenCache(), retry=QUICK
        ) as tilia:
            with pytest.raises(errors.TransportError) as caught:
                await tilia.send(WRITE)
            assert caught.value.took_effect is None
            assert len(server.requests) == 1
    count("fuzz inputs")


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize("by", ["the API", "the token endpoint"])
async def test_a_redirect_is_not_followed_and_the_token_goes_nowhere(
    status: int, operation: Operation[object], by: str
) -> None:
    heard: list[str] = []

    async def listen(connection: Connection) -> None:
        while (line := await connection.request()) is not None:
            heard.append(line)
            await connection.answer()

    async with hostile_server(listen) as other:
        for target in (f"http://127.0.0.1:{other.port}/accounts/v1/thing", "/accounts/v1/other", "//127.0.0.1:1/x"):
            head = f"HTTP/1.1 {status} Go\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()

            async def redirect(connection: Connection, head: bytes = head) -> None:
                while (line := await connection.request()) is not None:
                    if "/token" in line and by == "the API":
                        await connection.answer(b'{"access_token":"canary-token"}')
                    else:
                        connection.writer.write(head)

            async with hostile_server(redirect) as server:
                async with TiliaClient(
                    "id", "canary-secret", server.template, token_cache=TokenCache(), retry=QUICK
                ) as tilia:
                    with pytest.raises((errors.ApiError, errors.TokenError)) as caught:
                        await tilia.send(operation)
                assert caught.value.status == status
                sent = [f"{operation.method} /accounts/v1/thing HTTP/1.1"]
                assert server.requests == (sent if by == "the API" else [])
    assert heard == []


@pytest.mark.asyncio
async def test_a_flood_of_cookies_is_forgotten() -> None:
    heads: list[bytes] = []

    async def bake(connection: Connection) -> None:
        while True:
            try:
                head = await connection.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            heads.append(head)
            length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            await connection.reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
            body = b'{"access_token":"t"}' if b"/token" in head else b'{"status":"Success","payload":{}}'
            cookies = b"".join(b"Set-Cookie: c%d=%b; Domain=localhost\r\n" % (n, b"v" * 100) for n in range(60))
            await connection.answer(body, cookies)

    async with hostile_server(bake) as server:
        template = server.template.replace("127.0.0.1", "localhost")
        async with TiliaClient("id", "secret", template, token_cache=TokenCache()) as tilia:
            for _ in range(5):
                await tilia.send(READ)
    assert len(heads) == 6
    assert not [head for head in heads if b"cookie" in head.lower()]
