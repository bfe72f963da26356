"""A server that misbehaves on purpose, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext

import attrs

from support.listening import listening

Script = Callable[["Connection"], Awaitable[None]]

TOKEN = b'{"access_token":"t","token_type":"Bearer","expires_in":3600,"scope":""}'


@attrs.define
class Connection:
    """A connection, as the script of a test sees it.

    Attributes:
        head: of the last request.
        body: its body.
    """

    server: HostileServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes = b""
    body: bytes = b""

    async def request(self) -> str | None:
        """Read one whole request.

        Returns its first line, or None at the end of the connection.
        """
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        self.head, self.body = head, await self.reader.readexactly(length)
        line = head.split(b"\r\n")[0].decode()
        if "/token" not in line:
            self.server.requests.append(line)
            self.server.arrived.set()
        return line

    async def answer(self, body: bytes = b'{"status":"Success","payload":{}}', head: bytes = b"") -> None:
        self.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + head)
        self.writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await self.writer.drain()

    async def tokens(self) -> str | None:
        """Answer token requests until another one comes; its first line."""
        while (line := await self.request()) is not None and "/token" in line:
            await self.answer(TOKEN)
        return line


@attrs.define
class HostileServer:
    """A server that runs a script for each connection.

    It knows what arrived, token requests left out.
    """

    port: int = 0
    requests: list[str] = attrs.field(factory=list)
    arrived: asyncio.Event = attrs.field(factory=asyncio.Event)
    open: int = 0

    @property
    def template(self) -> str:
        return f"http://127.0.0.1:{self.port}/{{service}}"


@asynccontextmanager
async def hostile_server(
    script: Script, tls: SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[HostileServer]:
    served = HostileServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.open += 1
        try:
            with suppress(ConnectionError):
                await script(Connection(served, reader, writer))
        finally:
            served.open -= 1

    async with listening(serve, tls, host) as served.port:
        yield served
