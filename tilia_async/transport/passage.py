"""One request's way through a session, which tells whether it may have reached Tilia."""

from __future__ import annotations

from contextvars import ContextVar

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection

from tilia_async.transport.places import Places


class Passage:
    """One request's way through a session: it takes a place, and is sent.

    Attributes:
        places: of the running event loop.
        sent: a connection was there, and the request may be on the wire.
    """

    __slots__ = ("places", "sent")

    def __init__(self, places: Places) -> None:
        self.places = places
        self.sent = False


passage: ContextVar[Passage | None] = ContextVar("tilia_passage", default=None)


class UnaskedAnswerError(aiohttp.ClientConnectionError):
    """Something came on a connection on which nothing was asked: it would be taken for the next request's answer."""


class MarkedRequest(ClientRequest):
    """Tells the passage when a connection is there, which decides what a failure may have caused."""

    async def send(self, conn: Connection) -> ClientResponse:
        if conn.protocol is not None and conn.protocol.should_close:
            raise UnaskedAnswerError
        current = passage.get()
        if current is not None:
            current.sent = True
        return await super().send(conn)
