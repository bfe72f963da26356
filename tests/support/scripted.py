"""A Tilia that answers each account on demand.

As a test wants; it sees what is in flight.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from urllib.parse import parse_qs, unquote

import attrs
import orjson

from support.hostile import Connection
from support.quick import QUICK
from tilia_async import RetryPolicy, TiliaClient
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import TokenCache

ONCE = RetryPolicy(attempts=1)

_AUTHORIZATION = re.compile(rb"\r\nAuthorization: Bearer (\S+)", re.IGNORECASE)


@attrs.frozen
class Reply:
    """An answer; status 0 drops the connection instead."""

    status: int = 200
    body: bytes = b'{"status":"Success","message":[],"codes":[],"payload":{"is_blocked":true}}'
    headers: Mapping[str, str] = attrs.field(factory=dict)

    def bytes(self) -> bytes:
        head = [f"HTTP/1.1 {self.status} X", "Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*head, "", ""]).encode() + self.body


DONE = Reply()
DROPPED = Reply(0)


def failing(status: int, **headers: str) -> Reply:
    body = b'{"status":"Failure","message":["no"],"codes":[],"payload":null}'
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


Answer = Callable[["ScriptedTilia", str], Awaitable[Reply]]


async def at_once(_tilia: ScriptedTilia, _account_id: str) -> Reply:
    return DONE


async def never(_tilia: ScriptedTilia, _account_id: str) -> Reply:
    await asyncio.Event().wait()
    return DONE


@attrs.define(eq=False)
class ScriptedTilia:
    """The requests that arrived, token requests apart.

    Attributes:
        answer: makes the reply to a request for an account.
        token: how the tokens begin.
        tokens: how often it was asked.
        arrived: the accounts of the requests, in order.
        senders: the client ids whose tokens these requests had; kept where a test makes it a list.
        arrived_at: when, on the monotonic clock.
        answered: the accounts whose reply has been given.
        in_flight: the requests without a reply so far.
        peak: the most that ever were.
    """

    answer: Answer = at_once
    token: str = "t"
    tokens: int = 0
    arrived: list[str] = attrs.field(factory=list)
    senders: list[str] | None = None
    arrived_at: list[float] = attrs.field(factory=list)
    answered: list[str] = attrs.field(factory=list)
    in_flight: int = 0
    peak: int = 0
    _clients: dict[str, str] = attrs.field(init=False, factory=dict)

    async def serve(self, connection: Connection) -> None:
        while (line := await connection.request()) is not None:
            if "/token" in line:
                self.tokens += 1
                token = f"{self.token}{self.tokens}"
                if self.senders is not None:
                    self._clients[token] = parse_qs(connection.body.decode())["client_id"][0]
                await connection.answer(orjson.dumps({"access_token": token, "expires_in": 3600}))
                continue
            # Kept in ``arrived``, which a test may clear.
            connection.server.requests.clear()
            account_id = unquote(line.split()[1].split("/")[3])
            self.arrived.append(account_id)
            self.arrived_at.append(monotonic())
            if self.senders is not None:
                self.senders.append(self._clients[_AUTHORIZATION.search(connection.head).group(1).decode()])
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
            try:
                reply = await self.answer(self, account_id)
            finally:
                self.in_flight -= 1
            self.answered.append(account_id)
            if reply is DROPPED:
                connection.writer.transport.abort()
                return
            connection.writer.write(reply.bytes())
            await connection.writer.drain()


def client_of(template: object, client_id: str = "id", secret: str = "secret", **settings: object) -> TiliaClient:
    """Make a client that tries once.

    With a token cache of its own.
    """
    return TiliaClient(client_id, secret, template, **{"retry": ONCE, "token_cache": TokenCache(), **settings})


def sandbox_client(sandbox: Sandbox, **settings: object) -> TiliaClient:
    return client_of(sandbox.environment, sandbox.client_id, sandbox.client_secret, **{"retry": QUICK, **settings})


def people(sandbox: Sandbox, number: int) -> list[str]:
    """New accounts, without a request for each."""
    first = len(sandbox.accounts)
    names = (f"user{each}" for each in range(first, first + number))
    return [sandbox._world.create_account(name, f"{name}@mail.example").account_id for name in names]


def ids(number: int) -> list[str]:
    return [f"acct_{each}" for each in range(number)]


def blocks_sent(sandbox: Sandbox, operation: str = "accounts.block") -> list[str]:
    """Return the accounts that arrived, in order."""
    return [unquote(each.path.split("/")[2]) for each in sandbox.requests if each.operation == operation]


async def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for something that has no event.

    It happens in another thread or behind the package's face.
    """
    ends = monotonic() + seconds
    while not holds():
        assert monotonic() < ends, "it did not happen"
        await asyncio.sleep(0.002)
