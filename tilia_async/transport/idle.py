"""A look at an idle connection before its use.

The server may have ended it meanwhile, before a request is written on it.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

_LOOKS: Final = 16
"""Turns of the loop that a look takes.

The loop needs two of its turns to read what has come.
"""


class UnusableConnectionError(aiohttp.ClientConnectionError):
    """A connection that could not be used.

    Nothing was written on it, because the server had ended it or spoken on it before.

    Attributes:
        idle: it had served a request before, so another one may do; else the server refuses.
    """

    idle = False


class EndedConnectionError(UnusableConnectionError):
    """The server had ended it."""


class UnsolicitedResponseError(UnusableConnectionError):
    """A response that nothing asked for.

    It would be taken for the next request's answer.
    """


Look: TypeAlias = Callable[[int], object]
"""A look at a socket.

It returns something if there is something to read. It is given the milliseconds to wait, and is made once: to register
a socket costs more than to ask.
"""

Used: TypeAlias = WeakKeyDictionary[ResponseHandler, Look]
"""Connections that were used, each with its look."""


def is_quiet(protocol: ResponseHandler, readable: Look) -> bool:
    """Return True for a quiet connection that was used before.

    Nothing has come on it since.

    Most looks end here.
    """
    transport = protocol.transport
    return not (transport is None or transport.is_closing() or protocol.should_close or readable(0))


async def look(connection: Connection, used: Used) -> bool:
    """Make sure that a connection can be written on.

    Returns True if a request was written on it before.

    That is as far as this end can know. An end that the server has sent is not seen before the loop reads it, and a
    loop that slept has not: then it is given the time to. Over TLS something to read is not a bad sign by itself, as
    servers send tickets.

    Args:
        used: this connection is entered.

    Raises:
        UnusableConnectionError: nothing may be written on it.
    """
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None:
        raise EndedConnectionError
    readable = used.get(protocol) or _look_at(transport)
    for _ in range(_LOOKS):
        if transport.is_closing() or protocol.should_close:
            break
        if not readable(0):
            again = protocol in used
            used[protocol] = readable
            return again
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


def _look_at(transport: asyncio.BaseTransport) -> Look:
    """Return a look at a socket.

    It returns something if the socket holds bytes, an end or an error to read.
    """
    socket = transport.get_extra_info("socket")
    descriptor = -1 if socket is None else socket.fileno()
    return _nothing if descriptor < 0 else _watch(descriptor)


def _nothing(_milliseconds: int) -> object:
    """Return nothing, for a transport that is no socket."""
    return None


def _polled(descriptor: int) -> Look:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return poll.poll


def _selected(descriptor: int) -> Look:
    return lambda milliseconds: select.select([descriptor], [], [], milliseconds / 1000)[0]


# ``select`` itself knows no descriptor above 1023, but on Windows, where there is no ``poll``.
_watch: Final[Callable[[int], Look]] = _polled if hasattr(select, "poll") else _selected
