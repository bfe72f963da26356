"""The aiohttp sessions of a client.

One for each event loop that it is used from.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401  # pyright: ignore[reportUnusedImport] - or the loop loads it for names
import contextlib
import os
import platform
import weakref
from collections.abc import AsyncGenerator, Awaitable
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import aiohttp
import attrs

from tilia_async.config import Limits
from tilia_async.errors import ClientClosedError, ConfigurationError
from tilia_async.os_threads import ProcessLock
from tilia_async.proxy import Proxy
from tilia_async.settings_checks import expect
from tilia_async.tokens.token import AccessToken
from tilia_async.transport.connection_limiter import ConnectionLimiter
from tilia_async.transport.deadlines import Deadline, Deadlines
from tilia_async.transport.direct import NO_TIMEOUT, Direct
from tilia_async.transport.endings import begin, close_with_loop, drop
from tilia_async.transport.event_loop import running_loop
from tilia_async.transport.foreign import Adopted, adopt, loop_of
from tilia_async.transport.idle import Used
from tilia_async.transport.reading import read_by_need
from tilia_async.transport.routes import Routes
from tilia_async.transport.send_once import send_once
from tilia_async.transport.send_state import CAN_LOOK, SENT, SendState, TrackedRequest
from tilia_async.version import __version__
from tilia_async.wire import codec
from tilia_async.wire.envelope import NoResponse, RawResponse
from tilia_async.wire.request import WireRequest

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": f"tilia-sdk/{__version__} Python/{platform.python_version()} aiohttp/{aiohttp.__version__}",
}


_forks = 0
_inherited: list[object] = []


def _count_fork() -> None:
    global _forks  # noqa: PLW0603 - a process has one history of forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


@attrs.define(eq=False)
class LoopState:
    """The state of a client in one event loop.

    Attributes:
        places: those of ``session``.
        session: None until the first call needs it.
        direct: the shorter way to the connections of ``session``, if it can be taken.
        routes: the proxies of ``session``; None: it has none.
        used: connections that served a request.
        watch: closes ``session`` when the loop ends.
        lasts: False for a session that was opened as the loop was ending already.
        last_requests: under way on a session that does not last.
    """

    deadlines: Deadlines
    places: ConnectionLimiter
    session: aiohttp.ClientSession | None = None
    connector: aiohttp.BaseConnector | None = None
    direct: Direct | None = None
    routes: Routes | None = None
    used: Used = attrs.field(factory=Used)
    watch: AsyncGenerator[None, None] | None = None
    lasts: bool = True
    last_requests: int = 0

    def find(self) -> aiohttp.ClientSession | None:
        """Return the session, if its connections can be used.

        It is closed by whoever closes its client, which calls learn.
        """
        return None if self.connector is None or self.connector.closed else self.session

    async def close(self) -> None:
        """Close the session, in its loop."""
        try:
            if self.direct is not None:
                self.direct.give_back()
            if self.session is not None:
                await self.session.close()
        finally:
            if self.watch is not None:
                # The session is closed or on its way there, so this waits for nothing.
                await self.watch.aclose()

    def drop(self) -> None:
        """Close what is left after its loop was closed."""
        if self.direct is not None:
            self.direct.give_back()
        if self.session is not None:
            drop(self.session)

    def current_send(self, seconds: float | None = None) -> SendState:
        """Return the send state of one request.

        It may take so long.
        """
        return SendState(self.places, self.used, seconds)

    def deadline(self, seconds: float) -> Deadline:
        """Bound a call, and end it with the client.

        When the client is closed, its time is up at once.
        """
        return Deadline(self.deadlines, seconds)


class SessionPool:
    """Pool of sessions.

    It opens a session on the first call in each event loop, and closes what it opened.

    Args:
        session: of the user's, to be used through its connector.
        proxy: for every request.
        trust_env: take proxies from the environment.
        ssl: what certificates are trusted, and which one is shown.

    Attributes:
        closed: no call is begun any more.
        ended: calls under way are ended, too.

    Raises:
        ConfigurationError: a setting cannot be used.
    """

    def __init__(
        self,
        limits: Limits,
        session: aiohttp.ClientSession | None = None,
        *,
        proxy: Proxy | None = None,
        trust_env: bool = False,
        ssl: SSLContext | None = None,
    ) -> None:
        expect("limits", limits, Limits)
        expect("session", session, aiohttp.ClientSession, type(None))
        expect("trust_env", trust_env, bool)
        _check_tls(ssl)
        if proxy is not None and trust_env:
            raise ConfigurationError(
                "proxy and trust_env: give one of them; a proxy (or TILIA_PROXY) is used for every request, "
                "so nothing would be left for the environment to say"
            )
        for setting, given in (("proxy", proxy), ("trust_env", trust_env or None), ("ssl", ssl)):
            if session is not None and given is not None:
                raise ConfigurationError(
                    f"{setting} and session: give {setting} to the session, or leave the session out"
                )
        self.limits = limits
        self.closed: bool = False
        self.ended: bool = False
        self._foreign = session
        self._ssl = ssl
        self.outward: Adopted = Adopted(proxy, trust_env) if session is None else adopt(session)
        self._lock = ProcessLock()
        self._parts: dict[asyncio.AbstractEventLoop, LoopState] = {}
        self._end = weakref.finalize(self, _drop_all, self._parts)
        self._forks = _forks
        self._process = os.getpid()

    @property
    def running(self) -> int:
        """Calls under way, in all loops."""
        return sum(len(part.deadlines) for part in list(self._parts.values()))

    @property
    def waiting(self) -> int:
        """Requests that wait for a place, in all loops."""
        return sum(part.places.waiting for part in list(self._parts.values()))

    @property
    def busy(self) -> int:
        """Requests that have one, in all loops."""
        return sum(part.places.in_use for part in list(self._parts.values()))

    def for_running_loop(self) -> LoopState:
        """Return the state in the running event loop."""
        if self._forks != _forks:
            self._leave_to_parent()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # It says what there is instead.
            loop = running_loop()
        part = self._parts.get(loop)
        if part is None:
            if self._process != os.getpid():
                # uWSGI forks and runs none of Python's hooks. Each call is too often to ask for the process id.
                self._leave_to_parent()
            part = LoopState(Deadlines(loop), ConnectionLimiter(self.limits.connections, self.limits.per_host))
            with self._lock:
                # What ended without a session needs no closing; the others wait for the next session.
                for ended in [each for each, left in self._parts.items() if each.is_closed() and left.session is None]:
                    del self._parts[ended]
                self._parts[loop] = part
        return part

    async def session(self) -> aiohttp.ClientSession:
        """Return the session of the running event loop.

        It is opened if need be.

        Raises:
            ClientClosedError: the pool is closed.
            ConfigurationError: the session that the client was given belongs to another loop, or is closed.
        """
        self._drop_ended()
        if not codec.is_loaded():
            # It takes some tens of milliseconds, in which the loop goes on.
            await asyncio.to_thread(codec.load)
        # Another call may have opened it meanwhile.
        part = self.for_running_loop()
        session = part.find()
        if session is not None:
            return session
        opened: list[aiohttp.ClientSession] = []
        watch = close_with_loop(opened)
        # Nothing closes what a loop opens at its end, so its calls close it themselves.
        part.lasts = await begin(watch)
        session = self._open()
        opened.append(session)
        # That of a session that somebody else closed has nothing left to do.
        part.watch = watch
        return session

    def send_once(
        self,
        part: LoopState,
        session: aiohttp.ClientSession,
        request: WireRequest,
        token: AccessToken | None,
        send_state: SendState,
    ) -> Awaitable[RawResponse | NoResponse]:
        """Send a request once and read the answer; see ``tilia_async.transport.send_once.send_once``.

        Args:
            part: that of the running event loop.
        """
        direct = part.direct if part.session is session else None
        asking = send_once(session, direct, request, token, send_state, self.limits.response_bytes, part.routes)
        return asking if part.lasts else _close_after(asking, session, part)

    async def drain(self, seconds: float) -> None:
        """Wait for the calls under way.

        It waits in all loops that run, so long at most.
        """
        if self._process != os.getpid():
            self._leave_to_parent()
        here = asyncio.get_running_loop()
        waits: list[asyncio.Future[None]] = []
        for loop, part in list(self._parts.items()):
            if loop is here:
                waits.append(here.create_task(part.deadlines.drained()))
            elif loop.is_running():
                waits.append(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(part.deadlines.drained(), loop)))
        try:
            if waits:
                await asyncio.wait(waits, timeout=seconds)
        finally:
            for each in waits:
                each.cancel()

    async def aclose(self) -> None:
        """End the calls under way, and close all sessions.

        They are closed in all loops. One that the client was given stays open.
        """
        self.closed = self.ended = True
        if self._process != os.getpid():
            self._leave_to_parent()
        here = running_loop()
        self._drop_ended()
        for loop, part in list(self._parts.items()):
            if loop is here:
                part.deadlines.end_all()
            else:
                # The loop may be closed at this moment, and its calls with it.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_end_there, part)
        # Begun here, so that it goes on when whoever waits for it is cancelled.
        closing = [_begin_to_close(part) for loop, part in self._parts.items() if loop is here]
        with self._lock:
            self._parts.clear()
        if closing:
            await asyncio.wait(closing)

    def _drop_ended(self) -> None:
        """Drop the sessions of loops that ended.

        A client that lives through many short loops keeps none of them.
        """
        with self._lock:
            ended = [self._parts.pop(loop) for loop in list(self._parts) if loop.is_closed()]
        for part in ended:
            part.drop()

    def _open(self) -> aiohttp.ClientSession:
        if self.ended:
            raise ClientClosedError("the client is closed")
        connector = self._connector()
        session = aiohttp.ClientSession(
            connector=connector,
            connector_owner=self._foreign is None,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=NO_TIMEOUT,
            request_class=TrackedRequest,
            trace_configs=[SENT],
        )
        # aiohttp sends PUT and DELETE again by itself when a kept-alive connection drops, which could cancel two
        # payouts; there is no public switch. tests/transport/test_resend.py fails if a release of aiohttp renames it.
        session._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see above
        part = self.for_running_loop()
        part.session, part.connector = session, connector
        if self.outward.proxy is None and not self.outward.trust_env:
            part.direct = Direct.of(session, _HEADERS)
        else:
            part.routes = Routes(self.outward.proxy, self.outward.trust_env)
        if self._foreign is not None:
            part.places = ConnectionLimiter(connector.limit, connector.limit_per_host)
            if self._foreign.trace_configs:
                # Whoever instruments all sessions has added theirs to both: once is enough.
                session.trace_configs[:] = [SENT, *self._foreign.trace_configs]
        return session

    def _connector(self) -> aiohttp.BaseConnector:
        if self._foreign is None:
            # Places are what limits it. What cannot be looked at before it is used again is not used again.
            ssl = True if self._ssl is None else self._ssl
            own = aiohttp.TCPConnector(limit=0, force_close=not CAN_LOOK, ssl=ssl)
            read_by_need(own, asyncio.get_running_loop())
            return own
        connector = self._foreign.connector
        if connector is None or connector.closed:
            raise ConfigurationError("session: the aiohttp session that the client was given is closed")
        if loop_of(self._foreign) is not asyncio.get_running_loop():
            raise ConfigurationError(
                "session: the aiohttp session that the client was given belongs to another event loop; "
                "leave it out, and the client opens one for each loop"
            )
        return connector

    def _leave_to_parent(self) -> None:
        """Leave the connections to the parent process.

        After a fork the connections are the parent's; they are neither used, closed nor collected here.
        """
        _inherited.append(self._parts)
        self._end.detach()
        self._parts = {}
        self._end = weakref.finalize(self, _drop_all, self._parts)
        self._forks = _forks
        self._process = os.getpid()


async def _close_after(
    asking: Awaitable[RawResponse | NoResponse], session: aiohttp.ClientSession, part: LoopState
) -> RawResponse | NoResponse:
    """Close the session after the last request.

    TLS takes turns to close, which a loop has only while a call waits.
    """
    part.last_requests += 1
    try:
        return await asking
    finally:
        part.last_requests -= 1
        if not part.last_requests:
            await session.close()


def _begin_to_close(part: LoopState) -> asyncio.Task[None]:
    task = asyncio.get_running_loop().create_task(part.close())
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    return task


def _end_there(part: LoopState) -> None:
    part.deadlines.end_all()
    _begin_to_close(part)


_closing: set[asyncio.Task[None]] = set()
"""Sessions on their way to be closed.

A loop itself keeps its tasks weakly.
"""


def _drop_all(parts: dict[asyncio.AbstractEventLoop, LoopState]) -> None:
    """Drop all sessions of a client that is garbage.

    What is in loops that still run is closed there, by its watch.
    """
    for loop, part in list(parts.items()):
        if loop.is_closed():
            part.drop()


def _check_tls(ssl: SSLContext | None) -> None:
    expect("ssl", ssl, SSLContext, type(None))
    if ssl is not None and ssl.protocol is PROTOCOL_TLS_SERVER:
        raise ConfigurationError("ssl: it is a context for servers; make one with ssl.create_default_context()")
