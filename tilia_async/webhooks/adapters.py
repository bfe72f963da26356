"""How a receiver is mounted in aiohttp and in ASGI: reads the body, within its limit, and answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from tilia_async.secret import HiddenFields, Secret
from tilia_async.webhooks.gate import headers_of, read_length

if TYPE_CHECKING:
    from aiohttp import web

Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, object]]]
Send: TypeAlias = Callable[[dict[str, object]], Awaitable[None]]


class _Receiver(Protocol):
    @property
    def max_body(self) -> int: ...

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
            body = await _read(content.iter_any(), receiver.max_body)
        except (web.RequestPayloadError, ConnectionError):
            # It is not compressed as it says, or the client went away, and then nobody hears the answer.
            status = HTTPStatus.BAD_REQUEST
        else:
            status = await _handled(receiver, body, path, authorization)
    return web.Response(status=status, headers=headers_of(status))


async def serve_asgi(receiver: _Receiver, scope: Mapping[str, object], receive: Receive, send: Send) -> None:
    """Answer what an ASGI server asks: a request, a start and an end, or a websocket, which is not taken.

    Raises:
        ValueError: the scope is of a kind that ASGI does not have.
    """
    kind, asked = scope["type"], HiddenFields(scope)
    del scope
    match kind:
        case "http":
            status = await _asgi_status(receiver, asked, receive)
            if status is not None:
                await _asgi_answer(send, status)
        case "lifespan":
            await _lifespan(receive, send)
        case "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        case _:
            raise ValueError(f"a receiver of notifications does not serve the scope {kind!r}")


class _DisconnectedError(Exception):
    """The client went away before the end of its body."""


async def _asgi_status(receiver: _Receiver, asked: HiddenFields[object], receive: Receive) -> HTTPStatus | None:
    """The status to answer with; None if nobody waits for it."""
    method, path = str(asked.reveal()["method"]), Secret(str(asked.reveal().get("path", "")))
    authorization, length = _hidden(_header(asked, b"authorization")), _header(asked, b"content-length")
    content_length = None if length is None else read_length(length)
    status = _refusal(receiver, method, path, authorization, content_length)
    if status is not None:
        return status
    if length is not None and content_length is None:
        return HTTPStatus.BAD_REQUEST
    try:
        body = await _read(_asgi_chunks(receive), receiver.max_body)
    except _DisconnectedError:
        return None
    return await _handled(receiver, body, path, authorization)


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


async def _asgi_chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise _DisconnectedError
        chunk, more = message.get("body", b""), bool(message.get("more_body", False))
        if isinstance(chunk, bytes | bytearray):
            yield bytes(chunk)


async def _asgi_answer(send: Send, status: HTTPStatus) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in headers_of(status).items()]
    if status is not HTTPStatus.NO_CONTENT:
        headers.append((b"content-length", b"0"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _handled(receiver: _Receiver, body: bytes | None, path: Secret, authorization: Secret | None) -> HTTPStatus:
    if body is None:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return await receiver.handle(body, path=path.reveal(), authorization=_revealed(authorization))


async def _read(chunks: AsyncIterator[bytes], limit: int) -> bytes | None:
    """A whole body; None as soon as it is larger than the limit."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
