"""A request written directly on a pooled connection.

The connection is of the session's pool; the answer is read from there.

``ClientSession.request`` does for each request what ours never ask for: redirects, cookies, credentials in URLs,
parameters, timers, traces. That costs more than all the rest of a call. The pool, its connections, TLS, limits, the
proxies of a connector and the parser are aiohttp's all the same.

``BaseConnector.connect`` and ``Connection`` are documented; what is used beside them is not, although it has kept its
names and meaning for years. ``Direct.of`` looks whether all of it is there, and ``Direct.takes`` whether
somebody watches or replaces what ``ClientSession`` does: then the session is asked, as anybody would ask it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from types import FunctionType
from typing import Final, Self

import aiohttp
import aiohttp.client
import attrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import Connection
from yarl import URL

from tilia_async.secret import HiddenBytes, HiddenFields
from tilia_async.tokens.token import AccessToken
from tilia_async.transport.body import at_hand, read
from tilia_async.transport.idle import Look, is_quiet, look
from tilia_async.transport.send_state import KNOWN, SENT, SendState
from tilia_async.wire.envelope import RawResponse
from tilia_async.wire.request import JSON_HEADERS, NO_HEADERS, WireRequest, is_plain

NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)

_CONNECT: Final = ("req", "traces", "timeout")
_METHODS: Final = frozenset({"DELETE", "GET", "PATCH", "POST", "PUT"})
_WITH_BODY: Final = frozenset({"PATCH", "POST", "PUT"})
_OURS: Final = [SENT]
_NO_LENGTH: Final = "Content-Length: 0\r\n"
_NO_BODY: Final = f"{_NO_LENGTH}Content-Type: application/octet-stream\r\n"
_SWITCHING_PROTOCOLS: Final = 101
_FINAL: Final = 200


class Server(ClientRequest):
    """Name of a server for the connector.

    The connector asks a request for it; there is one for all requests to the server.
    """

    def __init__(self, url: URL, session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("GET", url, loop=loop, session=session, headers={})
        self._at = super().connection_key

    @property
    def connection_key(self) -> ConnectionKey:
        """Key of the connections that lead there.

        It is asked for with every request.
        """
        return self._at


class Direct:
    """Connections of a session for plain requests.

    Such requests need nothing else of it.

    Args:
        headers: sent with every request, unless the request has its own of that name.
    """

    def __init__(
        self, session: aiohttp.ClientSession, connector: aiohttp.BaseConnector, headers: Mapping[str, str]
    ) -> None:
        self._session = session
        # The list itself: who traces sessions adds to it.
        self._traces = session.trace_configs
        self._connector = connector
        # The parser of a connection serves as long as it does, unless others set it for their own requests.
        self._is_shared = not session.connector_owner
        self._loop = asyncio.get_running_loop()
        self._headers = {name.lower(): f"{name}: {value}\r\n" for name, value in headers.items()}
        if connector.force_close:
            self._headers["connection"] = "Connection: close\r\n"
        self._servers: dict[str, _Origin] = {}
        self._gives_back = False
        # The end of a head, for the token that was used last.
        self._token: AccessToken | None = None
        self._end = _end(None).reveal
        # By these a request leaves a session; who mocks or traces sessions replaces one of them.
        self._request: object = aiohttp.ClientSession.request
        self._request_itself: object = aiohttp.ClientSession._request  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - compared only

    @classmethod
    def of(cls, session: aiohttp.ClientSession, headers: Mapping[str, str]) -> Self | None:
        """Return the direct way through a session.

        None if aiohttp is not as it is known, or the session does more.
        """
        connector = session.connector
        if connector is None or session.trust_env or not _is_known(connector):
            return None
        try:
            direct = cls(session, connector, headers)
            # A release of aiohttp may make its requests in another way.
            Server(URL("http://localhost"), session, direct._loop)
        except (AttributeError, TypeError):
            return None
        return direct if _is_shipped(direct._request) and _is_shipped(direct._request_itself) else None

    def takes(self, request: WireRequest) -> bool:
        """Return True for a request that can go directly.

        It is a plain one, and nobody has replaced or watches what the session would do with it.
        """
        return (
            aiohttp.ClientSession.request is self._request
            and aiohttp.ClientSession._request is self._request_itself  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above
            and self._traces == _OURS
            and request.method in _METHODS
            and (request.is_plain or is_plain(request.url))
        )

    async def ask(
        self, request: WireRequest, origin: str, token: AccessToken | None, send_state: SendState, limit: int
    ) -> RawResponse:
        """Write a request on a connection, and read the answer.

        Args:
            origin: the part of the request's URL before its path.

        Raises:
            ClientError: the connection failed, or cannot be used.
            HttpProcessingError: the answer is no HTTP.
        """
        server = self._servers.get(origin) or self._server(origin)
        if server.kept:
            connection, readable = server.kept.pop()
        else:
            connection = await self._connector.connect(server.named, [], NO_TIMEOUT)
            readable = None if connection.protocol is None else send_state.used.get(connection.protocol)
        whole = False
        try:
            protocol = connection.protocol
            if protocol is None or readable is None or not is_quiet(protocol, readable):
                send_state.again = await look(connection, send_state.used)
                protocol = connection.protocol
            else:
                send_state.again = True
            transport = None if protocol is None else protocol.transport
            if protocol is None or transport is None:
                raise aiohttp.ClientConnectionError("the connection has no transport")
            if self._is_shared or not send_state.again:
                protocol.set_response_params(read_until_eof=True, auto_decompress=False)
            send_state.sent = True
            # Headers, token and body are in no variable here: frames can be printed with their variables.
            transport.write(self._written(request, request.url[len(origin) :] or "/", server, token))
            message, content = await protocol.read()
            while message.code < _FINAL and message.code != _SWITCHING_PROTOCOLS:
                message, content = await protocol.read()
            headers = message.headers
            answer = RawResponse(message.code, headers, at_hand(headers, content, limit))
            whole = answer.body is not None
            if not whole:
                answer = RawResponse(message.code, headers, *await read(headers, content, limit))
                whole = content.is_eof()
            if request.body is not None or request.headers is not NO_HEADERS:
                # A server that did not wait for the end of the request would take the rest of it for the next one.
                whole = whole and not transport.get_write_buffer_size()
            return answer
        finally:
            if whole:
                self._keep(server, connection, readable)
            else:
                connection.close()

    def _keep(self, server: _Origin, connection: Connection, readable: Look | None) -> None:
        """Keep a connection at hand for this turn.

        Whoever makes one call after the other finds it there, which costs less than to ask the session's pool for it.
        """
        if self._is_shared:
            # Others may wait for it.
            connection.release()
            return
        server.kept.append((connection, readable))
        if not self._gives_back:
            self._gives_back = True
            self._loop.call_soon(self.give_back)

    def give_back(self) -> None:
        """Give the connections at hand back to the session's pool."""
        self._gives_back = False
        for server in self._servers.values():
            while server.kept:
                connection, _ = server.kept.pop()
                connection.release()

    def _server(self, origin: str) -> _Origin:
        url = URL(origin, encoded=True)
        host = f"Host: {url.host_port_subcomponent}\r\n"
        lines, json_lines = "".join(self._headers.values()), self._lines_of(JSON_HEADERS)
        found = _Origin(Server(url, self._session, self._loop), host, lines, json_lines)
        self._servers[origin] = found
        return found

    def _written(self, request: WireRequest, target: str, server: _Origin, token: AccessToken | None) -> bytes:
        """Return the whole of a request."""
        if token is not self._token:
            self._token, self._end = token, _end(token).reveal
        method, body, lines = request.method, request.body, server.lines
        if request.headers is JSON_HEADERS:
            lines = server.json_lines
        elif request.headers is not NO_HEADERS:
            lines = self._lines_of(request.headers)
        if body is not None:
            head = f"{method} {target} HTTP/1.1\r\n{server.host}{lines}Content-Length: {len(body.reveal())}\r\n"
            return head.encode() + self._end() + body.reveal()
        if method != "GET":
            lines += _NO_BODY if method in _WITH_BODY else _NO_LENGTH
        return f"{method} {target} HTTP/1.1\r\n{server.host}{lines}".encode() + self._end()

    def _lines_of(self, headers: HiddenFields[str]) -> str:
        """Return all headers of a request with own ones."""
        own = {name.lower(): f"{name}: {value}\r\n" for name, value in headers.reveal().items()}
        return "".join({**self._headers, **own}.values())


