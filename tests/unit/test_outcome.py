"""What one attempt came to, row by row of the table."""

import pickle
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilia_async import Environment, Evidence, Operation, Repeat, Service, errors
from tilia_async.api import OPERATIONS
from tilia_async.json_value import JsonValue
from tilia_async.models.invoices import InvoicePage
from tilia_async.models.payment_methods import PaymentMethod
from tilia_async.models.payouts import Payout
from tilia_async.wire import envelope
from tilia_async.wire.envelope import NoResponse, RawResponse, open_envelope, retry_after
from tilia_async.wire.request import build
from tilia_async.wire.response import Success, interpret, out_of_time

THERE = Environment.at("http://127.0.0.1:1/{service}")
READ = Operation("a.read", "GET", Service.ACCOUNTS, "/r", dict[str, int], scopes=(), repeat=Repeat.SAFE)
WRITE = Operation("a.write", "POST", Service.ACCOUNTS, "/w", dict[str, int], scopes=(), repeat=Repeat.NEVER)
NOTHING = Operation("a.merge", "POST", Service.ACCOUNTS, "/m", type(None), scopes=(), repeat=Repeat.NEVER)


def judged(
    operation: Operation[object],
    status: int,
    body: object,
    *,
    headers: Mapping[str, str] | None = None,
    doubtful: bool = False,
) -> object:
    raw = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
    answer = RawResponse(status, headers or {}, raw, "it was cut off")
    request = build(operation, THERE, path=dict.fromkeys(operation.parameters, "acct_1"))
    return interpret(operation, request, answer, attempts=1, doubtful=doubtful)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "Success", "message": [], "codes": [], "payload": {"n": 1}},
        {"status": "Success", "message": None, "codes": None, "payload": {"n": 1}},
        {"status": "Success", "messages": [None], "codes": [None], "payload": {"n": 1}},
        {"status": "Success", "payload": {"n": 1}},
        {"payload": {"n": 1}},
        {"n": 1},
    ],
)
@pytest.mark.parametrize("status", [200, 201])
def test_success_with_and_without_envelope(status: int, body: JsonValue) -> None:
    outcome = judged(READ, status, body)
    assert isinstance(outcome, Success)
    assert outcome.value == {"n": 1}


def test_a_bare_resource_with_a_status_of_its_own_is_no_envelope() -> None:
    opened = open_envelope({"id": "esc_1", "status": "ESCROWED"})
    assert opened.success
    assert opened.payload == {"id": "esc_1", "status": "ESCROWED"}


