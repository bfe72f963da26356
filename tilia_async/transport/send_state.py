"""The state of one request's way through a session.

It tells whether the request may have reached Tilia.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection

from tilia_async.tracebacks import cut
from tilia_async.transport.connection_limiter import ConnectionLimiter
from tilia_async.transport.idle import Used, look


class SendState:
    """A request's way through a session.

    It takes a place, and is sent.

    Attributes:
        places: of the running event loop.
        used: the connections of the running event loop that served a request before.
        seconds: how long it may take once it has a place; None: as long as its call.
        again: the connection is one of those.
        sent: a connection was there, and the request may be on the wire.
        waited: seconds that it waited for a place.
    """

    __slots__ = ("again", "places", "seconds", "sent", "used", "waited")

    def __init__(self, places: ConnectionLimiter, used: Used, seconds: float | None = None) -> None:
        self.places: ConnectionLimiter = places
        self.seconds: float | None = seconds
        self.used: Used = used
        self.again: bool = False
        self.sent: bool = False
        self.waited: float = 0.0


current_send: ContextVar[SendState | None] = ContextVar("tilia_passage", default=None)


KNOWN: Final = hasattr(ClientRequest, "send")
"""aiohttp sends requests as its version 3 does."""
CAN_LOOK: Final = KNOWN or hasattr(ClientRequest, "_send")
"""True if a connection can be looked at first.

It is looked at before a request is written on it.
"""


class TrackedRequest(ClientRequest):
    """A request that tracks its sending.

    It tells the send state when a connection is there that can be used, which decides what a failure may have caused.

    aiohttp 4 will give both methods names with an underscore.
    """

    async def write_bytes(self, *args: Any, **settings: Any) -> None:
        """Write the body, in a task of its own.

        What interrupts the loop there passes no frame of a call.
        """
        try:
            await super().write_bytes(*args, **settings)
        except BaseException as error:  # whatever ends the writing; it is raised again
            cut(error, None)
            raise

    async def _write_bytes(self, *args: Any, **settings: Any) -> None:
        try:
            await super()._write_bytes(*args, **settings)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] - since aiohttp 4
        except BaseException as error:  # whatever ends the writing; it is raised again
            cut(error, None)
            raise

    async def send(self, conn: Connection) -> ClientResponse:
        await _arrive(conn)
        return await super().send(conn)

    async def _send(self, conn: Connection) -> ClientResponse:
        await _arrive(conn)
        return await super()._send(conn)  # type: ignore[misc, no-any-return]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] - since aiohttp 4


async def _arrive(connection: Connection) -> None:
    current = current_send.get()
    if current is not None:
        current.again = await look(connection, current.used)
        current.sent = True


async def _write(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    current = current_send.get()
    if current is not None:
        current.sent = True


def _trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_write)
    trace.freeze()
    return trace


SENT: Final = _trace()
"""Tracing that marks a request as sent.

It tells the send state what ``TrackedRequest`` would not, should aiohttp send by a method of yet another name.

It is aiohttp's documented way to learn of a request that is sent, and comes before the first byte.
"""
