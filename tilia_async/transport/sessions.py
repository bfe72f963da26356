"""The aiohttp sessions of a client: one for each event loop that it is used from."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import threading
import warnings
from contextvars import ContextVar
from importlib.metadata import version
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection

from tilia_async.config import Limits, expect
from tilia_async.errors import ClientClosedError, ConfigurationError

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": f"tilia-sdk/{version('tilia-sdk')} Python/{platform.python_version()} aiohttp/{aiohttp.__version__}",
}


class Passage:
    """One request's way through a session: waiting for a connection, then sent.

    Attributes:
        sent: a connection was there, and the request may be on the wire.
    """

    __slots__ = ("_pool", "sent")

    def __init__(self, pool: SessionPool) -> None:
        self.sent = False
        self._pool = pool

    def __enter__(self) -> Self:
        self._pool.waiting += 1
        return self

    def mark_sent(self) -> None:
        self.sent = True
        self._pool.waiting -= 1
        self._pool.busy += 1

    def __exit__(self, *_: object) -> None:
        if self.sent:
            self._pool.busy -= 1
        else:
            self._pool.waiting -= 1


passage: ContextVar[Passage | None] = ContextVar("tilia_passage", default=None)


class UnaskedAnswerError(aiohttp.ClientConnectionError):
    """Something came on a connection on which nothing was asked: it would be taken for the next request's answer."""


class _MarkedRequest(ClientRequest):
    """Tells the passage when a connection is there, which decides what a failure may have caused."""

    async def send(self, conn: Connection) -> ClientResponse:
        if conn.protocol is not None and conn.protocol.should_close:
            raise UnaskedAnswerError
        current = passage.get()
        if current is not None and not current.sent:
            current.mark_sent()
        return await super().send(conn)


_forks = 0
_inherited: list[object] = []


def _count_fork() -> None:
    global _forks  # noqa: PLW0603 - a process has one history of forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


class Deadline:
    """``async with`` it: raises TimeoutError when the time is up, or when it is ended from outside."""

    __slots__ = ("_running", "_timeout")

    def __init__(self, running: dict[asyncio.Timeout, asyncio.AbstractEventLoop], seconds: float) -> None:
        self._running = running
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._running[self._timeout] = asyncio.get_running_loop()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._running.pop(self._timeout, None)
        await self._timeout.__aexit__(exc_type, exc, traceback)


class SessionPool:
    """Opens a session on the first call in each event loop, and closes what it opened.

    Attributes:
        waiting: requests that wait for a connection.
        busy: requests that have one.
    """

    def __init__(self, limits: Limits, session: aiohttp.ClientSession | None = None) -> None:
        expect("limits", limits, Limits)
        expect("session", session, aiohttp.ClientSession, type(None))
        self.limits = limits
        self.waiting = 0
        self.busy = 0
        self.closed = False
        self._foreign = session
        self._lock = threading.Lock()
        self._running: dict[asyncio.Timeout, asyncio.AbstractEventLoop] = {}
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}
        self._forks = _forks

    def find(self) -> aiohttp.ClientSession | None:
        """The session of the running event loop, if it is open."""
        session = self._sessions.get(asyncio.get_running_loop()) if self._forks == _forks else None
        return None if session is None or session.closed else session

    async def session(self) -> aiohttp.ClientSession:
        """The session of the running event loop, opened if need be.

        Raises:
            ClientClosedError: the pool is closed.
            ConfigurationError: the session that the client was given belongs to another loop, or is closed.
        """
        if self._forks != _forks:
            self._leave_to_parent()
        await self._close_ended()
        # Another call may have opened it meanwhile.
        session = self.find()
        if session is None:
            session = self._open()
            with self._lock:
                self._sessions[asyncio.get_running_loop()] = session
        return session

    def deadline(self, seconds: float) -> Deadline:
        """Bound a call, and end it when the pool is closed: then its time is up at once."""
        return Deadline(self._running, seconds)

    async def aclose(self) -> None:
        """End the calls under way, and close the sessions of all loops. One that the client was given stays open."""
        self.closed = True
        if self._forks != _forks:
            self._leave_to_parent()
        here = asyncio.get_running_loop()
        for timeout, loop in list(self._running.items()):
            if loop is here:
                _end_now(timeout, loop)
            else:
                # The loop may have ended, and its calls with it.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_end_now, timeout, loop)
        with self._lock:
            sessions, self._sessions = self._sessions, {}
        for loop, session in sessions.items():
            if loop is here or loop.is_closed():
                await session.close()
            else:
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_close_there, session)

    async def _close_ended(self) -> None:
        """A client that lives through many short loops keeps no session of those that ended."""
        with self._lock:
            ended = [self._sessions.pop(loop) for loop in list(self._sessions) if loop.is_closed()]
        for session in ended:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self.closed:
            raise ClientClosedError("the client is closed")
        session = aiohttp.ClientSession(
            connector=self._connector(),
            connector_owner=self._foreign is None,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=_NO_TIMEOUT,
            request_class=_MarkedRequest,
            trust_env=False if self._foreign is None else self._foreign.trust_env,
        )
        # aiohttp sends PUT and DELETE again by itself when a kept-alive connection drops, which could cancel two
        # payouts; there is no public switch. tests/transport/test_resend.py fails if a release of aiohttp renames it.
        session._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see above
        return session

    def _connector(self) -> aiohttp.BaseConnector:
        if self._foreign is None:
            return aiohttp.TCPConnector(limit=self.limits.connections, limit_per_host=self.limits.per_host)
        connector = self._foreign.connector
        if connector is None or connector.closed:
            raise ConfigurationError("session: the aiohttp session that the client was given is closed")
        if _loop_of(self._foreign) is not asyncio.get_running_loop():
            raise ConfigurationError(
                "session: the aiohttp session that the client was given belongs to another event loop; "
                "leave it out, and the client opens one for each loop"
            )
        return connector

    def _leave_to_parent(self) -> None:
        """After a fork the connections are the parent's; they are neither used, closed nor collected here."""
        _inherited.append(self._sessions)
        self._sessions = {}
        self._running = {}
        self._lock = threading.Lock()
        self._forks = _forks
        self.waiting = self.busy = 0


def wake_next(session: aiohttp.ClientSession) -> None:
    """Tell the next waiter to look for a free connection, because one gave up that may have been told.

    aiohttp forgets to: a waiter that is cancelled in the very turn of the loop in which a connection comes takes the
    news with it, and the others wait beside a free connection until their time is up. There is no public way;
    tests/transport/test_pool.py fails if a release of aiohttp renames this one. Who is told in vain waits on.
    """
    if session.connector is not None:
        session.connector._release_waiter()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see above


def _end_now(timeout: asyncio.Timeout, loop: asyncio.AbstractEventLoop) -> None:
    # A call that has ended meanwhile, or is being timed out already, says so with a RuntimeError.
    with contextlib.suppress(RuntimeError):
        timeout.reschedule(loop.time())


def _close_there(session: aiohttp.ClientSession) -> None:
    task = asyncio.get_running_loop().create_task(session.close())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing: set[asyncio.Task[None]] = set()
"""Sessions of other loops on their way to be closed; a loop itself keeps its tasks weakly."""


def _loop_of(session: aiohttp.ClientSession) -> asyncio.AbstractEventLoop:
    with warnings.catch_warnings():
        # Deprecated because one's own session has the running loop; there is no other public way for someone else's.
        warnings.simplefilter("ignore", DeprecationWarning)
        return session.loop