@pytest.mark.parametrize(
    "body",
    [
        {"status": "Success", "message": None, "codes": None},
        {"status": "Success"},
        {"status": "Success", "payload": {}},
        {"status": "Success", "trace": "x"},
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_an_operation_that_returns_nothing_is_answered_with_the_word(status: int, body: object) -> None:
    outcome = judged(NOTHING, status, body)
    assert isinstance(outcome, Success)
    assert outcome.value is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b'""', b'"Success"', b"true", b"\xef\xbb\xbf",
        {"error": "upstream timed out"}, {"errors": ["x"]}, {"status": "Failure"}, {"status": "Failed"},
        {"status": "success"}, {"status": "SUCCESS"}, {"status": "Pending"}, {"status": None}, {"status": ["Success"]},
        {"payload": None}, {"payload": {}}, {"payload": "x"}, {"payload": {"error": "x"}}, {"codes": [], "message": []},
        {"status": "Success", "error": "upstream timed out"}, {"status": "Success", "payload": {"error": "x"}},
        {"status": "Success", "payload": {"errors": {"f": ["x"]}}}, {"id": "inv_1"}, {"ok": True}, {"Status": "Success"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("name", ["refunds.refund_invoice", "accounts.merge", "refunds.refund_line_item"])
def test_what_is_no_yes_is_doubt(name: str, status: int, body: object) -> None:
    error = judged(OPERATIONS[name], status, body)
    assert isinstance(error, errors.ApiError | errors.ResponseDecodeError)
    assert error.took_effect is None
    assert error.status == status


@pytest.mark.parametrize(("status", "effect"), [(204, True), (200, None)])
def test_an_empty_body_is_a_yes_where_that_is_the_documented_success(status: int, effect: bool | None) -> None:
    operation = attrs.evolve(NOTHING, success={204})
    outcome = judged(operation, status, b"")
    assert isinstance(outcome, Success) if effect else isinstance(outcome, errors.ResponseDecodeError)


NOTHING_IN_IT: list[object] = [
    {}, [], {"error": "upstream timed out"}, {"payload": None}, {"payload": {}}, {"status": "OK"}, {"ok": True},
    {"description": "x"}, {"payload": {"error": "x"}}, [{}], None, "x", {"account_id": ""}, {"message": "x"},
    {"status": "Success", "payload": {"error": "x"}},
]  # fmt: skip


@pytest.mark.parametrize("body", NOTHING_IN_IT)
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_a_body_that_carries_nothing_is_never_a_success(name: str, body: object) -> None:
    operation = OPERATIONS[name]
    if body == [] and operation.returns in {list[PaymentMethod], list[Payout], InvoicePage}:
        # A list of none is what it returns.
        body = {}
    error = judged(operation, 200, body)
    assert isinstance(error, errors.ApiError | errors.ResponseDecodeError), error
    assert error.took_effect is (False if operation.reads else None)


LETS_IN = {"redirect": "https://nonce-of-a-user", "token": "token-of-a-user", "password_token": "of-a-user"}


@pytest.mark.parametrize(
    "body",
    [
        {"status": "Failure", "payload": LETS_IN},
        {"error": "partly", **LETS_IN},
        {"status": "Success", "payload": {**LETS_IN, "error": "partly"}},
        b'{"status": "Success", "payload": {"redirect": "https://nonce-of-a-user"',
    ],
)
@pytest.mark.parametrize("name", sorted(name for name, each in OPERATIONS.items() if each.confidential))
def test_a_200_that_could_let_its_bearer_in_is_kept_by_no_error(name: str, body: object) -> None:
    error = judged(OPERATIONS[name], 200, body)
    assert isinstance(error, errors.TiliaError)
    assert error.took_effect is None
    assert "of-a-user" not in repr((vars(error), str(error), error.explain()))
    refused = judged(OPERATIONS[name], 400, {"status": "Failure", "payload": {"error": "no such account"}})
    assert isinstance(refused, errors.BadRequestError)
    assert refused.payload == {"error": "no such account"}


@pytest.mark.parametrize("body", [{"status": "Success"}, {"status": "Success", "payload": {}}])
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_a_yes_without_a_result_is_told_as_one_of_a_write_and_is_no_value_of_a_read(name: str, body: object) -> None:
    operation = OPERATIONS[name]
    outcome = judged(operation, 200, body)
    if operation.returns in {type(None), dict[str, JsonValue]}:
        assert isinstance(outcome, Success)
    elif isinstance(outcome, Success):
        assert (operation.returns, outcome.payload) in [(list[PaymentMethod], {}), (list[Payout], {})]
    else:
        assert isinstance(outcome, errors.ResponseDecodeError)
        assert outcome.took_effect is (not operation.reads)


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("transfers.create", {"account_id": "acct_1", "balance_transfer_id": "bt_1"}),
        ("accounts.get_blocks", {"account_id": "acct_1", "blocks": {}}),
        ("payouts.list", []),
        ("payment_methods.list", []),
        ("wallets.balances", {"account_id": "acct_1", "balances": {}}),
        ("refunds.list", {"invoice_id": "acct_1", "is_fully_refunded": False}),
        ("invoices.list", {"total": 0}),
        ("invoices.list", {"total": "0", "invoices": None}),
        ("invoices.list", []),
    ],
)
@pytest.mark.parametrize("enveloped", [True, False])
def test_a_body_that_carries_the_result_is_a_yes(name: str, payload: JsonValue, enveloped: bool) -> None:
    assert isinstance(judged(OPERATIONS[name], 200, {"payload": payload} if enveloped else payload), Success)


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        # A write that Tilia says is done is done, whatever its answer leaves out.
        ("transfers.create", {"status": "EXECUTED"}),
        # Nothing is null here and there.
        ("wallets.balances", {"account_id": "acct_1", "balances": None}),
        ("accounts.get_blocks", {"account_id": "acct_1", "blocks": None}),
        ("payouts.list", None),
    ],
)
def test_what_takes_the_word_of_the_envelope(name: str, payload: JsonValue) -> None:
    assert isinstance(judged(OPERATIONS[name], 200, {"status": "Success", "payload": payload}), Success)
    for body in (payload, {"payload": payload}):
        assert isinstance(judged(OPERATIONS[name], 200, body), errors.ResponseDecodeError)


@pytest.mark.parametrize("word", ["Failure", "Failed"])
@pytest.mark.parametrize("name", ["invoices.pay", "transfers.create", "refunds.refund_invoice"])
def test_an_envelope_of_one_word_is_one(name: str, word: str) -> None:
    error = judged(OPERATIONS[name], 200, {"status": word})
    assert type(error) is errors.ApiError
    assert error.took_effect is None


