"""Secrets stay secret whatever a server repeats of them, and whatever is printed of our objects."""

from __future__ import annotations

import html
import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.canaries import all_logs, places, search
from support.hostile import Connection, hostile_server
from support.quick import QUICK

import tilia_sync
from tilia_async import Environment, RequestOptions, TiliaClient, errors
from tilia_async.config import Credentials
from tilia_async.models.auth import Redirect, UserToken
from tilia_async.models.invoices import AuthorizedInvoice
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, Identity, MemoryTokenStore, TokenCache
from tilia_async.webhooks import WebhookReceiver
from tilia_async.wire.redactor import Redactor

TOKEN = "canary-token/1+2=3&<e>"
SECRET = 'canary secret/+"\\é'
PASSWORD = 'canary-"/\\é7a'
CANARIES = (TOKEN, SECRET, PASSWORD)

WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "as JSON": lambda text: orjson.dumps(text)[1:-1].decode(),
    "as ASCII JSON": lambda text: json.dumps(text)[1:-1],
    "as JSON with slashes escaped": lambda text: orjson.dumps(text)[1:-1].decode().replace("/", "\\/"),
    "as HTML": html.escape,
    "as a URL": lambda text: quote(text, safe=""),
}


def told(way: str, *secrets: str) -> str:
    return " ".join(WAYS[way](secret) for secret in secrets)


SHAPES: dict[str, Callable[[str], bytes]] = {
    "text": lambda words: f"<html><pre>{words}</pre></html>".encode(),
    "text that is cut off in the middle": lambda words: ("x" * 1_960 + words * 20).encode(),
    "json message": lambda words: orjson.dumps({"status": "Failure", "message": [words], "codes": [words], "payload": words}),
    "json error": lambda words: orjson.dumps({"status": "Failure", "message": [], "payload": {"error": words, words: [words]}}),
    "json by field": lambda words: orjson.dumps({"payload": {"errors": {"password": [words], words: [words]}}}),
    "long json": lambda words: orjson.dumps({"status": "Failure", "message": ["x" * 280 + words], "payload": None}),
    "success of another shape": lambda words: orjson.dumps({"status": "Success", "payload": [[words]]}),
    "success without sense": lambda words: b'{"status": "Success", "payload": ' + words.encode(),
}  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 422, 429, 500, 502])
@pytest.mark.parametrize("way", WAYS)
async def test_a_server_that_repeats_the_request_gets_no_secret_into_an_error(status: int, way: str) -> None:
    bodies = {name: shape(told(way, TOKEN, PASSWORD)) for name, shape in SHAPES.items()}
    bodies["binary header"] = b""

    async def repeat(connection: Connection) -> None:
        while (line := await connection.request()) is not None:
            if "/token" in line:
                await connection.answer(orjson.dumps({"access_token": TOKEN, "expires_in": 3600}))
                continue
            name = served.pop()
            if name == "binary header":
                connection.writer.write(
                    f"HTTP/1.1 {status} X\r\nBad Header {told(way, TOKEN, PASSWORD)}: x\r\n\r\n".encode()
                )
                return
            head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            connection.writer.write(head % (status, len(bodies[name])) + bodies[name])

    async with hostile_server(repeat) as server:
        for name in bodies:
            served = [name] * 5
            async with TiliaClient("id", SECRET, server.template, retry=QUICK, token_cache=TokenCache()) as tilia:
                with all_logs() as logged, pytest.raises(errors.TiliaError) as caught:
                    await tilia.registration.start("nyx@mail.example", PASSWORD, "nyx@mail.example")
            search(CANARIES, [*logged.texts, *places(caught.value)])


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 400, 401, 500])
async def test_a_token_endpoint_that_repeats_the_form_gets_no_secret_into_an_error(status: int) -> None:
    for way in WAYS:
        for body in (shape(told(way, SECRET)) for shape in SHAPES.values()):

            async def repeat(connection: Connection, body: bytes = body) -> None:
                while await connection.request() is not None:
                    connection.writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

            async with hostile_server(repeat) as server:
                async with TiliaClient("id", SECRET, server.template, retry=QUICK, token_cache=TokenCache()) as tilia:
                    with all_logs() as logged, pytest.raises(errors.TiliaError) as caught:
                        await tilia.accounts.get("acct_1")
            search([SECRET], [*logged.texts, *places(caught.value)])


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(texts, texts, texts, json_values)
def test_a_mask_hides_a_text_in_any_place_and_leaves_the_rest(
    secret: str, before: str, after: str, value: object
) -> None:
    secret = f"canary-{secret}"
    mask = Redactor.of([Secret(secret)])
    masked = mask.text(before + secret + after)
    assert secret not in masked
    assert "***" in masked
    nested = {"a": [value, {secret: before + secret}, secret], "b": value}
    shown = repr(mask.json(nested))
    assert secret not in str(mask.json({"a": secret}))
    assert repr(secret)[1:-1] not in shown
    assert mask.json(value) == value or secret in str(value)
    assert nested["a"][2] == secret, "what was given is left as it was"


