"""Webhook deliveries that are stopped: no reporter shows a secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from unittest import mock

import attrs
import orjson
import pytest
from support.reported import BASIC, HTTP_BASIC, PATH, USER, examine

import tilia_sync
from tilia_async.webhooks import Event, WebhookReceiver

BODY = orjson.dumps({"event_name": "kyc-webhook", "message": {"account_id": "acct_1"}})


@attrs.define
class Stopped(BaseException):
    """An exception that ends a worker, such as SystemExit: nothing that a receiver may keep to itself."""


def receiver(package: type) -> WebhookReceiver:
    return package(path_secret=PATH, basic_auth=(USER, BASIC))


def asgi_scope() -> dict[str, object]:
    headers = [(b"authorization", f"Basic {HTTP_BASIC}".encode()), (b"content-length", str(len(BODY)).encode())]
    return {"type": "http", "method": "POST", "path": f"/tilia/{PATH}", "headers": headers}


async def receive() -> dict[str, object]:
    return {"type": "http.request", "body": BODY}


async def nothing(_message: object) -> None: ...


async def through_asgi(hook: WebhookReceiver) -> None:
    await hook.asgi(asgi_scope(), receive, nothing)


async def through_aiohttp(hook: WebhookReceiver) -> None:
    from aiohttp.test_utils import make_mocked_request

    headers = {"Authorization": f"Basic {HTTP_BASIC}"}
    payload = mock.Mock()
    payload.iter_any = chunks
    await hook.aiohttp_handler(make_mocked_request("POST", f"/tilia/{PATH}", headers=headers, payload=payload))


async def chunks() -> AsyncIterator[bytes]:
    yield BODY


async def by_hand(hook: WebhookReceiver) -> None:
    await hook.handle(BODY, path=f"/{PATH}", authorization=f"Basic {HTTP_BASIC}")


@pytest.mark.asyncio
@pytest.mark.parametrize("way", [through_asgi, through_aiohttp, by_hand])
async def test_a_delivery_that_is_stopped(way: Callable[..., Awaitable[None]]) -> None:
    hook = receiver(WebhookReceiver)

    @hook.on(Event)
    async def stopped(_event: Event) -> None:
        raise Stopped

    with pytest.raises(Stopped) as caught:
        await way(hook)
    examine(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("way", [through_asgi, through_aiohttp, by_hand])
async def test_a_delivery_that_is_cancelled(way: Callable[..., Awaitable[None]]) -> None:
    hook, began = receiver(WebhookReceiver), asyncio.Event()

    @hook.on(Event)
    async def waits(_event: Event) -> None:
        began.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(way(hook))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    examine(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("package", [WebhookReceiver, tilia_sync.WebhookReceiver])
async def test_credentials_that_are_no_text_are_wrong_ones(package: type) -> None:
    hook = receiver(package)
    right = {"path": f"/{PATH}", "authorization": f"Basic {HTTP_BASIC}"}
    assert hook.refusal("POST", **right) is None
    for wrong, status in [
        ({"path": f"/{PATH}".encode()}, 404),
        ({"authorization": f"Basic {HTTP_BASIC}".encode()}, 401),
    ]:
        assert hook.refusal("POST", **{**right, **wrong}) == status
        handled = hook.handle(BODY, **{**right, **wrong})
        assert (await handled if package is WebhookReceiver else handled) == status


@pytest.mark.asyncio
async def test_an_answer_that_cannot_be_sent() -> None:
    async def gone(_message: object) -> None:
        raise OSError

    with pytest.raises(OSError) as caught:
        await receiver(WebhookReceiver).asgi(asgi_scope(), receive, gone)
    examine(caught.value)


@pytest.mark.parametrize("wsgi", [True, False])
def test_a_delivery_that_is_stopped_without_a_loop(wsgi: bool) -> None:
    import io

    hook = receiver(tilia_sync.WebhookReceiver)

    @hook.on(Event)
    def stopped(_event: Event) -> None:
        raise Stopped

    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": f"/tilia/{PATH}", "HTTP_AUTHORIZATION": f"Basic {HTTP_BASIC}",
        "CONTENT_LENGTH": str(len(BODY)), "wsgi.input": io.BytesIO(BODY),
    }  # fmt: skip
    deliver = (
        (lambda: hook.wsgi(environ, lambda *_: None))
        if wsgi
        else lambda: hook.handle(BODY, path=f"/{PATH}", authorization=f"Basic {HTTP_BASIC}")
    )
    with pytest.raises(Stopped) as caught:
        deliver()
    examine(caught.value)