@pytest.mark.parametrize("odd", [None, "", [], {}, 0, False])
def test_an_error_that_is_empty_is_none(odd: JsonValue) -> None:
    body = {"status": "Success", "payload": {"transfer_id": "x", "error": odd, "errors": odd}}
    assert isinstance(judged(OPERATIONS["refunds.refund_line_item"], 200, body), Success)


def test_an_error_under_200_keeps_its_text_and_ends_a_token() -> None:
    error = judged(OPERATIONS["refunds.refund_line_item"], 200, {"error": "upstream timed out"})
    assert isinstance(error, errors.ApiError)
    assert error.messages == ("upstream timed out",)
    beside = judged(WRITE, 200, {"status": "Success", "error": "timed out", "payload": {"n": 1}})
    assert isinstance(beside, errors.ApiError)
    assert beside.messages == ("timed out",)
    expired = judged(WRITE, 200, {"error": "token is expired"})
    assert isinstance(expired, errors.ApiError)
    assert expired.took_effect is False


@pytest.mark.parametrize("status", range(400, 500))
def test_only_a_refusal_says_that_nothing_was_done(status: int) -> None:
    refusals = {400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 425, 429}
    refusals |= {407, 411, 412, 414, 417, 421, 426, 428, 431, 451}
    for body in (b"", b"<html>", {"status": "Failure", "payload": None}):
        error = judged(WRITE, status, body)
        assert isinstance(error, errors.ApiError)
        assert error.took_effect is (False if status in refusals else None)
        assert error.retryable is (status in {425, 429})
        again = judged(attrs.evolve(WRITE, repeat=Repeat.SAFE), status, body)
        assert isinstance(again, errors.ApiError)
        assert again.retryable is (status in {408, 425, 429, 444, 460, 499})
        read = judged(READ, status, body)
        assert isinstance(read, errors.ApiError)
        assert read.took_effect is False


@pytest.mark.parametrize("body", [{"status": "Failure"}, {"error": "upstream timed out"}])
def test_what_writes_the_same_state_may_be_called_again_after_a_200_that_says_no(body: object) -> None:
    for repeat, may in ((Repeat.SAFE, True), (Repeat.KEYED, False), (Repeat.NEVER, False)):
        error = judged(attrs.evolve(WRITE, repeat=repeat), 200, body)
        assert isinstance(error, errors.ApiError)
        assert error.retryable is may
    read = judged(READ, 200, body)
    assert isinstance(read, errors.ApiError)
    assert read.retryable is False


def test_in_doubt_a_key_makes_no_new_call_safe() -> None:
    """A call that is made again has a key of its own, and would be a second transfer."""
    error = judged(OPERATIONS["transfers.create"], 503, b"")
    assert isinstance(error, errors.ServerError)
    assert (error.took_effect, error.retryable) == (None, False)
    refused = judged(OPERATIONS["transfers.create"], 429, b"")
    assert isinstance(refused, errors.RateLimitedError)
    assert (refused.took_effect, refused.retryable) == (False, True)


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
    error = interpret(operation, build(operation, THERE), NoResponse(sent, "x"), attempts=1, doubtful=doubtful)
    assert type(error) is error_class
    assert error.took_effect is effect
    late = out_of_time(operation, build(operation, THERE), NoResponse(sent, "x"), doubtful=doubtful)
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
    request = build(operation, THERE, path={"invoice_id": "inv_1"})
    error = interpret(operation, request, RawResponse(status, {}, body), attempts=1, doubtful=False)
    assert isinstance(error, errors.ApiError)
    assert isinstance(error.payload, str)
    assert len(error.payload) == 2_000
    assert (len(error.messages), len(error.codes), len(error.field_errors["f"])) == (100, 100, 100)
    assert len(pickle.dumps(error)) < 50_000


ECHOES_ALONE: dict[str, dict[str, str]] = {
    "transfers.create": {"account_id": "acct_1"},
    "accounts.update": {"account_id": "acct_1"},
    "invoices.pay": {"invoice_id": "inv_1"},
    "escrow.pay": {"id": "esc_1"},
    "escrow.commit": {"id": "esc_1"},
    "escrow.cancel": {"id": "esc_1"},
    "token_exchanges.execute_purchase": {"token_exchange_id": "vtok_1"},
    "token_exchanges.execute_conversion": {"token_exchange_id": "vtok_1"},
    "payouts.cancel": {"payout_status_id": "po_1"},
    "payment_methods.update": {"id": "pm_1"},
    "refunds.list": {"invoice_id": "inv_1"},
}


