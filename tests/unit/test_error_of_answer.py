"""The error of an answer, and what it keeps of the answer."""

import pickle
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judged import READ, THERE, WRITE, judged

from tilia_async import Evidence, Operation, Repeat, Service, errors
from tilia_async.api import OPERATIONS
from tilia_async.json_value import JsonValue
from tilia_async.transport.requestor import new_key
from tilia_async.wire import envelope
from tilia_async.wire.envelope import NoResponse, RawResponse, retry_after
from tilia_async.wire.request import build
from tilia_async.wire.response import interpret, out_of_time

STATUSES = [
    (400, errors.BadRequestError, False),
    (401, errors.UnauthorizedError, False),
    (403, errors.ForbiddenError, False),
    (404, errors.NotFoundError, False),
    (405, errors.ApiError, False),
    (409, errors.ConflictError, False),
    (422, errors.UnprocessableError, False),
    (429, errors.RateLimitedError, False),
    (500, errors.ServerError, None),
    (502, errors.ServerError, None),
    (599, errors.ServerError, None),
    (302, errors.ApiError, None),
]


@pytest.mark.parametrize(("status", "error_class", "effect"), STATUSES)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1,", None, {"status": "Failure", "payload": None}, [], "x", 3])
def test_the_status_decides_the_class_whatever_the_body(
    status: int, error_class: type[errors.ApiError], effect: bool | None, body: object
) -> None:
    error = judged(WRITE, status, body)
    assert type(error) is error_class
    assert error.status == status
    assert error.took_effect is effect
    assert str(error).startswith(f"a.write: {status}")
    reading = judged(READ, status, body)
    assert isinstance(reading, error_class)
    assert reading.took_effect is False


@pytest.mark.parametrize(
    ("body", "messages", "codes", "fields"),
    [
        ({"status": "Failure", "message": [], "codes": [], "payload": {"error": "no"}}, ("no",), (), {}),
        ({"status": "Failure", "message": [""], "codes": ["X"], "payload": "gone"}, ("gone",), ("X",), {}),
        (
            {
                "status": "Failure",
                "message": ["bad"],
                "codes": ["INPUT_ERROR"],
                "payload": {"errors": {"f": ["a", "b"]}},
            },
            ("bad",),
            ("INPUT_ERROR",),
            {"f": ("a", "b")},
        ),
        ({"payload": {"errors": "key in use"}}, ("key in use",), (), {}),
        ({"error": "server_error", "error_description": "odd"}, ("server_error", "odd"), (), {}),
        (
            {"status": "Failure", "message": ["oops"], "codes": ["SERVER_ERROR"], "payload": None},
            ("oops",),
            ("SERVER_ERROR",),
            {},
        ),
    ],
)
def test_every_shape_of_a_failure_is_read(
    body: JsonValue, messages: tuple[str, ...], codes: tuple[str, ...], fields: dict[str, tuple[str, ...]]
) -> None:
    error = judged(WRITE, 400, body)
    assert isinstance(error, errors.BadRequestError)
    assert (error.messages, error.codes, error.field_errors) == (messages, codes, fields)
    for text in messages:
        assert text in str(error)


def test_an_html_page_is_kept_but_is_nobodys_message() -> None:
    error = judged(WRITE, 500, b"<html>Bad Gateway</html>")
    assert isinstance(error, errors.ServerError)
    assert error.messages == ()
    assert error.payload == "<html>Bad Gateway</html>"


@pytest.mark.parametrize("said", ["Failure", "Failed", "success", "", None, 1])
def test_a_200_that_does_not_say_success_is_an_api_error(said: object) -> None:
    error = judged(WRITE, 200, {"status": said, "message": ["no"], "codes": ["C"], "payload": None})
    assert type(error) is errors.ApiError
    assert (error.status, error.codes, error.messages, error.took_effect) == (200, ("C",), ("no",), None)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"status":"Succ', None])
def test_a_2xx_that_cannot_be_read(body: bytes | None) -> None:
    write, read = judged(WRITE, 200, body), judged(READ, 200, body)
    assert isinstance(write, errors.ResponseDecodeError)
    assert isinstance(read, errors.ResponseDecodeError)
    assert (write.took_effect, read.took_effect) == (None, False)


def test_a_confirmed_write_of_odd_shape_stays_confirmed() -> None:
    error = judged(WRITE, 200, {"status": "Success", "payload": {"n": "many"}})
    assert isinstance(error, errors.ResponseDecodeError)
    assert error.took_effect is True
    assert error.payload == {"n": "many"}


