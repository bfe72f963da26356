"""Our objects give no secret to those who show, walk, copy or pickle them."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import reprlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import orjson
import pytest
import sentry_sdk.serializer
from hypothesis import given
from hypothesis import strategies as st
from rich import inspect, pretty
from rich.console import Console
from rollbar.lib.transforms.serializable import SerializableTransform
from rollbar.lib.transforms.shortener import ShortenerTransform
from rollbar.lib.traverse import traverse
from support.canaries import search, shown

import tilia_sync
from tilia_async import Environment, RequestOptions, Secret, TiliaClient
from tilia_async.config import Credentials
from tilia_async.errors import TiliaError
from tilia_async.ledger import BlockLedger
from tilia_async.models.auth import Redirect, UserToken
from tilia_async.models.invoices import AuthorizedInvoice
from tilia_async.sandbox import Sandbox
from tilia_async.secret import HiddenFields, hide_body
from tilia_async.tokens import (
    AccessToken,
    FileTokenStore,
    Identity,
    MemoryTokenStore,
    PostgresTokenStore,
    RedisTokenStore,
    TokenCache,
)
from tilia_async.tokens.cipher import TokenCipher
from tilia_async.tokens.negative_cache import RejectedToken
from tilia_async.webhooks import WebhookReceiver
from tilia_async.wire.envelope import NoResponse, RawResponse
from tilia_async.wire.redactor import Redactor
from tilia_async.wire.request import WireRequest, build
from tilia_async.wire.response import Response, Success

CANARY = "canary-0f/1 +2"
THERE = Environment.at("http://127.0.0.1:1/{service}")
IDENTITY = Identity.of("https://auth.example/token", Credentials("id", Secret(CANARY)))
TOKEN = AccessToken(CANARY, frozenset({"a"}), 60, 0, datetime.now(UTC))


def store() -> MemoryTokenStore:
    made = MemoryTokenStore()
    asyncio.run(made.save(IDENTITY, TOKEN))
    return made


def requested() -> WireRequest:
    from tilia_async.api import OPERATIONS

    body = {"username": "nyx", "password": CANARY, "profile": {"password": CANARY}}
    options = RequestOptions(headers={"X-Api-Key": CANARY})
    return build(OPERATIONS["registration.start"], THERE, body=body, options=options)


MADE: dict[str, Callable[[], object]] = {
    "Secret": lambda: Secret(CANARY),
    "HiddenFields": lambda: hide_body({"password": CANARY}),
    "Credentials": lambda: Credentials("id", Secret(CANARY)),
    "AccessToken": lambda: TOKEN,
    "Identity": lambda: IDENTITY,
    "RejectedToken": lambda: RejectedToken(0.0, Secret(CANARY)),
    "TokenCipher": lambda: TokenCipher(IDENTITY, Secret(CANARY)),
    "MemoryTokenStore": store,
    "TokenCache": lambda: TokenCache(store()),
    "FileTokenStore": lambda: FileTokenStore("x", key=f"{CANARY} and more"),
    "PostgresTokenStore": lambda: PostgresTokenStore(
        f"postgresql://u:{CANARY.replace('/', '')}@h/d", key=f"{CANARY} and more"
    ),
    "RedisTokenStore": lambda: RedisTokenStore(f"redis://u:{CANARY.replace('/', '')}@h/0", key=f"{CANARY} and more"),
    "RequestOptions": lambda: RequestOptions(headers={"X-Api-Key": CANARY}),
    "TiliaClient": lambda: TiliaClient("id", CANARY, THERE, token_cache=TokenCache()),
    "TiliaClient of a Secret": lambda: TiliaClient("id", Secret(CANARY), THERE, token_cache=TokenCache()),
    "tilia_sync.TiliaClient": lambda: tilia_sync.TiliaClient("id", CANARY, THERE, token_cache=TokenCache()),
    "WebhookReceiver": lambda: WebhookReceiver(path_secret=CANARY.replace("/", ""), basic_auth=("u", CANARY)),
    "tilia_sync.WebhookReceiver": lambda: tilia_sync.WebhookReceiver(basic_auth=[("u", CANARY)]),
    "BlockLedger": lambda: BlockLedger.open(f"postgresql://u:{CANARY.replace('/', '')}@h/d"),
    "tilia_sync.BlockLedger": lambda: tilia_sync.BlockLedger(f"postgresql://u:{CANARY.replace('/', '')}@h/d"),
    "Sandbox": lambda: hooked(Sandbox()),
    "tilia_sync.Sandbox": lambda: hooked(tilia_sync.Sandbox()),
    "Redirect": lambda: Redirect(f"https://x/{CANARY}", CANARY),
    "UserToken": lambda: UserToken(CANARY, refresh_token=CANARY),
    "AuthorizedInvoice": lambda: AuthorizedInvoice(redirect=CANARY, password_token=CANARY),
    "WireRequest": requested,
    "NoResponse": lambda: NoResponse(True, "no answer", CANARY),
    "RawResponse": lambda: RawResponse(200, {"X": CANARY}, CANARY.encode(), "", CANARY),
    "Success": lambda: Success(None, {"token": CANARY}, 200, {"X": CANARY}),
    "Response": lambda: Response(None, {"token": CANARY}, 200, {"X": CANARY}, 1, 0.1),
    "Redactor": lambda: Redactor.of([Secret(CANARY)]),
}
FORMS = {CANARY, CANARY.replace("/", "")}
HANDS_OUT = {
    "AccessToken", "RequestOptions", "Redirect", "UserToken", "AuthorizedInvoice", "Redactor",
    "NoResponse", "RawResponse", "Success", "Response",
}  # fmt: skip
"""Classes that give the text by an attribute: users pass it on, or we do."""


def hooked(sandbox: Sandbox) -> Sandbox:
    sandbox.register_webhook("http://127.0.0.1:9/hook", basic_auth=("user", CANARY))
    return sandbox


def attributes(value: object) -> Iterator[object]:
    """Contents of the slots and in the dictionary of an object."""
    yield from getattr(value, "__dict__", {}).values()
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in {"__weakref__", "__dict__"} and hasattr(value, name):
                yield getattr(value, name)


def reachable(value: object) -> Iterator[object]:
    """All that hangs on an object of ours, at any depth, as a dumper of objects walks."""
    seen: dict[int, object] = {}
    left = [value]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        yield each
        if isinstance(each, dict):
            left += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            left += each
        elif type(each).__module__.startswith(("tilia_", "aiohttp", "sqlalchemy", "cryptography")):
            left += attributes(each)


def ways(value: object) -> Iterator[str]:
    """The ways to make text of an object."""
    yield from shown(value)
    yield from (ascii(value), f"{value}", f"{value!s:>9} {value!r}", reprlib.repr(value), pprint.pformat(value))
    yield logging.makeLogRecord({"msg": "%s %r", "args": (value, value)}).getMessage()
    for width in (20, 200):
        yield pretty.pretty_repr(value, max_string=5, max_width=width)
        yield pretty.pretty_repr([value], max_width=width, expand_all=True)
    yield json.dumps([value], default=str)
    yield orjson.dumps([value], default=repr).decode()
    yield json.dumps(sentry_sdk.serializer.serialize({"extra": {"value": value, "values": [value]}}), default=repr)
    yield json.dumps(sentry_sdk.serializer.serialize({"value": value}, is_vars=True), default=repr)
    for transform in (
        SerializableTransform(safe_repr=False),
        ShortenerTransform(safe_repr=False, keys=[("a",)], maxother=9**9),
    ):
        handlers = {"default_handler": transform.transform_custom, "string_handler": transform.transform_unicode}
        yield repr(traverse({"a": value}, **handlers))
    if attrs.has(type(value)):
        yield repr(attrs.asdict(value, filter=lambda field, _: field.repr is True))
    assert not dataclasses.is_dataclass(value)


@pytest.mark.parametrize("name", MADE)
def test_no_way_to_show_an_object_shows_what_it_holds(name: str) -> None:
    made = MADE[name]()
    search(FORMS, ways(made))
    search(FORMS, ways({"a": [made]}))
    search(FORMS, ways(copy.copy(made)) if name in {"Secret", "AccessToken", "RequestOptions"} else [])


@pytest.mark.parametrize("name", sorted(MADE.keys() - HANDS_OUT))
def test_no_attribute_of_an_object_holds_a_secret_at_any_depth(name: str) -> None:
    texts = (each for each in reachable(MADE[name]()) if isinstance(each, str | bytes))
    search(FORMS, (text.decode(errors="replace") if isinstance(text, bytes) else text for text in texts))


@pytest.mark.asyncio
@pytest.mark.parametrize("cancelled", [True, False])
async def test_no_slot_of_what_stands_in_frames_holds_a_secret(cancelled: bool) -> None:
    """There are reporters that read the slots of each variable, as Datadog's does."""
    asked, silent = asyncio.Event(), asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    there = Environment.at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{{service}}")
    options = RequestOptions(headers={"X-Api-Key": "canary-key"}, timeout=20 if cancelled else 0.2)
    password = Secret("canary-pw1")
    async with TiliaClient("id", Secret("canary-id-secret"), there, token_cache=TokenCache()) as tilia:
        call = tilia.registration.start("n@example.com", password, "n@example.com", options=options)
        task = asyncio.ensure_future(call)
        await asked.wait()
        if cancelled:
            task.cancel()
        with pytest.raises((asyncio.CancelledError, TiliaError)) as caught:
            await task
    silent.set()
    server.close()
    own = [entry for entry in caught.traceback if str(entry.frame.f_globals.get("__name__")).startswith("tilia_async.")]
    assert own
    found = [each for entry in own for value in entry.frame.f_locals.values() for each in reachable(value)]
    assert any(isinstance(each, WireRequest) for each in found)
    texts = (each.decode(errors="replace") if isinstance(each, bytes) else each for each in found)
    search({"canary-pw1", "canary-key", "canary-id-secret"}, (text for text in texts if isinstance(text, str)))


