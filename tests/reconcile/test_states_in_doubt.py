"""A state tells that something is done, and never by whom."""

from __future__ import annotations

import pytest
from support.lost_writes import CANNOT, NOT_SEEN, server, told
from support.lying import Liar

from tilia_async.models.escrow import EscrowStatus
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.payouts import PayoutStatus
from tilia_async.models.token_exchanges import ExchangeStatus

__all__ = ["server"]


MOVED: dict[str, tuple[dict[str, object], str, list[str], set[str], set[str]]] = {
    # the answer, the name of the state, all states, those in which it is done, those in which it is not
    "invoices.pay": ({"invoice_id": "inv_1"}, "state", [*InvoiceState], {"SUCCESS"}, {"OPEN", "FAILED"}),
    "escrow.pay": (
        {"id": "esc_1"}, "status", [*EscrowStatus],
        {"ESCROWED", "COMMITTED", "COMMIT-REQUESTED", "COMMIT-FAILED"}, {"OPEN", "ESCROW-FAILED"},
    ),
    "escrow.commit": (
        {"id": "esc_1"}, "status", [*EscrowStatus], {"COMMITTED"}, {"OPEN", "ESCROWED", "COMMIT-FAILED"},
    ),
    "escrow.cancel": (
        {"id": "esc_1"}, "status", [*EscrowStatus], {"CANCELLED"}, {"OPEN", "ESCROWED", "CANCEL-FAILED"},
    ),
    "token_exchanges.execute_purchase": (
        {"token_exchange_id": "vtok_1"}, "status", [*ExchangeStatus], {"SUCCESS"}, {"OPEN"},
    ),
    "token_exchanges.execute_conversion": (
        {"token_exchange_id": "vtok_1"}, "status", [*ExchangeStatus], {"SUCCESS"}, {"OPEN"},
    ),
    "payouts.cancel": (
        {"payout_status_id": "pay_1", "account_id": "acct_1"}, "status", [*PayoutStatus],
        {"USER-CANCELED", "USER-REVERSED", "SUPPORT-REJECTED"},
        {"ESCROW-TRANSFER-INITIATED", "FUNDS-IN-ESCROW", "FUNDS-IN-ESCROW-ON-HOLD", "CREDIT-TRANSFER-INITIATED", "SUCCESS"},
    ),
}  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("name", MOVED)
async def test_a_state_tells_that_it_is_done_and_never_by_whom(server: Liar, name: str) -> None:
    body, field, states, done, waiting = MOVED[name]
    assert {*done, *waiting} <= {*states}
    for state in [*states, "LIMBO\n", None]:
        server.say({**body, field: state})
        found = await told(server, name)
        assert found.verdict is (NOT_SEEN if state in waiting else CANNOT), (state, found.reason)
        assert found.done == (state in done), (state, found.reason)
        assert (found.resource is None) == bool(found.candidates), state
        assert "again" in found.reason, (state, found.reason)
        assert found.reason.isprintable()


CAPTURED_PAYMENT = {"p": {"payment_method_id": "p", "subitems": {"s": {"subitem_id": "s", "amount": 6}}}}