@pytest.mark.parametrize("name", sorted(ECHOES_ALONE))
def test_what_the_request_had_is_no_result(name: str) -> None:
    body = {**ECHOES_ALONE[name], "message": "queued, no balance", "code": 7}
    error = judged(OPERATIONS[name], 200, body)
    assert isinstance(error, errors.ResponseDecodeError)
    assert error.took_effect is (False if OPERATIONS[name].reads else None)


def test_no_operation_takes_an_echo_for_what_it_brings_about() -> None:
    for operation in OPERATIONS.values():
        assert not operation.essential & {field for _, fields in operation.echoes for field in fields}


@pytest.mark.parametrize("codes", [["INPUT_ERROR"], [None, "SERVER_ERROR"], "INPUT_ERROR", [7]])
@pytest.mark.parametrize("name", sorted(name for name, each in OPERATIONS.items() if not each.reads))
def test_a_success_with_the_code_of_an_error_is_doubt(name: str, codes: JsonValue) -> None:
    for body in ({"status": "Success", "codes": codes, "payload": None}, {"codes": codes, "is_blocked": True}):
        error = judged(OPERATIONS[name], 200, body)
        assert isinstance(error, errors.ApiError)
        assert (error.status, error.took_effect) == (200, None)
        assert error.codes


SAYS_NO: list[JsonValue] = [
    "account is blocked (acct_A)", {"success": False}, {"success": "false"}, {"ok": 0}, {"state": "FAILED"},
    {"failed_refunds": [{"refund_id": "r"}], "successful_refunds": []}, {"failure_reason": "x"}, [{"status": "declined"}],
    {"refund": {"status": "REFUND-FAILED"}}, {"refunds": [{"a": 1}, {"status": "REFUND-REJECTED"}]},
    {"refunds": {"r": {"state": "FAILED_FUNDS"}}}, {"error_code": 7}, [[{"Errors": [{"a": 1}]}]],
]  # fmt: skip
UNSEEN = ["accounts.merge", "refunds.refund_invoice", "refunds.refund_line_item"]


@pytest.mark.parametrize("payload", SAYS_NO)
@pytest.mark.parametrize("name", UNSEEN)
def test_a_no_that_nobody_would_see_is_doubt(name: str, payload: JsonValue) -> None:
    """These have no model whose fields could tell of it."""
    bodies: list[object] = [{"status": "Success", "message": None, "codes": None, "payload": payload}]
    if isinstance(payload, dict):
        # Beside the word of an envelope that has no payload.
        bodies += [{"message": [], **payload, "status": "Success"}] if "status" not in payload else []
    for body in bodies:
        error = judged(OPERATIONS[name], 200, body)
        assert isinstance(error, errors.TiliaError)
        assert error.took_effect is None


@pytest.mark.parametrize(
    "payload",
    [
        None, {}, {"status": "REFUND-SUCCESS"}, {"status": "REFUND-PENDING"}, {"refunds": [{"state": "OPEN"}]},
        {"failed_refunds": [], "failure_reason": "", "error_count": 0, "errors": None}, {"success": True},
        {"success": None},
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", UNSEEN)
def test_what_says_no_nowhere_is_believed(name: str, payload: JsonValue) -> None:
    body = {"status": "Success", "message": [None], "codes": [None], "payload": payload}
    assert isinstance(judged(OPERATIONS[name], 200, body), Success)


@pytest.mark.parametrize("payload", ["account is blocked (acct_A)", {"success": False, "is_blocked": True, "id": "x"}])
@pytest.mark.parametrize("name", sorted(name for name, each in OPERATIONS.items() if not each.reads))
def test_no_write_takes_a_refusal_for_done(name: str, payload: JsonValue) -> None:
    error = judged(OPERATIONS[name], 200, {"status": "Success", "payload": payload})
    assert isinstance(error, errors.TiliaError)
    assert error.took_effect is None


@pytest.mark.parametrize("name", ["payouts.list", "payment_methods.list", "wallets.list", "invoices.list"])
@pytest.mark.parametrize("fault", [{"faultstring": "gateway timeout", "code": 504}, {"x": 1}, {}, {"x": {"y": 1}}])
def test_a_fault_of_a_gateway_is_no_list(name: str, fault: JsonValue) -> None:
    for body in ({"fault": fault}, {"status": "Success", "payload": {"error_info": {"detail": fault}}}):
        assert isinstance(judged(OPERATIONS[name], 200, body), errors.ResponseDecodeError)
