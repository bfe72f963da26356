"""From declaration and parameters to the request."""

import uuid
from collections.abc import Callable
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilia_async import Environment, Operation, Repeat, RequestOptions, Service
from tilia_async.errors import InvalidRequestError
from tilia_async.secret import Secret, hide_body
from tilia_async.transport.requestor import new_key
from tilia_async.wire.request import build

READ = Operation(
    "things.get", "GET", Service.ACCOUNTS, "/v1/{account_id}/things/{thing_id}", dict, scopes=(), repeat=Repeat.SAFE
)
WRITE = Operation("things.make", "POST", Service.ACCOUNTS, "/v1/things", dict, scopes=(), repeat=Repeat.NEVER)
KEYED = Operation("things.move", "POST", Service.BALANCES, "/v1/move", dict, scopes=(), repeat=Repeat.KEYED)
THERE = Environment.at("http://127.0.0.1:1/{service}")


def path_of(**path: str) -> str:
    return build(READ, THERE, path=path).url.removeprefix("http://127.0.0.1:1/accounts")


@given(st.text(min_size=1, max_size=36).filter(lambda text: text.isprintable() and text == text.strip()))
def test_a_parameter_stays_one_segment_and_comes_back_as_it_was(value: str) -> None:
    if value in {".", ".."} or "/" in value or "\\" in value:
        with pytest.raises(InvalidRequestError):
            path_of(account_id=value, thing_id="x")
        return
    segments = path_of(account_id=value, thing_id="x").split("/")
    assert segments[1:2] + segments[3:] == ["v1", "things", "x"]
    assert unquote(segments[2]) == value
    assert segments[2].isascii()
    assert not {"?", "#", " "} & set(segments[2])


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "..\\b", "x" * 37, " a", "a\n", "a\0b", 7, None])
def test_what_is_no_id_is_refused_with_field_and_reason(value: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build(READ, THERE, path={"account_id": value, "thing_id": "x"})
    assert list(caught.value.problems) == ["account_id"]
    assert caught.value.problems["account_id"]
    assert caught.value.took_effect is False
    assert str(caught.value).startswith("things.get: ")


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build(READ, THERE, path={"account_id": "", "other": "x"})
    assert set(caught.value.problems) == {"account_id", "thing_id", "other"}


def test_the_query_is_quoted() -> None:
    url = build(WRITE, THERE, query={"username": "a+b@c.d & e", "limit": 3}).url
    assert url.endswith("/accounts/v1/things?username=a%2Bb%40c.d%20%26%20e&limit=3")


def test_a_body_is_sent_as_json_and_never_shown() -> None:
    request = build(WRITE, THERE, body={"password": "J5Ks+%ML"})
    assert request.body is not None
    assert request.body.reveal() == b'{"password":"J5Ks+%ML"}'
    assert request.headers.reveal()["Content-Type"] == "application/json"
    assert "J5Ks" not in repr(request)


def test_a_body_that_is_no_json_is_refused_without_quoting_it() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build(WRITE, THERE, body={"password": "J5Ks+%ML", "when": object()})  # type: ignore[dict-item] - on purpose
    assert "J5Ks" not in str(caught.value)


def test_no_body_means_no_content_type() -> None:
    request = build(READ, THERE, path={"account_id": "a", "thing_id": "b"})
    assert request.body is None
    assert dict(request.headers.reveal()) == {}


def test_a_keyed_operation_gets_a_uuid4_of_its_own_each_time() -> None:
    keys = {build(KEYED, THERE, new_key=new_key(KEYED)).headers.reveal()["Idempotency-Key"] for _ in range(5)}
    assert len(keys) == 5
    assert {uuid.UUID(key).version for key in keys} == {4}
    assert new_key(WRITE) is None


def test_a_keyed_operation_is_not_built_without_a_key() -> None:
    with pytest.raises(ValueError, match=KEYED.name):
        build(KEYED, THERE)


def test_a_given_key_is_used() -> None:
    key = str(uuid.uuid4())
    request = build(KEYED, THERE, options=RequestOptions(idempotency_key=key))
    assert request.headers.reveal()["Idempotency-Key"] == key


@pytest.mark.parametrize(
    ("operation", "key"),
    [
        (KEYED, "order-7"),
        (KEYED, "454471c2-e4c6-11ea-87d0-0242ac100000"),
        (WRITE, "0b4fd0f4-4cf0-4a54-9d4c-6b9a3f1f6c3e"),
    ],
)
def test_a_key_that_tilia_would_not_take_is_refused(operation: Operation[object], key: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build(operation, THERE, options=RequestOptions(idempotency_key=key))
    assert set(caught.value.problems) == {"idempotency_key"}


def test_the_reference_names_what_the_call_would_change() -> None:
    named = Operation(
        "a.b", "POST", Service.ACCOUNTS, "/r", dict, scopes=(), repeat=Repeat.NEVER, reference=("username",)
    )
    assert build(named, THERE, body={"username": "nyx", "password": "secret1"}).reference == {"username": "nyx"}


@pytest.mark.parametrize("body", [
    {"password": "canary"},
    {"word": Secret("canary")},
    {"user": {"password": "canary", "name": "x"}},
    {"users": [{"name": "x"}, {"word": (Secret("canary"),)}]},
    {"user": MappingProxyType({"word": Secret("canary")})},
])  # fmt: skip
def test_a_secret_in_a_body_is_sent_and_known_at_any_depth(body: dict[str, object]) -> None:
    request = build(WRITE, THERE, body=body)
    assert request.body is not None
    assert b'"canary"' in request.body.reveal()
    assert b"***" not in request.body.reveal()
    assert request.secrets == (Secret("canary"),)
    assert build(WRITE, THERE, body=hide_body(body)) == request
    assert "canary" not in repr(request)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts | texts.map(Secret),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def revealed(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, list):
        return [revealed(each) for each in value]
    return {name: revealed(each) for name, each in value.items()} if isinstance(value, dict) else value


def held(value: object) -> list[Secret]:
    if isinstance(value, Secret):
        return [value]
    parts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return [secret for part in parts for secret in held(part)]


@given(st.dictionaries(texts, values, max_size=5))
def test_a_body_with_secrets_is_sent_as_one_without(body: dict[str, object]) -> None:
    request = build(WRITE, THERE, body=body)
    assert request.body is not None
    assert request.body.reveal() == orjson.dumps(revealed(body))
    assert set(held(body)) <= set(request.secrets)


def test_headers_of_the_caller_are_sent_and_not_shown() -> None:
    options = RequestOptions(headers={"X-Api-Key": "canary-key", "X-Wave": "7"})
    request = build(KEYED, THERE, body={"a": 1}, options=options, new_key=new_key(KEYED))
    assert {**request.headers.reveal()}.items() >= {
        "X-Api-Key": "canary-key",
        "X-Wave": "7",
        "Content-Type": "application/json",
    }.items()
    assert set(request.secrets) == {Secret("canary-key"), Secret(request.headers.reveal()["Idempotency-Key"])}
    assert "headers=<fields 'X-Api-Key', 'X-Wave'" in repr(request)
    assert "canary" not in repr(request)


@pytest.mark.parametrize("body", [["canary"], "canary", 5, b"canary"])
def test_a_body_that_is_no_mapping_is_refused_without_showing_it(body: object) -> None:
    with pytest.raises(InvalidRequestError, match=f"is a mapping, not {type(body).__name__}") as caught:
        build(WRITE, THERE, body=body)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    "at", [lambda odd: odd, lambda odd: [None, {"b": (odd,)}], lambda odd: MappingProxyType({"c": odd})]
)
def test_what_is_no_number_is_not_sent_as_null(odd: float, at: Callable[[float], Any]) -> None:
    with pytest.raises(InvalidRequestError, match="not finite"):
        build(WRITE, THERE, body={"a": at(odd)})
    request = build(WRITE, THERE, body={"a": at(1.5), "null": None})
    assert request.body is not None
    assert b"1.5" in request.body.reveal()
