"""Reading that pauses when an answer comes too fast.

It goes on after that.
"""

from __future__ import annotations

import asyncio
import functools
import gzip

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from support.hostile import Connection, hostile_server
from support.quick import QUICK

from tilia_async import Operation, Repeat, Service, TiliaClient
from tilia_async.tokens import TokenCache
from tilia_async.transport.reading import PausingHandler, read_by_need

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
LARGE = b"x" * 20_000_000
"""More than the buffers of two sockets and of a connection hold."""


class Pauses:
    """Counts how often connections paused and resumed their reading.

    Attributes:
        begun: set while one pauses.
    """

    def __init__(self) -> None:
        self.resumed = 0
        self.paused = 0
        self.begun = asyncio.Event()

    def pause(self) -> None:
        self.paused += 1
        self.begun.set()

    def resume(self) -> None:
        self.resumed += 1
        self.begun.clear()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    seen = Pauses()
    pause, resume = ResponseHandler.pause_reading, ResponseHandler.resume_reading

    def paused(handler: ResponseHandler) -> None:
        seen.pause()
        pause(handler)

    def resumed(handler: ResponseHandler, *args: bool, **named: bool) -> None:
        seen.resume()
        resume(handler, *args, **named)

    monkeypatch.setattr(ResponseHandler, "pause_reading", paused)
    monkeypatch.setattr(ResponseHandler, "resume_reading", resumed)
    return seen


@pytest.mark.asyncio
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_an_answer_that_makes_reading_pause_comes_whole(pauses: Pauses, packed: bool) -> None:
    body = gzip.compress(LARGE, 1) if packed else LARGE
    encoding = b"Content-Encoding: gzip\r\n" if packed else b""

    async def serve(connection: Connection) -> None:
        while await connection.request() is not None:
            connection.writer.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (encoding, len(body)))
            connection.writer.write(body)

    connector = aiohttp.TCPConnector(limit=1)
    read_by_need(connector, asyncio.get_running_loop())
    async with hostile_server(serve) as server, aiohttp.ClientSession(connector=connector) as session:
        for before in range(2):
            async with session.get(server.template.format(service="accounts")) as response:
                # Nobody reads, so it has to pause.
                await asyncio.wait_for(pauses.begun.wait(), 20)
                assert pauses.paused > before
                assert await response.read() == LARGE
    assert pauses.resumed >= 2
    assert len(server.requests) == 2


@pytest.mark.asyncio
async def test_a_small_answer_needs_no_resuming(pauses: Pauses) -> None:
    async def serve(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await connection.answer(b'{"status":"Success","payload":{"a":"b"}}')

    async with (
        hostile_server(serve) as server,
        TiliaClient("id", "secret", server.template, retry=QUICK, token_cache=TokenCache()) as tilia,
    ):
        await tilia.send(READ)
        await tilia.send(READ)
    assert (pauses.paused, pauses.resumed) == (0, 0)


@pytest.mark.asyncio
async def test_a_connector_that_makes_its_connections_otherwise_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = aiohttp.TCPConnector()
    loop = asyncio.get_running_loop()
    for made in (functools.partial(PausingHandler, loop=loop), lambda: ResponseHandler(loop)):
        monkeypatch.setattr(connector, "_factory", made)
        read_by_need(connector, loop)
        assert vars(connector)["_factory"] is made
    await connector.close()


@pytest.mark.asyncio
async def test_a_connector_without_such_a_name_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = aiohttp.TCPConnector()
    monkeypatch.delattr(connector, "_factory")
    read_by_need(connector, asyncio.get_running_loop())
    assert not hasattr(connector, "_factory")
    await connector.close()
