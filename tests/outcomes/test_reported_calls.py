"""Calls that fail, are late or cancelled: no reporter shows a secret."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable

import attrs
import orjson
import pytest
from support.canaries import places, search
from support.hostile import Connection, hostile_server
from support.quick import QUICK
from support.reported import CANARIES, HEADER, HEADERS, PASSWORD, SECRET, TOKEN, client, examine, start
from support.reporters import reported

import tilia_sync
from tilia_async import Secret, TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.sandbox import Fault
from tilia_async.tokens import TokenCache

UNDECLARED = attrs.evolve(OPERATIONS["registration.start"], body=None)
"""Sent with any body."""


async def leave(connection: Connection) -> None:
    """Take the request, and go."""
    await connection.tokens()


async def stay(connection: Connection) -> None:
    """Take the request, and never answer."""
    await connection.tokens()
    await asyncio.Event().wait()


async def repeat(connection: Connection) -> None:
    while (line := await connection.request()) is not None:
        if "/token" in line:
            await connection.answer(orjson.dumps({"access_token": TOKEN, "expires_in": 3600}))
            continue
        body = f"<pre>Authorization: Bearer {TOKEN} {PASSWORD} {HEADER}".encode()
        connection.writer.write(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def no_token(connection: Connection) -> None:
    while await connection.request() is not None:
        body = orjson.dumps({"error": "server_error", "error_description": f"client_secret={SECRET}"})
        connection.writer.write(b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def no_http_for_a_token(connection: Connection) -> None:
    await connection.request()
    connection.writer.write(f"HTTP/1.1 200 OK\r\nBad Header {SECRET}\r\n\r\n".encode())


async def no_gzip_for_a_token(connection: Connection) -> None:
    await connection.request()
    head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.writer.write(f"{head}{SECRET}\r\n".encode())


async def no_http(connection: Connection) -> None:
    await connection.tokens()
    connection.writer.write(f"HTTP/1.1 200 OK\r\nBad Header {TOKEN}{PASSWORD}{HEADER}\r\n\r\n".encode())


async def send(tilia: TiliaClient) -> None:
    body = {"username": "nyx@mail.example", "password": PASSWORD, "email": "nyx@mail.example"}
    await tilia.send(UNDECLARED, body=body, options=HEADERS)


async def send_secret(tilia: TiliaClient) -> None:
    body = {"username": "nyx@mail.example", "profile": [{"word": Secret(PASSWORD)}], "email": "nyx@mail.example"}
    await tilia.send(UNDECLARED, body=body, options=HEADERS)


CALLS = {"start": start, "send": send, "a secret in a body": send_secret}


@pytest.mark.asyncio
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("script", [leave, repeat, no_token, no_http, no_http_for_a_token, no_gzip_for_a_token])
async def test_a_call_that_fails(call: str, script: Callable[[Connection], Awaitable[None]]) -> None:
    async with hostile_server(script) as server, client(server.template) as tilia:
        with pytest.raises(errors.TiliaError) as caught:
            await CALLS[call](tilia)
    examine(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("call", CALLS)
async def test_a_call_that_is_late(call: str) -> None:
    async with hostile_server(stay) as server, client(server.template, timeout=0.3) as tilia:
        with pytest.raises(errors.TransportError) as caught:
            await CALLS[call](tilia)
    examine(caught.value)


async def by_task(call: Awaitable[None], arrived: asyncio.Event) -> None:
    task = asyncio.ensure_future(call)
    await arrived.wait()
    task.cancel()
    await task


async def by_wait_for(call: Awaitable[None], _arrived: asyncio.Event) -> None:
    await asyncio.wait_for(call, 0.3)


async def by_timeout(call: Awaitable[None], _arrived: asyncio.Event) -> None:
    async with asyncio.timeout(0.3):
        await call


async def by_group(call: Awaitable[None], arrived: asyncio.Event) -> None:
    async def fail() -> None:
        await arrived.wait()
        raise KeyError

    async with asyncio.TaskGroup() as group:
        group.create_task(call)
        group.create_task(fail())


@pytest.mark.asyncio
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("way", [by_task, by_wait_for, by_timeout, by_group])
async def test_a_call_that_is_cancelled(call: str, way: Callable[..., Awaitable[None]]) -> None:
    async with hostile_server(stay) as server, client(server.template) as tilia:
        with pytest.raises((asyncio.CancelledError, TimeoutError, ExceptionGroup)) as caught:
            await way(CALLS[call](tilia), server.arrived)
    examine(caught.value)


@pytest.mark.asyncio
async def test_a_call_that_is_cancelled_while_it_waits_for_a_token() -> None:
    asked = asyncio.Event()

    async def silent(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await asyncio.Event().wait()

    async with hostile_server(silent) as server, client(server.template) as tilia:
        task = asyncio.ensure_future(start(tilia))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    examine(caught.value)


@pytest.mark.parametrize(
    "fault", [None, Fault.DROP_AFTER_COMMIT, Fault.SERVER_ERROR_HTML, Fault.TOKEN_OUTAGE, Fault.TOKEN_REVOKED]
)
def test_a_call_that_fails_without_a_loop(fault: Fault | None) -> None:
    with tilia_sync.Sandbox(wallet_delay=0) as sandbox:
        if fault is not None:
            sandbox.faults.add("auth.token" if fault is Fault.TOKEN_OUTAGE else "registration.start", fault, times=9)
        where = sandbox.environment if fault is not None else "http://127.0.0.1:1/{service}"
        settings = {"retry": QUICK, "token_cache": TokenCache()}
        with tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, where, **settings) as tilia:
            for call in (
                lambda: tilia.registration.start("nyx@mail.example", PASSWORD, "nyx@mail.example", options=HEADERS),
                lambda: tilia.send(UNDECLARED, body={"password": PASSWORD}, options=HEADERS),
            ):
                with pytest.raises(errors.TiliaError) as caught:
                    call()
                secrets = (*CANARIES, sandbox.client_secret, *sandbox._sandbox._tokens._tokens)
                search(secrets, places(caught.value))
                search(secrets, reported(caught.value))


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of POSIX")
def test_a_call_that_ctrl_c_ends() -> None:
    with tilia_sync.Sandbox(wallet_delay=0) as sandbox:
        sandbox.faults.add("registration.start", Fault.HANG_AFTER_COMMIT)

        def interrupt() -> None:
            while not any("register" in request.path for request in sandbox.requests):
                arrived.wait(0.01)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        arrived = threading.Event()
        with tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
            interrupter = threading.Thread(target=interrupt)
            interrupter.start()
            with pytest.raises(KeyboardInterrupt) as caught:
                tilia.registration.start("nyx@mail.example", PASSWORD, "nyx@mail.example", options=HEADERS)
            interrupter.join()
        secrets = (*CANARIES, sandbox.client_secret, *sandbox._sandbox._tokens._tokens)
        search(secrets, places(caught.value))
        search(secrets, reported(caught.value))
