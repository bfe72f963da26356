"""Calls to interrupt, each on a server of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs
import trustme

import tilia_sync
from support.hostile import Connection, HostileServer
from support.interruption import (
    elsewhere,
)
from support.keeper import Keeper
from support.quick import QUICK
from tilia_async import Limits, Operation, Repeat, RetryPolicy, Service, TiliaClient
from tilia_async.sandbox import Fault
from tilia_async.tokens import TokenCache

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)
HOLD = Operation("things.hold", "GET", Service.ACCOUNTS, "/v1/hold", dict[str, str], scopes=(), repeat=Repeat.SAFE)
BACKOFF = RetryPolicy(attempts=3, initial=0.002, maximum=0.002)
Call = Callable[[], Coroutine[Any, Any, object]]


@attrs.frozen(eq=False)
class Stage:
    """A client and the call that is interrupted.

    Attributes:
        after: what has to be done before the next call can succeed.
    """

    tilia: TiliaClient
    port: int
    call: Call
    after: Callable[[], Awaitable[object]] | None = None


class Scene:
    """Sets the same stage as often as one likes."""

    @contextmanager
    def served(self) -> Iterator[None]:
        raise NotImplementedError

    def stage(self) -> contextmanager[Stage]:
        raise NotImplementedError


@attrs.define(eq=False)
class InSandbox(Scene):
    warm: bool
    faults: tuple[tuple[str, Fault, int], ...] = ()
    writes: bool = False
    sandbox: tilia_sync.Sandbox | None = None

    @contextmanager
    def served(self) -> Iterator[None]:
        with tilia_sync.Sandbox(wallet_delay=0) as self.sandbox:
            yield

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        sandbox = self.sandbox
        tilia = TiliaClient(
            sandbox.client_id, sandbox.client_secret, sandbox.environment, retry=BACKOFF, token_cache=TokenCache()
        )
        async with tilia:
            if self.warm:
                await tilia.payment_methods.list("acct_1")
            sandbox.faults.clear()
            for operation, fault, times in self.faults:
                sandbox.faults.add(operation, fault, times=times)

            async def cleared() -> None:
                sandbox.faults.clear()

            yield Stage(tilia, sandbox.port, lambda: tilia.payment_methods.list("acct_1"), cleared)


@attrs.define(eq=False)
class OnHostileServer(Scene):
    script: Callable[[Connection], Awaitable[None]]
    operation: Operation[Any] = READ
    warm: bool = True
    host: str = "127.0.0.1"
    limits: Limits = attrs.field(factory=Limits)
    server: HostileServer | None = None

    @contextmanager
    def served(self) -> Iterator[None]:
        with elsewhere(self.script) as self.server:
            yield

    def client(self) -> TiliaClient:
        template = self.server.template.replace("127.0.0.1", self.host)
        return TiliaClient("id", "secret", template, retry=QUICK, limits=self.limits, token_cache=TokenCache())

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        async with self.client() as tilia:
            if self.warm:
                await tilia.access_token(())
            yield Stage(tilia, self.server.port, lambda: tilia.send(self.operation))


@attrs.define(eq=False)
class FullPool(OnHostileServer):
    """A pool whose only connection is in use.

    Until the call has waited for it."""

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        async with self.client() as tilia:
            await tilia.access_token(())
            holder = asyncio.create_task(tilia.send(HOLD))
            while not tilia._pool.busy:  # noqa: ASYNC110 - nothing sets an event there
                await asyncio.sleep(0)

            async def freed() -> None:
                holder.cancel()
                await asyncio.wait([holder])

            async def call() -> object:
                asyncio.get_running_loop().call_later(0.001, holder.cancel)
                return await tilia.send(READ)

            yield Stage(tilia, self.server.port, call, freed)


@attrs.define(eq=False)
class EndedWhileIdle(OnHostileServer):
    """Kept-alive connections that the server has ended.

    The loop has not read that yet."""

    script: Callable[[Connection], Awaitable[None]] = attrs.field(init=False)
    keeper: Keeper = attrs.field(init=False)

    @contextmanager
    def served(self) -> Iterator[None]:
        self.keeper = Keeper()
        self.script = self.keeper.serve
        with OnHostileServer.served(self):
            yield

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        async with self.client() as tilia:
            await asyncio.gather(*(tilia.send(READ) for _ in range(3)))
            self.keeper.end_idle()
            yield Stage(tilia, self.server.port, lambda: tilia.send(WRITE))


@attrs.define(eq=False)
class OverTls(OnHostileServer):
    """A new TLS connection.

    Through a session of the user's that trusts the test's own authority."""

    authority: trustme.CA = attrs.field(factory=trustme.CA)

    @contextmanager
    def served(self) -> Iterator[None]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("127.0.0.1").configure_cert(context)
        with elsewhere(self.script, context) as self.server:
            yield

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        import aiohttp

        trusting = ssl.create_default_context()
        self.authority.configure_trust(trusting)
        template = self.server.template.replace("http:", "https:")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
            async with TiliaClient(
                "id", "secret", template, retry=QUICK, token_cache=TokenCache(), session=session
            ) as tilia:
                yield Stage(tilia, self.server.port, lambda: tilia.send(self.operation))


async def answer(connection: Connection) -> None:
    while (line := await connection.tokens()) is not None:
        if "hold" in line:
            await asyncio.Event().wait()
        await connection.answer()


async def answer_slowly(connection: Connection) -> None:
    while await connection.tokens() is not None:
        connection.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b'{"sta', b'tus":"Success",', b'"pay', b'load":{}', b"}"):
            connection.writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await connection.writer.drain()
            await asyncio.sleep(0.001)
        connection.writer.write(b"0\r\n\r\n")


async def drop_every_second(connection: Connection) -> None:
    """Answer the token and one request, and drop the next.

    In the middle of it."""
    if await connection.tokens() is not None:
        await connection.answer()
        await connection.request()


async def answer_and_close(connection: Connection) -> None:
    while (line := await connection.request()) is not None:
        body = b'{"access_token":"t"}' if "/token" in line else b'{"status":"Success","payload":{}}'
        await connection.answer(body, b"Connection: close\r\n")
        return


SCENES = {
    "cold": InSandbox(warm=False),
    "warm": InSandbox(warm=True),
    "retries with backoff": InSandbox(warm=True, faults=(("payment_methods.list", Fault.SERVER_ERROR_EMPTY, 2),)),
    "dropped, then retried": InSandbox(warm=True, faults=(("payment_methods.list", Fault.DROP_BEFORE_COMMIT, 2),)),
    "token refused": InSandbox(warm=True, faults=(("payment_methods.list", Fault.TOKEN_REVOKED, 1),)),
    "token outage": InSandbox(warm=False, faults=(("auth.token", Fault.TOKEN_OUTAGE, 2),)),
    "by name": OnHostileServer(answer, host="localhost", warm=False),
    "slow body": OnHostileServer(answer_slowly),
    "kept-alive connection dropped": OnHostileServer(drop_every_second),
    "no connection is kept": OnHostileServer(answer_and_close, WRITE, warm=False),
    "full pool": FullPool(answer, limits=Limits(connections=1, per_host=1)),
    "ended while idle": EndedWhileIdle(),
    "TLS": OverTls(answer, warm=False),
}
