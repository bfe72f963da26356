"""A receiver in an aiohttp application, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from support.deliveries import BLOCK, basic, delivery

from tilia_async.webhooks import AccountBlockChanged, WebhookReceiver

Serve = Callable[[WebhookReceiver], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def served(receiver: WebhookReceiver) -> AsyncIterator[str]:
    """The URL of the receiver in an application of its own."""
    app = web.Application(client_max_size=10)
    app.router.add_route("*", "/tilia/{secret}", receiver.aiohttp_handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/tilia"
    finally:
        await runner.cleanup()


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.asyncio
async def test_a_delivery_reaches_its_handler() -> None:
    receiver, seen = WebhookReceiver(path_secret="sécret"), list[AccountBlockChanged]()

    @receiver.on(AccountBlockChanged)
    async def blocked(event: AccountBlockChanged) -> None:
        seen.append(event)

    async with served(receiver) as url, aiohttp.ClientSession() as session:
        async with session.post(f"{url}/s%C3%A9cret", data=delivery(BLOCK)) as response:
            assert (response.status, await response.read()) == (204, b"")
        async with session.post(f"{url}/s%C3%A9cret", data=chunks(*(bytes([b]) for b in delivery(BLOCK)))) as response:
            assert response.status == 204
        async with session.post(f"{url}/guess", data=delivery(BLOCK)) as response:
            assert response.status == 404
    assert [event.account_id for event in seen] == [BLOCK["account_id"]]


@pytest.mark.asyncio
async def test_refusals_say_what_http_wants_them_to() -> None:
    receiver = WebhookReceiver(basic_auth=("user", "password"))
    async with served(receiver) as url, aiohttp.ClientSession() as session:
        async with session.post(f"{url}/x", data=delivery(BLOCK)) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"].startswith("Basic ")
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "HEAD"):
            async with session.request(method, f"{url}/x") as response:
                assert (response.status, response.headers["Allow"]) == (405, "POST")
        headers = {"Authorization": basic("user", "password")}
        async with session.post(f"{url}/x", data=b"{", headers=headers) as response:
            assert response.status == 400


async def exchange(url: str, *parts: bytes) -> bytes:
    """Send bytes as they are, and read the first line of the answer."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.readline()
    finally:
        writer.close()


@pytest.mark.asyncio
async def test_a_header_of_odd_bytes_is_a_wrong_one() -> None:
    async with served(WebhookReceiver(basic_auth=("user", "pässword"))) as url:
        for value in (b"Basic \xff\xfe", b"Basic \xc3\xa9", b"\xe9", b"Basic " + b"=" * 50):
            line = await exchange(
                url,
                b"POST /tilia/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nAuthorization: " + value + b"\r\n\r\n{}",
            )
            assert b" 401 " in line


@pytest.mark.asyncio
async def test_a_body_that_says_it_is_too_large_is_not_waited_for() -> None:
    async with served(WebhookReceiver(max_body=100)) as url:
        line = await exchange(url, b"POST /tilia/x HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n")
        assert b" 413 " in line


@pytest.mark.asyncio
async def test_a_body_that_does_not_say_is_cut_off_at_the_limit() -> None:
    async with served(WebhookReceiver(max_body=100)) as url:
        head = b"POST /tilia/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        # The last chunk, which would end the body, never comes.
        line = await exchange(url, head, b"64\r\n" + b" " * 100 + b"\r\n", b"1\r\n \r\n")
        assert b" 413 " in line


@pytest.mark.asyncio
async def test_the_limit_is_that_of_what_comes_out_of_the_compression() -> None:
    async with served(WebhookReceiver(max_body=10_000)) as url, aiohttp.ClientSession() as session:
        async with session.post(f"{url}/x", data=b" " * 1_000_000, compress="gzip") as response:
            assert response.status == 413


@pytest.mark.asyncio
async def test_a_body_that_is_not_compressed_as_it_says_is_no_notification() -> None:
    async with served(WebhookReceiver()) as url:
        head = b"POST /tilia/x HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"
        assert b" 400 " in await exchange(url, head + b"hello")


@pytest.mark.asyncio
async def test_a_client_that_goes_away_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    receiver, gone = WebhookReceiver(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        try:
            return await receiver.aiohttp_handler(request)
        finally:
            gone.set()

    app = web.Application()
    app.router.add_post("/", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello")
        await writer.drain()
        writer.close()
        await gone.wait()
    finally:
        await runner.cleanup()
    assert "Error handling request" not in caplog.text
