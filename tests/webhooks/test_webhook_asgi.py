"""A receiver as an ASGI application, driven by hand."""

from collections.abc import Mapping, Sequence

import attrs
import pytest
from support.deliveries import BLOCK, basic, delivery

from tilia_async.webhooks import AccountBlockChanged, WebhookReceiver


@attrs.define
class Asgi:
    """The server's side of one scope."""

    messages: list[Mapping[str, object]]
    sent: list[Mapping[str, object]] = attrs.field(factory=list)

    async def receive(self) -> Mapping[str, object]:
        assert self.messages, "the application waits for more than it needs"
        return self.messages.pop(0)

    async def send(self, message: Mapping[str, object]) -> None:
        self.sent.append(message)


def scope(
    method: str = "POST", path: str = "/tilia/secret", headers: Sequence[tuple[bytes, bytes]] = ()
) -> dict[str, object]:
    return {"type": "http", "method": method, "path": path, "headers": list(headers)}


def body(*parts: bytes | bytearray, end: bool = True) -> list[Mapping[str, object]]:
    last = len(parts) - 1
    return [
        {"type": "http.request", "body": part, "more_body": not end or number < last}
        for number, part in enumerate(parts)
    ]


async def status(receiver: WebhookReceiver, request: Mapping[str, object], *messages: Mapping[str, object]) -> int:
    server = Asgi(list(messages))
    await receiver.asgi(request, server.receive, server.send)
    start, end = server.sent
    assert start["type"] == "http.response.start"
    assert end == {"type": "http.response.body", "body": b""}
    assert isinstance(start["status"], int)
    return start["status"]


@pytest.mark.asyncio
async def test_a_delivery_in_pieces_reaches_its_handler() -> None:
    receiver, seen = WebhookReceiver(path_secret="secret"), list[bool | None]()

    @receiver.on(AccountBlockChanged)
    async def blocked(event: AccountBlockChanged) -> None:
        seen.append(event.is_blocked)

    raw = delivery(BLOCK)
    assert await status(receiver, scope(), *body(raw[:10], bytearray(), bytearray(raw[10:]))) == 204
    assert await status(receiver, scope(path="/tilia/guess")) == 404
    assert seen == [True]


@pytest.mark.asyncio
async def test_a_message_may_leave_out_what_has_a_default() -> None:
    assert (
        await status(WebhookReceiver(), {"type": "http", "method": "POST", "path": "/"}, {"type": "http.request"})
        == 400
    )


@pytest.mark.asyncio
async def test_credentials_and_methods() -> None:
    receiver = WebhookReceiver(basic_auth=("user", "password"))
    right = (b"authorization", basic("user", "password").encode())
    assert await status(receiver, scope(headers=[right]), *body(delivery(BLOCK))) == 204
    for wrong in (b"Basic \xff", b"\xe9", b""):
        assert await status(receiver, scope(headers=[(b"Authorization", wrong)])) == 401
    assert await status(receiver, scope()) == 401
    assert await status(receiver, scope("GET", headers=[right])) == 405
    server = Asgi([])
    await receiver.asgi(scope(), server.receive, server.send)
    assert (b"www-authenticate", b'Basic realm="tilia", charset="UTF-8"') in server.sent[0]["headers"]  # type: ignore[operator] - the headers of a sent message


@pytest.mark.asyncio
async def test_sizes() -> None:
    receiver = WebhookReceiver(max_body=10)
    assert await status(receiver, scope(headers=[(b"content-length", b"11")])) == 413
    assert await status(receiver, scope(headers=[(b"content-length", b"9" * 5000)])) == 413
    assert await status(receiver, scope(), *body(b" " * 6, b" " * 5, end=False)) == 413
    assert await status(receiver, scope(), *body(b" " * 10)) == 400
    for odd in (b"-1", b"ten", b"", b"1_0", "٣".encode()):
        assert await status(receiver, scope(headers=[(b"content-length", odd)])) == 400


@pytest.mark.asyncio
async def test_a_client_that_goes_away_gets_no_answer() -> None:
    server = Asgi([*body(b"{", end=False), {"type": "http.disconnect"}])
    await WebhookReceiver().asgi(scope(), server.receive, server.send)
    assert server.sent == []


@pytest.mark.asyncio
async def test_it_starts_and_ends_with_its_server() -> None:
    server = Asgi([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    await WebhookReceiver().asgi({"type": "lifespan"}, server.receive, server.send)
    assert [message["type"] for message in server.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.asyncio
async def test_a_websocket_is_not_taken() -> None:
    server = Asgi([{"type": "websocket.connect"}])
    await WebhookReceiver().asgi({"type": "websocket"}, server.receive, server.send)
    assert [message["type"] for message in server.sent] == ["websocket.close"]
    with pytest.raises(ValueError, match="telepathy"):
        await WebhookReceiver().asgi({"type": "telepathy"}, server.receive, server.send)