@attrs.frozen
class _Origin:
    """The scheme, host and port of URLs.

    Attributes:
        named: tells the connector where to connect.
        host: the first header.
        lines: the headers that all requests have, if they have none of their own.
        json_lines: the same for a request whose body is JSON, and which has no headers of its own.
        kept: connections there that served a request in this turn of the loop, each with its look.
    """

    named: Server
    host: str
    lines: str
    json_lines: str
    kept: list[tuple[Connection, Look | None]] = attrs.field(factory=list[tuple[Connection, Look | None]], eq=False)


def _end(token: AccessToken | None) -> HiddenBytes:
    """Return the last header of a request, and its end."""
    return HiddenBytes(b"\r\n" if token is None else f"Authorization: Bearer {token.value}\r\n\r\n".encode())


def _is_shipped(way: object) -> bool:
    """Return True for a function of aiohttp's own."""
    return isinstance(way, FunctionType) and way.__code__.co_filename == aiohttp.client.__file__


def _is_known(connector: aiohttp.BaseConnector) -> bool:
    """Return True if all that is used is there.

    All that this module uses of aiohttp.
    """
    parameters = inspect.signature(ResponseHandler.set_response_params).parameters
    return (
        KNOWN
        and tuple(inspect.signature(connector.connect).parameters) == _CONNECT
        and {"read_until_eof", "auto_decompress"} <= parameters.keys()
        and all(hasattr(ResponseHandler, name) for name in ("read", "should_close", "exception"))
        and all(hasattr(aiohttp.connector.Connection, name) for name in ("close", "protocol", "release", "transport"))
    )
