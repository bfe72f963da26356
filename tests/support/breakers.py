"""Ways to break a connection before its request."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp.abc import AbstractResolver, ResolveResult

RESET_AT_ONCE = struct.pack("ii", 1, 0)


@asynccontextmanager
async def tls_reset() -> AsyncIterator[int]:
    """Return a port that resets handshakes.

    It takes connections and resets them at the first bytes of the handshake.
    """

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class NoNames(AbstractResolver):
    """Knows no host, as a machine without its name server."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(None, f"Name or service not known: {host}:{port}")

    async def close(self) -> None:
        pass
