"""A Tilia that loses every write's answer.

It answers look-ups with whatever a test says.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import attrs

from support.hostile import Connection, hostile_server
from support.quick import QUICK
from tilia_async import TiliaClient, errors
from tilia_async.tokens import TokenCache

TOKEN = b'{"access_token":"a-token-0123456789","token_type":"Bearer","expires_in":3600,"scope":""}'


def when(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def zoned(seconds: float) -> str:
    """Return a time as invoices have it.

    So many seconds from now.
    """
    return when(seconds).isoformat().replace("+00:00", "Z")


def unzoned(seconds: float, *, hours_from_utc: float = 0) -> str:
    """Return a time as refunds have it.

    So many seconds from now, told by a clock on a wall anywhere.
    """
    return f"{when(seconds + hours_from_utc * 3600):%Y-%m-%d %H:%M:%S}"


@attrs.frozen
class Lie:
    """An answer to a look-up.

    Attributes:
        body: JSON without its envelope, or bytes as they are.
        ahead: of our clock, in seconds, for the header ``Date``; None: there is no such header.
    """

    body: object
    status: int = 200
    ahead: float | None = 0.0

    async def tell(self, connection: Connection) -> None:
        body = self.body if isinstance(self.body, bytes) else json.dumps(_enveloped(self.body)).encode()
        date = b"" if self.ahead is None else f"Date: {format_datetime(when(self.ahead), usegmt=True)}\r\n".encode()
        connection.writer.write(b"HTTP/1.1 %d Whatever\r\nContent-Type: application/json\r\n%s" % (self.status, date))
        connection.writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await connection.writer.drain()


def _enveloped(payload: object) -> dict[str, object]:
    return {"status": "Success", "message": [], "codes": [], "payload": payload}


@attrs.define
class Liar:
    """The server's answers, and a client that hears them.

    Attributes:
        answer: to the first line of a look-up's request.
        asked: the first lines of all look-ups.
    """

    tilia: TiliaClient
    answer: Callable[[str], Lie] = lambda _: Lie(None)
    asked: list[str] = attrs.field(factory=list)

    def say(self, body: object, status: int = 200, ahead: float | None = 0.0) -> None:
        self.answer = lambda _: Lie(body, status, ahead)


@asynccontextmanager
async def liar() -> AsyncIterator[Liar]:
    told: list[Liar] = []

    async def script(connection: Connection) -> None:
        while (line := await connection.request()) is not None:
            if line.split()[1] == "/auth/token":
                await connection.answer(TOKEN)
                continue
            if not line.startswith("GET"):
                return
            told[0].asked.append(line)
            await told[0].answer(line).tell(connection)

    async with hostile_server(script) as server:
        async with TiliaClient("id", "secret", server.template, retry=QUICK, token_cache=TokenCache()) as tilia:
            told.append(Liar(tilia))
            yield told[0]


async def lost(call: object) -> errors.OutcomeUnknownError:
    """Return the error of a write without answer."""
    try:
        await call
    except errors.OutcomeUnknownError as error:
        return error
    raise AssertionError("it was answered")
