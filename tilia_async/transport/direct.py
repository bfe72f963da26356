"""One request written on a connection of the session's pool, and its answer read from there.

``ClientSession.request`` does for each request what ours never ask for: redirects, cookies, credentials in URLs,
parameters, timers, traces. That costs more than all the rest of a call. The pool, its connections, TLS, limits, the
proxies of a connector and the parser are aiohttp's all the same.

``BaseConnector.connect`` and ``Connection`` are documented; what is used beside them is not, although it has kept its
names and meaning for years. :meth:`Direct.of` looks whether all of it is there, and :meth:`Direct.takes` whether
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
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from yarl import URL

from tilia_async.tokens.token import AccessToken
from tilia_async.transport.body import read
from tilia_async.transport.idle import look
from tilia_async.transport.send_state import KNOWN, SENT, SendState
from tilia_async.wire.envelope import RawResponse
from tilia_async.wire.request import WireRequest

NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)

_CONNECT: Final = ("req", "traces", "timeout")
_METHODS: Final = frozenset({"DELETE", "GET", "PATCH", "POST", "PUT"})
_WITH_BODY: Final = frozenset({"PATCH", "POST", "PUT"})
_OURS: Final = [SENT]
_SWITCHING_PROTOCOLS: Final = 101
_FINAL: Final = 200
# By these a request leaves a session; who mocks or traces sessions replaces one of them.
_WAYS: Final = ("request", "_request")


class Server(ClientRequest):
    """Names a server to the connector, which asks a request for that; one for all requests to it."""

    def __init__(self, url: URL, session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("GET", url, loop=loop, session=session, headers={})
        self._at = super().connection_key

    @property
    def connection_key(self) -> ConnectionKey:
        """Which connections lead there. It is asked for with every request."""
        return self._at


class Direct:
    """A session's connections, for requests that need nothing else of it.

    Args:
        headers: sent with every request, unless the request has its own of that name.
    """

    def __init__(
        self, session: aiohttp.ClientSession, connector: aiohttp.BaseConnector, headers: Mapping[str, str]
    ) -> None:
        self._session = session
        self._connector = connector
        self._loop = asyncio.get_running_loop()
        self._headers = {name.lower(): f"{name}: {value}\r\n" for name, value in headers.items()}
        if connector.force_close:
            self._headers["connection"] = "Connection: close\r\n"
        self._plain = "".join(self._headers.values())
        self._servers: dict[str, tuple[Server, str]] = {}
        self._shipped = _ways()

    @classmethod
    def of(cls, session: aiohttp.ClientSession, headers: Mapping[str, str]) -> Self | None:
        """The direct way through a session; None if aiohttp is not as it is known, or the session does more."""
        connector = session.connector
        if connector is None or session.trust_env or not _is_known(connector):
            return None
        try:
            direct = cls(session, connector, headers)
            # A release of aiohttp may make its requests in another way.
            Server(URL("http://localhost"), session, direct._loop)
        except (AttributeError, TypeError):
            return None
        return direct if _as_shipped() else None

    def takes(self, request: WireRequest) -> bool:
        """The request is a plain one, and nobody has replaced or watches what the session would do with it."""
        url = request.url
        return (
            request.method in _METHODS
            and url.isascii()
            and url.isprintable()
            and " " not in url
            and "#" not in url
            and self._session.trace_configs == _OURS
            and _ways() == self._shipped
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
        server, host = self._servers.get(origin) or self._server(origin)
        connection = await self._connector.connect(server, [], NO_TIMEOUT)
        whole = False
        try:
            send_state.again = await look(connection, send_state.used)
            protocol, transport = connection.protocol, connection.transport
            if protocol is None or transport is None:
                raise aiohttp.ClientConnectionError("the connection has no transport")
            protocol.set_response_params(read_until_eof=True, auto_decompress=False)
            head = self._head(request, request.url[len(origin) :] or "/", host)
            send_state.sent = True
            # The token is in no variable here: frames can be printed with their variables.
            transport.write(head + _last(token) + (b"" if request.body is None else request.body.reveal()))
            while True:
                message, content = await protocol.read()
                if message.code >= _FINAL or message.code == _SWITCHING_PROTOCOLS:
                    break
            headers = message.headers
            answer = RawResponse(message.code, headers, *await read(headers, content, limit))
            # A server that did not wait for the end of the request would take the rest of it for the next one.
            whole = content.is_eof() and not transport.get_write_buffer_size()
            return answer
        finally:
            if whole:
                connection.release()
            else:
                connection.close()

    def _server(self, origin: str) -> tuple[Server, str]:
        """For the scheme, host and port of a URL: what the connector wants, and the first header."""
        url = URL(origin, encoded=True)
        found = Server(url, self._session, self._loop), f"Host: {url.host_port_subcomponent}\r\n"
        self._servers[origin] = found
        return found

    def _head(self, request: WireRequest, target: str, host: str) -> bytes:
        """The head of a request, all but ``Authorization`` and the end."""
        method, body = request.method, request.body
        lines = self._plain
        if headers := request.headers.reveal():
            own = {name.lower(): f"{name}: {value}\r\n" for name, value in headers.items()}
            lines = "".join({**self._headers, **own}.values())
        if body is not None:
            lines += f"Content-Length: {len(body.reveal())}\r\n"
        elif method != "GET":
            lines += "Content-Length: 0\r\n"
            if method in _WITH_BODY:
                lines += "Content-Type: application/octet-stream\r\n"
        return f"{method} {target} HTTP/1.1\r\n{host}{lines}".encode()


def _last(token: AccessToken | None) -> bytes:
    return b"\r\n" if token is None else f"Authorization: Bearer {token.value}\r\n\r\n".encode()


def _ways() -> tuple[object, ...]:
    methods = vars(aiohttp.ClientSession)
    return tuple(methods.get(name) for name in _WAYS)


def _as_shipped() -> bool:
    """The ways through a session are aiohttp's own functions."""
    return all(isinstance(way, FunctionType) and way.__code__.co_filename == aiohttp.client.__file__ for way in _ways())


def _is_known(connector: aiohttp.BaseConnector) -> bool:
    """What is used of aiohttp is there."""
    parameters = inspect.signature(ResponseHandler.set_response_params).parameters
    return (
        KNOWN
        and tuple(inspect.signature(connector.connect).parameters) == _CONNECT
        and {"read_until_eof", "auto_decompress"} <= parameters.keys()
        and all(hasattr(ResponseHandler, name) for name in ("read", "should_close", "exception"))
        and all(hasattr(aiohttp.connector.Connection, name) for name in ("close", "protocol", "release", "transport"))
    )
