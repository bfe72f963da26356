"""Answers that are a yes, and those that are doubt."""

import attrs
import pytest
from support.judged import READ, WRITE, judged

from tilia_async import Operation, Repeat, Service, errors
from tilia_async.api import OPERATIONS
from tilia_async.json_value import JsonValue
from tilia_async.models.invoices import InvoicePage
from tilia_async.models.payment_methods import PaymentMethod
from tilia_async.models.payouts import Payout
from tilia_async.wire.envelope import open_envelope
from tilia_async.wire.response import Success

NOTHING = Operation("a.merge", "POST", Service.ACCOUNTS, "/m", type(None), scopes=(), repeat=Repeat.NEVER)


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
def test_a_yes_without_a_result_counts_for_a_write_and_is_no_value_of_a_read(name: str, body: object) -> None:
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
