"""A real SOCKS5 proxy (RFC 1928, RFC 1929).

It passes bytes on, and remembers whom it was asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import attrs

from support.listening import listening

_REFUSED = 5


@attrs.define(eq=False)
class SocksProxy:
    """Proxy, and what it saw.

    Attributes:
        login: user and password that it wants; None: it wants none.
        asked: the hosts and ports that clients named.
    """

    login: tuple[str, str] | None = None
    port: int = 0
    asked: list[tuple[str, int]] = attrs.field(factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if await self._admits(reader, writer):
                await self._pass_on(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _admits(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _version, number = await reader.readexactly(2)
        offered = await reader.readexactly(number)
        wanted = 0 if self.login is None else 2
        if wanted not in offered:
            writer.write(b"\x05\xff")
            return False
        writer.write(bytes([5, wanted]))
        if self.login is None:
            return True
        await reader.readexactly(1)
        user = await reader.readexactly((await reader.readexactly(1))[0])
        password = await reader.readexactly((await reader.readexactly(1))[0])
        admitted = (user.decode(), password.decode()) == self.login
        writer.write(bytes([1, 0 if admitted else 1]))
        return admitted

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _version, _command, _reserved, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append((host, port))
        try:
            there, onward = await asyncio.open_connection("127.0.0.1" if host.endswith(".test") else host, port)
        except OSError:
            writer.write(bytes([5, _REFUSED, 0, 1, 0, 0, 0, 0, 0, 0]))
            return
        writer.write(bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while chunk := await source.read(65_536):
                    sink.write(chunk)
                    await sink.drain()
            sink.close()

        try:
            await asyncio.gather(pump(reader, onward), pump(there, writer))
        finally:
            onward.close()


@asynccontextmanager
async def socks_proxy(*, login: tuple[str, str] | None = None) -> AsyncIterator[SocksProxy]:
    proxy = SocksProxy(login)
    async with listening(proxy.serve) as proxy.port:
        yield proxy
