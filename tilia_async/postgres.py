"""Connections to PostgreSQL, for ledger, fleet and token store.

The options of a URL as libpq takes them, and connections that do not wait for ever. It needs the extra ``postgres``.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar, cast
from urllib.parse import unquote

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg.waiting import wait_async

from tilia_async.secret import Secret
from tilia_async.tracebacks import cut

T = TypeVar("T")

CACHES: Final = ("statement_cache_size", "prepared_statement_cache_size")
"""Options that limit the prepared statements of a connection.

0: there is a pooler.
"""

_NOT_OF_LIBPQ: Final = frozenset(
    {*CACHES, "max_cached_statement_lifetime", "max_cacheable_statement_size", "command_timeout", "timeout"}
)
"""Options of other drivers, no settings of the server."""

_RENAMED: Final = {"ssl": "sslmode"}

TIMES_IN_UTC: Final = "SET LOCAL DateStyle = ISO; SET LOCAL TimeZone = 'UTC'"
"""Statements that make a transaction's times readable.

psycopg reads no other style than ISO, and in a zone with a summer time the distance of two times would be wrong. A
setting of the connection would be another client's behind a pooler, and no pooler takes every setting at the start.
"""

_KNOWN: Final = frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())

_HOST_AND_PORT: Final = re.compile(
    r"(?: \[ (?P<address> [^]]* ) ] | (?P<name> [^:]* ) ) (?: : (?P<port> .* ) )?", re.VERBOSE
)

_CANCEL_SECONDS: Final = 0.5
"""Seconds for the server to cancel a statement."""

_IDLE: Final = (pq.TransactionStatus.IDLE, pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)
"""States in which no statement is under way."""


class TimedConnection(psycopg.AsyncConnection[TupleRow]):
    """A connection that does not wait for ever.

    A statement that is not answered in time, or whose caller is cancelled, is cancelled at the server, too. psycopg
    alone would wait ten seconds for what comes of that; here the connection is closed if nothing comes in half a one.

    Attributes:
        seconds: how long; None: as long as it takes.
        is_used: it has done something already.
    """

    seconds: float | None = None
    is_used: bool = False

    _loop: asyncio.AbstractEventLoop | None = None
    _is_waiting = False

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:  # noqa: ASYNC109 - psycopg's own
        """Wait until the server has answered.

        Raises:
            TimeoutError: it has not.
        """
        if timeout is not None:
            # What may as well not come has psycopg's own end.
            return await super().wait(gen, interval, timeout)
        try:
            async with asyncio.timeout(self.seconds):
                return await self._answered(gen, interval)
        except (asyncio.CancelledError, TimeoutError):
            # Who waits for notifications goes on with the connection.
            if self.pgconn.transaction_status not in _IDLE:
                await self._give_up(gen, interval)
            raise

    async def notifies(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - psycopg's own
        stop_after: int | None = None,
    ) -> AsyncGenerator[psycopg.Notify]:
        """Yield notifications, however long they take to come."""
        seconds, self.seconds = self.seconds, None
        try:
            async with contextlib.aclosing(super().notifies(timeout=timeout, stop_after=stop_after)) as coming:
                async for each in coming:
                    yield each
        finally:
            self.seconds = seconds

    def end(self) -> None:
        """End it, from any thread, and wait for nothing.

        A statement under way fails.
        """
        loop = self._loop
        if loop is not None and loop.is_running() and loop is not _running_loop():
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._end)
                return
        self._end()

    async def _answered(self, gen: PQGen[T], interval: float) -> T:
        self._loop, self._is_waiting = asyncio.get_running_loop(), True
        try:
            return await wait_async(gen, self.pgconn.socket, interval)
        finally:
            self._is_waiting = False

    def _end(self) -> None:
        if not self._is_waiting or self._loop is None or self._loop.is_closed():
            self.pgconn.finish()
            return
        # The loop still watches the descriptor, which a socket of somebody else would have next if it were closed here.
        # Who waits hears the end of the connection, and closes it.
        with contextlib.suppress(OSError, psycopg.Error):
            same = socket.socket(fileno=self.pgconn.socket)
            try:
                same.shutdown(socket.SHUT_RDWR)
            finally:
                same.detach()

    async def _give_up(self, gen: PQGen[object], interval: float) -> None:
        is_over = False
        try:
            # Before libpq 17 it blocks, in a thread that nothing ends; the server then finds out by itself.
            if psycopg.capabilities.has_cancel_safe():
                async with asyncio.timeout(_CANCEL_SECONDS):
                    await self.cancel_safe(timeout=_CANCEL_SECONDS)
                    await self._answered(gen, interval)
                is_over = True
        except psycopg.errors.QueryCanceled:
            is_over = True
        except (TimeoutError, psycopg.Error):
            # It is closed below.
            pass
        finally:
            if not is_over:
                self.pgconn.finish()


async def opened(connect: Callable[[str], Awaitable[T]], address: Secret) -> T:
    """Open a connection; a failure shows no password.

    The frames of psycopg hold it, and those of a cancelled one its socket, too.

    Args:
        connect: opens it, with the address in clear.

    Raises:
        psycopg.Error: it cannot be opened.
    """
    before = sys.exception()
    try:
        return await connect(address.reveal())
    except psycopg.Error as error:
        failure = type(error)(str(error))
    except BaseException as error:  # whatever ends it; it is raised again
        cut(error, before)
        raise
    raise failure


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def libpq_options(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the options for libpq.

    It refuses those that it does not know. They are settings of the server, such as search_path, and become such. Texts
    are UTF-8, whatever is given: psycopg would return bytes from a database whose encoding is SQL_ASCII.
    """
    options, settings = dict[str, str](), list[str]()
    for name, value in given:
        known = _RENAMED.get(name, name)
        if known in _KNOWN:
            options[known] = value
        elif name not in _NOT_OF_LIBPQ:
            settings.append(f"-c {_escaped(f'{name}={value}')}")
    if settings:
        options["options"] = " ".join([options["options"], *settings] if "options" in options else settings)
    options["client_encoding"] = "UTF8"
    return options


def address_of(place: Iterable[tuple[str, str]], query: Iterable[tuple[str, str]]) -> Secret:
    """Return the address of a database as libpq has it.

    Args:
        place: user, password, host, port and dbname, as far as the URL names them. The host may be the directory of a
            Unix socket, with %2F.
        query: its options, which are stronger. ``host`` and ``port`` are there once for each server, or once with
            commas; a host has its port behind a colon, or all ports are in ``port``.

    Raises:
        psycopg.Error: libpq does not take an option.
    """
    query = list(query)
    options = {name: unquote(value) if name == "host" else value for name, value in place} | libpq_options(query)
    hosts, ports = (
        [each for given, values in query if given == name for each in values.split(",")] for name in ("host", "port")
    )
    if hosts and not ports:
        found = [_host_and_port(each) for each in hosts]
        hosts, ports = [host for host, _ in found], [port for _, port in found]
    if hosts:
        options["host"] = ",".join(hosts)
    if any(ports):
        options["port"] = ",".join(ports)
    return Secret(make_conninfo("", **cast("dict[str, Any]", options)))


def _host_and_port(text: str) -> tuple[str, str]:
    """Return a host and its port, or no port.

    The host may be the directory of a Unix socket, and an address of IPv6 with or without brackets.
    """
    if text.startswith(("/", "@")) or (text.count(":") > 1 and not text.startswith("[")):
        return text, ""
    found = _HOST_AND_PORT.fullmatch(text)
    return (found["address"] or found["name"] or "", found["port"] or "") if found else (text, "")


def _escaped(text: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", text, flags=re.ASCII)
