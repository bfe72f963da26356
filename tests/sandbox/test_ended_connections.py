"""Connections that the sandbox ends by itself."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from tilia_async.sandbox import Fault, Sandbox


async def closed(reader: asyncio.StreamReader) -> float:
    """Seconds until the other side ends a connection."""
    started = time.monotonic()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    return time.monotonic() - started


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The head of the answer to one request that keeps its connection."""
    port = writer.get_extra_info("peername")[1]
    writer.write(b"GET /accounts/v1/nobody/user-info HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port)
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = re.findall(rb"Content-Length: (\d+)", head)
    await reader.readexactly(int(length))
    return head


@pytest.mark.asyncio
async def test_a_connection_is_ended_when_it_was_idle_for_long() -> None:
    async with Sandbox(keep_alive=0.2) as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
        for _ in range(2):
            assert b"Connection: close" not in await answered(reader, writer)
        assert 0.1 < await closed(reader) < 2
        writer.close()


@pytest.mark.asyncio
async def test_a_connection_is_ended_without_a_word() -> None:
    async with Sandbox() as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
        sandbox.faults.add("*", Fault.CLOSED_WHEN_IDLE, seconds=0.05)
        assert b"Connection: close" not in await answered(reader, writer)
        assert await closed(reader) < 2
        writer.close()
        assert sandbox.faults.pending == 0
