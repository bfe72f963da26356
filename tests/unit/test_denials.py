"""Echoes, denials and faults are no yes."""

import pytest
from support.judged import judged

from tilia_async import errors
from tilia_async.api import OPERATIONS
from tilia_async.json_value import JsonValue
from tilia_async.wire.response import Success

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
    """Such operations have no model whose fields could tell of it."""
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
