"""One request's way through a session, which tells whether it may have reached Tilia."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection

from tilia_async.tracebacks import cut
from tilia_async.transport.idle import look
from tilia_async.transport.places import Places


class Passage:
    """One request's way through a session: it takes a place, and is sent.

    Attributes:
        places: of the running event loop.
        used: the connections of the running event loop that served a request before.
        sent: a connection was there, and the request may be on the wire.
    """

    __slots__ = ("places", "sent", "used")

    def __init__(self, places: Places, used: WeakSet[ResponseHandler]) -> None:
        self.places = places
        self.used = used
        self.sent = False


passage: ContextVar[Passage | None] = ContextVar("tilia_passage", default=None)


class MarkedRequest(ClientRequest):
    """Tells the passage when a connection is there that can be used, which decides what a failure may have caused."""

    async def write_bytes(self, *args: Any, **settings: Any) -> None:
        """Write the body, in a task of its own, so what interrupts the loop there passes no frame of a call."""
        try:
            await super().write_bytes(*args, **settings)
        except BaseException as error:  # whatever ends the writing; it is raised again
            cut(error, None)
            raise

    async def send(self, conn: Connection) -> ClientResponse:
        current = passage.get()
        if current is not None:
            await look(conn, current.used)
            current.sent = True
        return await super().send(conn)
