"""The end of a session.

With its client, with its event loop, or after that.
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any

import aiohttp


async def close_with_loop(sessions: list[aiohttp.ClientSession]) -> AsyncGenerator[None, None]:
    """Close sessions when the event loop ends.

    They are closed, too, when nobody refers to the generator any more.

    A loop closes the asynchronous generators that it has left before it is closed: ``asyncio.run`` sees to that, and so
    does whatever else runs loops to their end. It is the one public way to be told.
    """
    try:
        yield
    finally:
        for session in sessions:
            await session.close()


async def begin(watch: AsyncGenerator[None, None]) -> bool:
    """Let the running loop know of a generator.

    Returns False if the loop is ending already, so it is too late.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        await anext(watch)
    return not warned


def drop(session: aiohttp.ClientSession) -> None:
    """Close the sockets of a dead loop's session.

    Its loop was closed without having been run to its end.

    Whoever calls ``loop.close()`` alone leaves transports behind that cannot be closed any more: their own ways ask the
    loop. What is used instead of them is not public; where it is missing, the garbage collector closes the sockets.
    """
    connector = session.connector
    if connector is None or connector.closed:
        return
    for transport in list(_transports(connector)):
        tls = getattr(transport, "_ssl_protocol", None)
        if tls is not None:
            transport._closed = True  # noqa: SLF001 - or it complains when it is collected
        plain = transport if tls is None else getattr(tls, "_transport", None)
        lose = getattr(plain, "_call_connection_lost", None)
        if lose is not None:
            with contextlib.suppress(RuntimeError):
                lose(None)
    # Nothing is left to wait for, so this ends without a loop.
    closing = session.close()
    with contextlib.suppress(StopIteration, RuntimeError):
        closing.send(None)
    closing.close()


def _transports(connector: aiohttp.BaseConnector) -> Iterator[Any]:
    idle: Iterable[Any] = getattr(connector, "_conns", {}).values()
    protocols = [protocol for connections in idle for protocol, *_ in connections]
    protocols += getattr(connector, "_acquired", ())
    for protocol in protocols:
        transport = getattr(protocol, "transport", None)
        if isinstance(transport, asyncio.BaseTransport):
            yield transport