@pytest.mark.parametrize("name", sorted(MADE.keys() - HANDS_OUT))
def test_an_inspection_shows_no_secret(name: str) -> None:
    made = MADE[name]()
    console = Console(width=200, file=io.StringIO())
    inspect(made, console=console, private=True, dunder=True, docs=False)
    search(FORMS, [console.file.getvalue()])


LEAVES = {
    "Identity", "WebhookReceiver", "tilia_sync.WebhookReceiver", "WireRequest", "Redactor", "NoResponse", "RawResponse", "Success",
    "Response",
}  # fmt: skip
"""Classes that hold digests, or live as long as a call."""
MODELS = {"Redirect", "UserToken", "AuthorizedInvoice"}
"""Models are pickled as they are, and says so."""
INSTEAD = {
    "AccessToken": "keep its value", "Secret": "an environment variable", "RequestOptions": "where the call is made",
    "HiddenFields": "where the call is made",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MADE.keys() - LEAVES - MODELS))
def test_no_secret_is_pickled(name: str) -> None:
    made = MADE[name]()
    with pytest.raises(TypeError, match=INSTEAD.get(name, "pickle")):
        pickle.dumps(made)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_an_answer_that_carries_a_token_says_what_a_pickle_of_it_is(name: str) -> None:
    made = MADE[name]()
    assert pickle.loads(pickle.dumps(made)) == made
    assert "pickle" in str(type(made).__doc__)