def test_token_expired_is_a_refusal_under_any_status() -> None:
    body = {"status": "Failure", "message": [], "codes": [], "payload": {"error": "token is expired"}}
    for status in (200, 400, 401, 403, 500):
        error = judged(WRITE, status, body)
        assert isinstance(error, errors.ApiError)
        assert error.took_effect is False
        assert envelope.token_expired(error.payload)


def test_a_blocked_account_is_named() -> None:
    error = judged(
        WRITE, 403, {"status": "Failure", "message": [], "codes": [], "payload": "account is blocked (acct_7)"}
    )
    assert isinstance(error, errors.AccountBlockedError)
    assert error.account_id == "acct_7"


@pytest.mark.parametrize(
    ("operation", "sent", "doubtful", "error_class", "effect"),
    [
        (WRITE, False, False, errors.ConnectError, False),
        (WRITE, True, False, errors.OutcomeUnknownError, None),
        (WRITE, False, True, errors.OutcomeUnknownError, None),
        (READ, False, False, errors.ConnectError, False),
        (READ, True, False, errors.TransportError, False),
        (READ, False, True, errors.ConnectError, False),
    ],
)
def test_no_answer(
    operation: Operation[object],
    sent: bool,
    doubtful: bool,
    error_class: type[errors.TransportError],
    effect: bool | None,
) -> None:
    error = interpret(
        operation,
        build(operation, THERE, new_key=new_key(operation)),
        NoResponse(sent, "x"),
        attempts=1,
        doubtful=doubtful,
        now=datetime.now(UTC),
    )
    assert type(error) is error_class
    assert error.took_effect is effect
    late = out_of_time(
        operation, build(operation, THERE, new_key=new_key(operation)), NoResponse(sent, "x"), doubtful=doubtful
    )
    assert type(late) is (errors.OutcomeUnknownError if effect is None else errors.DeadlineExceededError)


def test_a_refusal_after_a_doubtful_attempt_leaves_the_doubt() -> None:
    error = judged(WRITE, 404, b"", doubtful=True)
    assert isinstance(error, errors.NotFoundError)
    assert error.took_effect is None


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 10.0),
        ("Fri, 02 Jan 2026 03:04:00 GMT", 0.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("1e9", None),
        ("nan", None),
        ("٣", None),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_date(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}, NOW) == seconds


@given(st.text(max_size=60))
def test_no_retry_after_breaks_the_reading(value: str) -> None:
    seconds = retry_after({"Retry-After": value}, NOW)
    assert seconds is None or 0 <= seconds < timedelta(days=4_000_000).total_seconds() or seconds >= 0


@pytest.mark.parametrize(
    ("inferred", "status", "told"),
    [
        ({"path", "host"}, 404, "inferred: host and path"),
        ({"scope"}, 401, "inferred: scope"),
        ({"scope"}, 404, None),
        ({"path"}, 500, None),
        ({"answer"}, 200, "inferred: answer"),
    ],
)
def test_an_error_that_may_be_due_to_an_inferred_fact_says_so(
    inferred: set[str], status: int, told: str | None
) -> None:
    guess = Operation(
        "a.guess", "GET", Service.ACCOUNTS, "/g", dict[str, int], scopes=(), repeat=Repeat.SAFE,
        evidence=Evidence(inferred, "by its name"),
    )  # fmt: skip
    text = str(judged(guess, status, b"<html>"))
    assert text.startswith(f"a.guess: {status}")
    assert (told in text and "by its name" in text and "operations=" in text) if told else "inferred" not in text


@pytest.mark.parametrize("status", [200, 400, 500])
def test_of_a_large_answer_an_error_keeps_the_beginning(status: int) -> None:
    texts = ["x" * 30] * 20_000
    body = orjson.dumps({"status": "Failure", "message": texts, "codes": texts, "payload": {"errors": {"f": texts}}})
    operation = OPERATIONS["invoices.pay"]
    request = build(operation, THERE, path={"invoice_id": "inv_1"}, new_key=new_key(operation))
    error = interpret(
        operation, request, RawResponse(status, {}, body), attempts=1, doubtful=False, now=datetime.now(UTC)
    )
    assert isinstance(error, errors.ApiError)
    assert isinstance(error.payload, str)
    assert len(error.payload) == 2_000
    assert (len(error.messages), len(error.codes), len(error.field_errors["f"])) == (100, 100, 100)
    assert len(pickle.dumps(error)) < 50_000