TRACES: list[tuple[str, dict[str, object], str | None]] = [
    # the operation, what the answer tells, and what it is a trace of; None: of nothing
    ("escrow.commit", {"status": "ESCROWED", "commit_invoice_id": "inv_c"}, "commit_invoice_id"),
    ("escrow.commit", {"status": "ESCROWED", "cancel_invoice_id": "inv_x"}, "cancel_invoice_id"),
    ("escrow.commit", {"status": "OPEN", "commit_invoice_id": "inv_c"}, "commit_invoice_id"),
    ("escrow.commit", {"status": "COMMIT-FAILED", "cancel_invoice_id": "inv_x"}, "cancel_invoice_id"),
    ("escrow.commit", {"status": "COMMIT-FAILED", "commit_invoice_id": "inv_c"}, None),
    ("escrow.commit", {"status": "ESCROWED", "commit_invoice_id": "", "cancel_invoice_id": None}, None),
    ("escrow.cancel", {"status": "ESCROWED", "cancel_invoice_id": "inv_x"}, "cancel_invoice_id"),
    ("escrow.cancel", {"status": "ESCROWED", "commit_invoice_id": "inv_c"}, "commit_invoice_id"),
    ("escrow.cancel", {"status": "CANCEL-FAILED", "commit_invoice_id": "inv_c"}, "commit_invoice_id"),
    ("escrow.cancel", {"status": "CANCEL-FAILED", "cancel_invoice_id": "inv_x"}, None),
    ("escrow.pay", {"status": "OPEN", "commit_invoice_id": "inv_c"}, "commit_invoice_id"),
    ("escrow.pay", {"status": "ESCROW-FAILED", "cancel_invoice_id": "inv_x"}, "cancel_invoice_id"),
    ("escrow.pay", {"status": "OPEN", "escrow_invoice": {"invoice_id": "i", "state": "SUCCESS"}}, "its invoice"),
    ("escrow.pay", {"status": "OPEN", "escrow_invoice": {"invoice_id": "i", "state": "OPEN"}}, None),
    ("escrow.pay", {"status": "OPEN", "escrow_invoice_id": "inv_e"}, None),
    ("payouts.cancel", {"status": "FUNDS-IN-ESCROW", "credit": {"status": "CANCELED"}}, "CANCELED"),
    ("payouts.cancel", {"status": "SUCCESS", "credit": {"status": "CANCELED"}}, "CANCELED"),
    ("payouts.cancel", {"status": "FUNDS-IN-ESCROW", "reverse_invoice_id": "inv_r"}, "reverse_invoice_id"),
    ("payouts.cancel", {"status": "FUNDS-IN-ESCROW", "credit": {"status": "CREATED"}}, None),
    ("payouts.cancel", {"status": "SUCCESS", "credit": {"status": "EXECUTED"}, "reverse_invoice_id": ""}, None),
    ("invoices.pay", {"state": "OPEN", "transfer_id": "tr_1"}, "transfer_id"),
    ("invoices.pay", {"state": "OPEN", "payment_methods": CAPTURED_PAYMENT}, "moved money"),
    ("invoices.pay", {"state": "OPEN", "line_items": {"l": {"amount": 6, "amount_refunded": 6}}}, "refunded"),
    ("invoices.pay", {"state": "OPEN", "transfer_id": "", "line_items": {"l": {"amount_refunded": 0}}}, None),
    ("invoices.pay", {"state": "FAILED", "transfer_id": "tr_1"}, None),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "fields", "trace"), TRACES)
async def test_what_stands_beside_a_state_tells_as_well(
    server: Liar, name: str, fields: dict[str, object], trace: str | None
) -> None:
    server.say({**MOVED[name][0], **fields})
    found = await told(server, name)
    assert (found.verdict, found.done) == (NOT_SEEN if trace is None else CANNOT, False), found.reason
    assert (trace or "") in found.reason
    assert len(found.candidates) == (trace is not None)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", MOVED)
async def test_an_answer_about_another_id_proves_nothing(server: Liar, name: str) -> None:
    body, field, states, _, _ = MOVED[name]
    for wrong in body:
        for state in states:
            server.say({**body, wrong: "other", field: state})
            found = await told(server, name)
            assert (found.verdict, found.candidates, found.resource, found.done) == (CANNOT, (), None, False)
            assert "another" in found.reason or "'other'" in found.reason
            assert "proves nothing" in found.reason


OTHERS: dict[str, object] = {
    "accounts.block": {"account_id": "acct_9", "blocks": []},
    "accounts.block_capability": {"account_id": "acct_1", "blocks": [{"account_id": "acct_9", "issuer": "publisher"}]},
    "accounts.unblock": {"account_id": "acct_9", "blocks": []},
    "accounts.register": {"account_id": "acct_9", "username": "nobody"},
    "accounts.merge": {"account_id": "acct_2", "tags": []},
    "payment_methods.create_custom_wallet": [{"id": "1", "account_id": "acct_9"}],
    "invoices.create": {"total": 1, "invoices": [{"invoice_id": "inv_1", "account_id": "acct_9"}]},
    "transfers.create": {"total": 1, "invoices": [{"invoice_id": "inv_1", "account_id": "acct_9"}]},
    "payouts.request": [{"payout_status_id": "pay_1", "account_id": "acct_9"}],
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OTHERS)
async def test_an_answer_about_another_account_proves_nothing(server: Liar, name: str) -> None:
    server.say(OTHERS[name])
    found = await told(server, name)
    assert (found.verdict, found.resource, found.done) == (CANNOT, None, False), found.reason
    assert name == "accounts.merge" or not found.candidates
