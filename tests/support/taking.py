"""A server that takes notifications, and keeps their bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def taking(status: int | None = 204) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve on loopback, and give the URL and the bodies.

    Args:
        status: of each answer; None: the connection is cut.
    """
    bodies: list[bytes] = []

    async def take(request: web.BaseRequest) -> web.Response:
        bodies.append(await request.read())
        if status is None and request.transport is not None:
            request.transport.abort()
        return web.Response(status=status or 204, headers={"Location": "/elsewhere"})

    runner = web.ServerRunner(web.Server(take, access_log=None), shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", bodies
    finally:
        await runner.cleanup()
