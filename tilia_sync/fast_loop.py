"""uvloop's event loop for the loop thread; the extra ``speed`` brings it."""

from __future__ import annotations

import socket
from typing import Any

import uvloop


class FastLoop(uvloop.Loop):
    """Resolves names as asyncio's loop does.

    uvloop has threads of libuv's do that, even for an IP address. When a forked child exits, libuv joins them; but they
    are its parent's only, and the child crashes (https://github.com/libuv/libuv/issues/4443).
    """

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the names are asyncio's
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:  # uvloop, asyncio and socket describe the same tuples in three ways
        """See :func:`socket.getaddrinfo`."""
        try:
            # An address needs no thread.
            return socket.getaddrinfo(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:
            return await self.run_in_executor(None, socket.getaddrinfo, host, port, family, type, proto, flags)
