"""A look at a connection before a request is written on it: the server may have ended it meanwhile."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

_LOOKS: Final = 16
"""The loop needs two of its turns to read what has come."""


class UnusableConnectionError(aiohttp.ClientConnectionError):
    """Nothing was written on a connection, because the server had ended it or spoken on it before.

    Attributes:
        idle: it had served a request before, so another one may do; else the server refuses.
    """

    idle = False


class EndedConnectionError(UnusableConnectionError):
    """The server had ended it."""


class UnsolicitedResponseError(UnusableConnectionError):
    """Something came on which nothing was asked: it would be taken for the next request's answer."""


async def look(connection: Connection, used: WeakSet[ResponseHandler]) -> bool:
    """Make sure that a request can be written on a connection, and return True if one was before.

    That is as far as this end can know. An end that the server has sent is not seen before the loop reads it, and a
    loop that slept has not: then it is given the time to. Over TLS something to read is no bad sign by itself, as
    servers send tickets.

    Args:
        used: the connections on which something was written; this one is entered.

    Raises:
        UnusableConnectionError: nothing may be written on it.
    """
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None:
        raise EndedConnectionError
    for _ in range(_LOOKS):
        if transport.is_closing() or protocol.should_close:
            break
        if not _has_something(transport):
            if protocol in used:
                return True
            used.add(protocol)
            return False
        await asyncio.sleep(0)
    for _ in range(_LOOKS):
        # What ended it is told a moment after it has ended.
        if protocol.exception() is not None:
            break
        await asyncio.sleep(0)
    # aiohttp closes a connection on which something comes that is no answer.
    spoken = not transport.is_closing() or isinstance(protocol.exception(), HttpProcessingError)
    broken = UnsolicitedResponseError() if spoken else EndedConnectionError()
    broken.idle = protocol in used
    # It may say why.
    raise broken from protocol.exception()


def _polled(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _selected(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


# ``select`` itself knows no descriptor above 1023, but on Windows, where there is no ``poll``.
_is_readable: Callable[[int], bool] = _polled if hasattr(select, "poll") else _selected


def _has_something(transport: asyncio.BaseTransport) -> bool:
    """Return True if the socket holds bytes, an end or an error to read."""
    descriptor = getattr(transport.get_extra_info("socket"), "fileno", _no_descriptor)()
    return descriptor >= 0 and _is_readable(descriptor)


def _no_descriptor() -> int:
    """Return no descriptor, for a transport that is no socket."""
    return -1