def test_a_short_secret_does_not_change_what_an_answer_is() -> None:
    mask = Redactor.of([Secret("t")])
    assert mask.json({"status": "that", "t": [1]}) == {"status": "***ha***", "t": [1]}
    assert Redactor.of([Secret("")]).text("abc") == "abc"
    assert Redactor.of([Secret("x")]).beginning(None, 5) is None


def test_masking_is_no_recursion() -> None:
    value: object = "canary-deep"
    for _ in range(100_000):
        value = [value]
    masked = Redactor.of([Secret("canary-deep")]).json(value)
    while isinstance(masked, list):
        (masked,) = masked
    assert masked == "***"


@pytest.mark.asyncio
async def test_public_objects_do_not_show_what_they_hold() -> None:
    token = AccessToken(TOKEN, frozenset({"a"}), 60, 0, datetime.now(UTC))
    store = MemoryTokenStore()
    identity = Identity.of("https://auth.example/token", Credentials("id", Secret(SECRET)))
    await store.save(identity, token)
    async with Sandbox(wallet_delay=0) as sandbox:
        sandbox.register_webhook("http://127.0.0.1:9/hook", basic_auth=("user", PASSWORD))
        client = TiliaClient("id", SECRET, sandbox.environment, token_cache=TokenCache(store))
        receiver = WebhookReceiver(client, path_secret="canary-path", basic_auth=("user", PASSWORD))
        async with TiliaClient(
            sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache()
        ) as good:
            await good.registration.start("nyx@mail.example", "canary-pw1", "nyx@mail.example")
        sandbox.faults.add("accounts.get", Fault.LATENCY)
        shown = [
            client, client.accounts, receiver, token, store, identity, client._requestor, client._pool, client._tokens,
            RequestOptions(headers={"X-Secret": SECRET}), Redirect(f"https://x/{SECRET}", SECRET),
            UserToken(TOKEN, refresh_token=SECRET), AuthorizedInvoice(redirect=SECRET, password_token=TOKEN),
            sandbox, sandbox.requests, sandbox.faults, sandbox.notifications, sandbox._notifier, sandbox._tokens,
            sandbox._handler, sandbox._world, Credentials("id", Secret(SECRET)),
        ]  # fmt: skip
        issued = list(sandbox._tokens._tokens)
        search(
            [*CANARIES, sandbox.client_secret, "canary-pw1", *issued], [f(each) for each in shown for f in (repr, str)]
        )
        # The requests themselves stay true, for tests.
        assert any(b"canary-pw1" in request.body for request in sandbox.requests)
        assert any(issued[0] in request.headers.get("Authorization", "") for request in sandbox.requests)
        await client.aclose()


def test_public_objects_of_the_synchronous_package_do_not_either() -> None:
    with tilia_sync.TiliaClient("id", SECRET, "staging") as sync, tilia_sync.Sandbox() as sandbox:
        search([SECRET, sandbox.client_secret], [repr(sync), repr(sync.accounts), repr(sandbox), str(sync.invoices)])


@pytest.mark.parametrize("package", [TiliaClient, tilia_sync.TiliaClient])
@pytest.mark.parametrize(
    "settings",
    [
        {"environment": "nowhere"},
        {"environment": Environment.STAGING, "timeout": -1},
        {"environment": Environment.STAGING, "scopes": "a b"},
        {"environment": Environment.STAGING, "retry": 3},
        {"environment": Environment.STAGING, "client_id": ""},
    ],
)
def test_a_client_that_cannot_be_made_does_not_show_its_secret(package: type, settings: dict[str, object]) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        package(**{"client_id": "id", "client_secret": SECRET, **settings})
    search([SECRET], places(caught.value))
    assert traceback.format_exception(caught.value)
