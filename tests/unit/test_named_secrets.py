"""A value under the name of a secret in an answer stands in no error, though nobody sent it."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import orjson
import pytest

from tilia_async import Environment, errors
from tilia_async.api import OPERATIONS
from tilia_async.json_value import JsonValue
from tilia_async.transport.requestor import new_key
from tilia_async.wire.envelope import RawResponse
from tilia_async.wire.redactor import NO_REDACTION, Redactor, named_secrets
from tilia_async.wire.request import build
from tilia_async.wire.response import interpret

HELD = "GENERATED-pw-1"
THERE = Environment.at("http://127.0.0.1:1/{service}")
NAMES = [
    "password",
    "Password",
    "new_password",
    "accessToken",
    "refresh-token",
    "client_secret",
    "nonce_auth_id",
    "token",
]


def failed(name: str, status: int, body: object) -> errors.ApiError | errors.ResponseDecodeError:
    operation = OPERATIONS[name]
    parts = dict.fromkeys([*operation.reference, *operation.parameters], "acct_1")
    path = {each: parts[each] for each in operation.parameters}
    request = build(
        operation,
        THERE,
        path=path,
        body={each: parts[each] for each in parts if each not in path},
        new_key=new_key(operation),
    )
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    error = interpret(
        operation,
        request,
        RawResponse(status, {}, raw),
        attempts=1,
        doubtful=False,
        now=datetime.now(UTC),
        mask=Redactor.of(()),
    )
    assert isinstance(error, errors.ApiError | errors.ResponseDecodeError)
    return error


def hides(error: errors.TiliaError, secret: str = HELD) -> None:
    assert secret not in repr((vars(error), str(error), error.explain()))
    assert secret.encode() not in pickle.dumps(error)


@pytest.mark.parametrize("held", [HELD, [HELD], {"value": HELD}, [[{"x": HELD}]]])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [200, 409, 500])
def test_the_password_of_a_registration_is_in_no_error(status: int, name: str, held: JsonValue) -> None:
    payload = {"account_id": "a", "username": "nyx", name: held, "email": {"address": "n@x.com", name: held}}
    word = "Success" if status == 200 else "Failure"
    messages = [f"made with {HELD}", None] if isinstance(held, str) else []
    error = failed("accounts.register", status, {"status": word, "message": messages, "payload": payload})
    hides(error)
    assert isinstance(error.payload, dict)
    assert (error.payload[name], error.payload["account_id"]) == ("***", "a")


@pytest.mark.parametrize(
    "text",
    [
        '{"status":"Success","payload":{"username":"nyx","password":"%s',
        '{"payload":{"a":"{\\"password\\": \\"%s\\"}"',
        "<pre>{&quot;password&quot;:&quot;%s&quot;}</pre>",
        "username=nyx&client_secret=%s&x=1",
        "{'refresh_token' : '%s'}",
    ],
)
@pytest.mark.parametrize("status", [200, 502])
def test_nor_where_the_answer_is_no_json(status: int, text: str) -> None:
    error = failed("accounts.register", status, (text % HELD).encode())
    hides(error)
    assert "***" in str(error.payload)


def test_nor_where_it_is_too_large_to_be_kept() -> None:
    error = failed("accounts.register", 500, {"payload": {"password": HELD, "x": "y" * 300_000}})
    hides(error)
    assert isinstance(error.payload, str)
    assert "***" in error.payload


def test_the_message_says_what_is_wrong_with_a_password() -> None:
    """There the name is that of the field, and the texts are what is wrong with it."""
    payload: JsonValue = {"errors": {"password": ["has no letter at all"], "token": "is expired, maybe"}}
    error = failed("registration.start", 400, {"status": "Failure", "payload": payload})
    assert isinstance(error, errors.BadRequestError)
    assert error.payload == payload
    assert error.field_errors == {"password": ("has no letter at all",), "token": ("is expired, maybe",)}


def test_what_is_no_secret_stays() -> None:
    payload: JsonValue = {
        "token_exchange_id": "vtok_1", "tokens": 5, "password": "", "token": None, "secret": False, "redirects": ["x"],
    }  # fmt: skip
    assert NO_REDACTION.json(payload) == payload
    assert list(named_secrets(payload)) == []
    assert Redactor.of(()).beginning(b"no token=", 100) == "no token="


def test_a_deep_answer_is_walked_to_its_end() -> None:
    deep: JsonValue = {"password": HELD}
    for _ in range(5_000):
        deep = {"a": [deep]}
    found = named_secrets(deep)
    assert [secret.reveal() for secret in found] == [HELD]


@pytest.mark.parametrize("name", sorted(name for name, each in OPERATIONS.items() if each.confidential))
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            200,
            {
                "status": "Failure",
                "message": ["refused"],
                "payload": {"error": "no", "redirect": f"https://web/{HELD}"},
            },
        ),
        (200, {"status": "Success", "codes": ["X"], "message": [HELD], "payload": {"errors": {HELD: [HELD]}}}),
        (500, f"https://web/ui/appauth/{HELD}".encode()),
        (502, {"payload": {"redirect": f"https://web/{HELD}"}, "message": [HELD]}),
        (400, f"<html>{HELD}".encode()),
        (400, {"status": "Failure", "payload": {"redirect": f"https://web/{HELD}", "error": "no"}}),
        (500, {"payload": {"a": HELD, "x": "y" * 300_000}}),
    ],
)
def test_an_error_of_what_lets_its_bearer_in_keeps_no_text_that_may_do_so(name: str, status: int, body: object) -> None:
    hides(failed(name, status, body))


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("name", sorted(name for name, each in OPERATIONS.items() if each.confidential))
def test_an_expired_token_is_still_seen(name: str, status: int) -> None:
    error = failed(name, status, {"status": "Failure", "payload": {"error": "token is expired"}})
    assert error.payload == {"error": "token is expired"}
    assert error.took_effect is False
