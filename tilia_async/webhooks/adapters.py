"""Adapters that mount a receiver in aiohttp and ASGI.

They read the body, within its limit, and answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from tilia_async.errors import ConfigurationError
from tilia_async.secret import HiddenFields, Secret
from tilia_async.webhooks.gate import headers_of, read_length

if TYPE_CHECKING:
    from aiohttp import web

Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, object]]]
Send: TypeAlias = Callable[[dict[str, object]], Awaitable[None]]

_ENDS_CONNECTION: Final = ("Connection", "close")
_NO_ASYNCIO: Final = (
    "a WebhookReceiver runs on asyncio's event loop, and this server runs another: "
    "start hypercorn with -k asyncio or -k uvloop, or take uvicorn"
)


class _Receiver(Protocol):
    @property
    def max_body(self) -> int: ...

    @property
    def body_timeout(self) -> float: ...

    def refusal(
        self, method: str, path: str | None, authorization: str | None, content_length: int | None
    ) -> HTTPStatus | None: ...

    async def handle(self, raw_body: bytes, *, path: str | None, authorization: str | None) -> HTTPStatus: ...


async def serve_aiohttp(receiver: _Receiver, request: web.Request) -> web.Response:
    """Answer a request of an aiohttp application."""
    from aiohttp import web  # noqa: PLC0415 - only those who serve with aiohttp need its server

    path, authorization = Secret(request.path), _hidden(request.headers.get("Authorization"))
    status = _refusal(receiver, request.method, path, authorization, request.content_length)
    content = request.content
    del request
    if status is None:
        try:
            body = await _read(content.iter_any(), receiver)
        except (web.RequestPayloadError, ConnectionError):
            # It is not compressed as it says, or the client went away, and then nobody hears the answer.
            status = HTTPStatus.BAD_REQUEST
        else:
            status = await _handled(receiver, body, path, authorization)
    response = web.Response(status=status, headers=headers_of(status))
    if not content.is_eof():
        # Else aiohttp goes on to read, for some seconds, what nobody wants any more.
        response.force_close()
    return response


class AsgiApplication:
    """A receiver as an ASGI application.

    For a server as it is or to be mounted.

    An object, because servers take a bound method for an application of ASGI 2, and frameworks take a function for one
    that answers a request of theirs.
    """

    __slots__ = ("_receiver",)

    def __init__(self, receiver: _Receiver) -> None:
        self._receiver = receiver

    async def __call__(self, scope: Mapping[str, object], receive: Receive, send: Send) -> None:
        """Answer what a server asks.

        A request, a start and an end, or a websocket, which is not taken.

        Raises:
            ConfigurationError: the server runs no event loop of asyncio.
            ValueError: the scope is of a kind that ASGI does not have.
        """
        served = _serve_asgi(self._receiver, scope, receive, send)
        # Its path and its headers may be secrets: frames can be printed with their variables.
        del scope
        await served

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of a {type(self._receiver).__name__}>"


async def _serve_asgi(receiver: _Receiver, scope: Mapping[str, object], receive: Receive, send: Send) -> None:
    kind, asked = scope["type"], HiddenFields(scope)
    del scope
    has_loop = _runs_asyncio()
    match kind:
        case "lifespan":
            await _lifespan(receive, send, None if has_loop else _NO_ASYNCIO)
        case "http" | "websocket" if not has_loop:
            raise ConfigurationError(_NO_ASYNCIO)
        case "http":
            await _serve_http(receiver, asked, receive, send)
        case "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        case _:
            raise ValueError(f"a receiver of notifications does not serve the scope {kind!r}")


def _runs_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _DisconnectedError(Exception):
    """The client went away before the end of its body."""


class _Body:
    """The body of an ASGI request.

    Attributes:
        ended: all of it was received.
    """

    def __init__(self, receive: Receive, length: int | None, *, is_chunked: bool) -> None:
        self.ended = not (length or is_chunked)
        self._receive = receive

    async def chunks(self) -> AsyncIterator[bytes]:
        """Wait for the parts of it.

        Raises:
            _DisconnectedError: the client went away.
        """
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise _DisconnectedError
            chunk, more = message.get("body", b""), bool(message.get("more_body", False))
            self.ended = not more
            if isinstance(chunk, bytes | bytearray):
                yield bytes(chunk)


async def _serve_http(receiver: _Receiver, asked: HiddenFields[object], receive: Receive, send: Send) -> None:
    length = _header(asked, b"content-length")
    body = _Body(
        receive,
        None if length is None else read_length(length),
        is_chunked=_header(asked, b"transfer-encoding") is not None,
    )
    status = await _asgi_status(receiver, asked, body)
    if status is None:
        return
    headers = list(headers_of(status).items())
    if status is not HTTPStatus.NO_CONTENT:
        headers.append(("Content-Length", "0"))
    # Of HTTP/2 on, one request's end is not its connection's, and the header is forbidden.
    if not body.ended and str(asked.reveal().get("http_version", "1.1")).startswith("1"):
        # Else the server goes on to take in what nobody wants any more, for as long as the client likes.
        headers.append(_ENDS_CONNECTION)
    sent = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": int(status), "headers": sent})
    await send({"type": "http.response.body", "body": b""})


async def _asgi_status(receiver: _Receiver, asked: HiddenFields[object], body: _Body) -> HTTPStatus | None:
    """Return the status to answer with.

    None if nobody waits for it.
    """
    method, path = str(asked.reveal()["method"]), Secret(str(asked.reveal().get("path", "")))
    authorization, length = _hidden(_header(asked, b"authorization")), _header(asked, b"content-length")
    content_length = None if length is None else read_length(length)
    status = _refusal(receiver, method, path, authorization, content_length)
    if status is not None:
        return status
    if length is not None and content_length is None:
        return HTTPStatus.BAD_REQUEST
    try:
        read = await _read(body.chunks(), receiver)
    except _DisconnectedError:
        return None
    return await _handled(receiver, read, path, authorization)


def _header(asked: HiddenFields[object], wanted: bytes) -> str | None:
    # What the scope holds is typed by ASGI's specification only.
    listed: Any = asked.reveal().get("headers") or ()
    values = [bytes(value).decode("latin-1") for name, value in listed if bytes(name).lower() == wanted]
    return values[-1] if values else None


def _hidden(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _refusal(
    receiver: _Receiver, method: str, path: Secret, authorization: Secret | None, content_length: int | None
) -> HTTPStatus | None:
    return receiver.refusal(method, path.reveal(), _revealed(authorization), content_length)


async def _lifespan(receive: Receive, send: Send, fault: str | None) -> None:
    while True:
        kind = (await receive())["type"]
        if fault is not None and kind == "lifespan.startup":
            await send({"type": "lifespan.startup.failed", "message": fault})
            return
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _handled(
    receiver: _Receiver, body: bytes | HTTPStatus, path: Secret, authorization: Secret | None
) -> HTTPStatus:
    if isinstance(body, HTTPStatus):
        return body
    return await receiver.handle(body, path=path.reveal(), authorization=_revealed(authorization))


async def _read(chunks: AsyncIterator[bytes], receiver: _Receiver) -> bytes | HTTPStatus:
    """Read a whole body, or return the refusing status.

    The status refuses it as soon as it is too large or takes too long.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(receiver.body_timeout):
            async for chunk in chunks:
                body += chunk
                if len(body) > receiver.max_body:
                    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    except TimeoutError:
        return HTTPStatus.REQUEST_TIMEOUT
    return bytes(body)
