"""Bodies that take their time, or would take that of others."""

import asyncio
import io
import math
import time
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
from aiohttp import web
from support.deliveries import BLOCK, delivery

import tilia_sync
from tilia_async.errors import ConfigurationError, WebhookError
from tilia_async.webhooks import WebhookReceiver, parse_event
from tilia_async.webhooks.parse import MOST_CONTAINERS

MEGABYTE = 1_048_576


@pytest.mark.parametrize("bad", [0, -1, True, None, "30", math.inf, math.nan])
def test_the_time_for_a_body_has_an_end(bad: object) -> None:
    for kind in (WebhookReceiver, tilia_sync.WebhookReceiver):
        with pytest.raises(ConfigurationError, match="body_timeout"):
            kind(body_timeout=bad)  # type: ignore[arg-type]  # what nobody may pass
        assert kind(body_timeout=2).body_timeout == 2


async def trickle(ended: asyncio.Event) -> AsyncIterator[bytes]:
    while not ended.is_set():
        yield b" "
        await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_aiohttp_answers_408_and_closes() -> None:
    app = web.Application()
    app.router.add_post("/tilia", WebhookReceiver(body_timeout=0.2).aiohttp_handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    ended = asyncio.Event()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/tilia"
        async with aiohttp.ClientSession() as session, session.post(url, data=trickle(ended)) as response:
            assert (response.status, response.headers["Connection"]) == (408, "close")
            ended.set()
    finally:
        await runner.cleanup()


async def asked(receiver: WebhookReceiver, *messages: Mapping[str, object], **scope: object) -> Mapping[str, object]:
    """The start of the answer to a request of which these messages arrive, and no more."""
    sent, arriving = list[Mapping[str, object]](), list(messages)

    async def receive() -> Mapping[str, object]:
        return arriving.pop(0) if arriving else await asyncio.get_running_loop().create_future()

    async def send(message: Mapping[str, object]) -> None:
        sent.append(message)

    await receiver.asgi({"type": "http", "method": "POST", "path": "/", **scope}, receive, send)
    return sent[0]


@pytest.mark.asyncio
@pytest.mark.parametrize(("version", "closes"), [("1.1", True), ("1.0", True), ("2", False), ("3", False)])
async def test_what_is_not_read_to_its_end_closes_the_connection(version: str, *, closes: bool) -> None:
    receiver = WebhookReceiver(path_secret="secret", body_timeout=0.02, max_body=10)
    long, part = (b"content-length", b"5"), {"type": "http.request", "body": b" ", "more_body": True}
    for path, status, messages in (
        ("/secret", 408, [part]),
        ("/secret", 413, [{"type": "http.request", "body": b" " * 11, "more_body": True}]),
        ("/guess", 404, []),
    ):
        start = await asked(receiver, *messages, path=path, headers=[long], http_version=version)
        assert start["status"] == status
        assert ((b"connection", b"close") in start["headers"]) is closes  # type: ignore[operator]  # a list of pairs
    whole = {"type": "http.request", "body": b" " * 5}
    start = await asked(receiver, whole, path="/secret", headers=[long], http_version=version)
    assert (start["status"], (b"connection", b"close") in start["headers"]) == (400, False)  # type: ignore[operator]  # a list of pairs
    start = await asked(receiver, path="/guess", method="GET", http_version=version)
    assert (b"connection", b"close") not in start["headers"]  # type: ignore[operator]  # a list of pairs


class Slow(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        time.sleep(0.02)
        return super().read(1)


def test_wsgi_looks_at_the_clock_between_reads() -> None:
    statuses: list[str] = []
    stream = Slow(delivery(BLOCK))
    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(delivery(BLOCK))), "wsgi.input": stream}
    tilia_sync.WebhookReceiver(body_timeout=0.05).wsgi(environ, lambda status, _: statuses.append(status))  # type: ignore[arg-type,return-value]  # less than a server passes
    assert statuses == ["408 Request Timeout"]
    assert stream.tell() < 10


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body",
    [
        b'{"message":{"a":[' + b"1," * 500_000 + b"1]}}",
        b'{"message":{"a":[' + b"[]," * 340_000 + b"[]]}}",
        b'{"message":{' + b",".join(b'"%x":{}' % number for number in range(90_000)) + b"}}",
    ],
    ids=["numbers", "lists", "fields"],
)
async def test_a_large_body_leaves_the_loop_to_others(body: bytes) -> None:
    receiver = WebhookReceiver(max_body=2 * MEGABYTE)
    handled = asyncio.create_task(receiver.handle(body))
    longest, before = 0.0, time.thread_time()
    while not handled.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    assert handled.result() in {204, 400}
    assert longest < 0.1, "seconds of work of the loop's thread in one turn; to parse it there takes half a second"


def test_more_lists_than_any_notification_has_are_refused() -> None:
    for many in ([[]] * MOST_CONTAINERS, [{}] * MOST_CONTAINERS, [[[]]] * MOST_CONTAINERS):
        with pytest.raises(WebhookError, match="more than 50,000 lists and objects"):
            parse_event(delivery({"a": many}))
    for text in ("[" * 100_000, '"{[' * 60_000, '\\"{[\\' * 60_000, "\\" * 101 + "[" * 60_000):
        assert parse_event(delivery({"a": text})).message["a"] == text
    assert parse_event(delivery({"a": [[]] * (MOST_CONTAINERS - 3)})).message


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"message":', b'[{"a":'])
def test_a_megabyte_of_brackets(opening: bytes) -> None:
    with pytest.raises(WebhookError):
        parse_event((opening * MEGABYTE)[:MEGABYTE])