def test_what_is_picklable_of_those_that_hold_secrets() -> None:
    options = RequestOptions(timeout=3, idempotency_key="5a3c6a4e-0a4a-4d76-9a7f-6c0a3a1f3d52")
    assert pickle.loads(pickle.dumps(options)) == options
    for secret in (Secret(CANARY), TOKEN, RequestOptions(headers={"X-Api-Key": CANARY})):
        assert copy.deepcopy(secret) == secret == copy.copy(secret)
        assert hash(copy.deepcopy(secret)) == hash(secret)


def test_those_that_hand_the_text_out_do_so() -> None:
    request = requested()
    assert request.body is not None
    assert CANARY.encode() in request.body.reveal()
    assert request.headers.reveal()["X-Api-Key"] == CANARY
    assert request == requested()
    assert TOKEN.value == CANARY
    assert RequestOptions(headers={"X-Api-Key": CANARY}).headers == {"X-Api-Key": CANARY}
    assert attrs.evolve(RequestOptions(headers={"X-Api-Key": CANARY}), timeout=3).headers == {"X-Api-Key": CANARY}
    assert attrs.evolve(TOKEN, generation=7).value == CANARY
    assert Redirect(CANARY).redirect == CANARY
    assert UserToken(CANARY).access_token == CANARY
    with tilia_sync.Sandbox() as sandbox:
        assert isinstance(sandbox.client_secret, str)
        with tilia_sync.TiliaClient(sandbox.client_id, Secret(sandbox.client_secret), sandbox.environment) as tilia:
            assert tilia.access_token(["search_accounts"]).value


@given(st.text(min_size=1), st.text())
def test_secrets_are_equal_when_their_texts_are(one: str, other: str) -> None:
    secret = Secret(one)
    assert (secret == Secret(other)) is (one == other)
    assert secret != one
    assert hash(secret) == hash(Secret(Secret(one)))
    assert bool(secret)
    assert not isinstance(secret, str)
    with pytest.raises(TypeError):
        iter(secret)
    with pytest.raises(TypeError):
        len(secret)
    with pytest.raises(TypeError):
        secret[:1]
    with pytest.raises(TypeError):
        assert one in secret


@pytest.mark.parametrize("wrong", [None, CANARY.encode(), [CANARY], 5])
def test_what_is_no_text_and_no_mapping_is_hidden_as_well(wrong: object) -> None:
    secret, fields = Secret(wrong), HiddenFields(wrong)
    assert (secret.is_text, secret.kind, bool(secret)) == (False, type(wrong).__name__, False)
    assert (fields.is_mapping, fields.kind, dict(fields.reveal())) == (False, type(wrong).__name__, {})
    search(FORMS, [*ways(secret), *ways(fields)])


def test_a_member_of_an_enumeration_is_the_text_itself() -> None:
    from tilia_async import Scope

    assert Secret(Scope.READ_ACCOUNTS).reveal() == "read_accounts"
    assert type(Secret(Scope.READ_ACCOUNTS).reveal()) is str


@pytest.mark.asyncio
async def test_a_file_of_tokens_is_read_with_the_key_as_text_or_as_a_secret(tmp_path: Path) -> None:
    lasting = attrs.evolve(TOKEN, expires_at=datetime.now(UTC) + timedelta(hours=1), lifetime=3600)
    await FileTokenStore(tmp_path / "tokens", key=f"{CANARY} and more").save(IDENTITY, lasting)
    (found,) = await FileTokenStore(tmp_path / "tokens", key=Secret(f"{CANARY} and more")).load(IDENTITY)
    assert found.value == CANARY
    search(FORMS, [(tmp_path / "tokens").read_text()])
