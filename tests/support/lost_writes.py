"""Writes whose answers are lost, and answers about them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest_asyncio

from support.lying import Liar, liar, lost, unzoned, when, zoned
from tilia_async import LineItem, Money, Reconciliation, TiliaClient, TransferItem, Verdict

SWORD = LineItem(amount=Money(200, "TOK"), transaction_type="user_to_integrator")
MOVE = TransferItem(source_wallet_id="wal_1", destination_wallet_id="wal_2", amount=1, currency="USD")
CANNOT, NOT_SEEN, TOOK_EFFECT = Verdict.CANNOT_BE_KNOWN, Verdict.NOT_SEEN, Verdict.TOOK_EFFECT
DAY = 86_400


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Liar]:
    async with liar() as running:
        yield running


Write = Callable[[TiliaClient], Awaitable[object]]


WRITES: dict[str, Write] = {
    "accounts.register": lambda t: t.accounts.register("nyx", email="nyx@mail.example"),
    "accounts.block": lambda t: t.accounts.block("acct_1"),
    "accounts.unblock": lambda t: t.accounts.unblock("acct_1"),
    "accounts.block_capability": lambda t: t.accounts.block_capability("acct_1"),
    "accounts.merge": lambda t: t.accounts.merge("acct_1", "acct_2"),
    "payment_methods.create_custom_wallet": lambda t: t.payment_methods.create_custom_wallet("acct_1", "hosted"),
    "token_exchanges.execute_purchase": lambda t: t.token_exchanges.execute_purchase("vtok_1"),
    "token_exchanges.execute_conversion": lambda t: t.token_exchanges.execute_conversion("vtok_1"),
    "invoices.create": lambda t: t.invoices.create("acct_1", [SWORD], reference_type="order", reference_id="order-7"),
    "invoices.pay": lambda t: t.invoices.pay("inv_1"),
    "escrow.create": lambda t: t.escrow.create("acct_1", [SWORD], reference_id="order-7"),
    "escrow.pay": lambda t: t.escrow.pay("esc_1"),
    "escrow.commit": lambda t: t.escrow.commit("esc_1"),
    "escrow.cancel": lambda t: t.escrow.cancel("esc_1"),
    "refunds.refund_invoice": lambda t: t.refunds.refund_invoice("inv_1", "billing"),
    "refunds.refund_line_item": lambda t: t.refunds.refund_line_item("li_1", Money(100, "USD"), ["pm_1"], "billing"),
    "payouts.request": lambda t: t.payouts.request("acct_1", "pm_1", "pm_2", Money(500, "USD")),
    "payouts.cancel": lambda t: t.payouts.cancel("acct_1", "pay_1"),
    "transfers.create": lambda t: t.transfers.create("acct_1", "fund_user", [MOVE], reference_id="order-7"),
}
"""All writes that are looked up."""


async def told(server: Liar, name: str, **settings: object) -> Reconciliation:
    """Return the look-up of a write whose answer is lost."""
    if name == "refunds.refund_line_item":
        settings = {"reference": {"invoice_id": "inv_1"}, **settings}
    found = await server.tilia.reconcile(await lost(WRITES[name](server.tilia)), **settings)
    assert server.asked, "it looked nowhere"
    if found.verdict is NOT_SEEN:
        assert found.decide_from is None or found.decide_from > found.checked_at + timedelta(minutes=2)
        assert "can be taken to have no effect" not in found.reason
        assert not found.done
    assert found.verdict is not TOOK_EFFECT or found.done
    return found


def refund(**fields: object) -> dict[str, object]:
    """Make a refund as the sheet samples it (D8).

    100 USD of a line item, paid with a card in euros.
    """
    told = {
        "refund_id": "daa77f1b", "refund_invoice_id": "inv_2", "payment_id": "5b942db2", "amount": 95,
        "currency": "EUR", "refund_type": "line_item_refund", "reason": "billing", "status": "REFUND-SUCCESS",
        "line_item_id": "li_1", "created": unzoned(0), "updated": unzoned(0),
    }  # fmt: skip
    return {**told, **fields}


def refunds(*listed: object, state: object = "CAPTURED", **fields: object) -> dict[str, object]:
    payment = {
        "payment_id": "5b942db2", "invoice_id": "inv_1", "state": state, "request_amount": 100,
        "request_currency": "USD", "refunds": list(listed),
    }  # fmt: skip
    told = {"invoice_id": "inv_1", "is_fully_refunded": False, "refund_invoice_ids": [], "refunds": {}}
    return {**told, "payments": {"5b942db2": payment}, "line_item_refunds": {}, **fields}


def payout(seconds: float = 0, **fields: object) -> dict[str, object]:
    credit = {"destination_payment_method_id": "pm_2", "amount": 500, "currency": "USD", "status": "CREATED"}
    credit.update({name: value for name, value in fields.items() if name in {*credit, "fee_amount"}})
    told = {
        "payout_status_id": f"pay{seconds}", "account_id": "acct_1", "status": "ESCROW-TRANSFER-INITIATED",
        "created": f"{when(seconds):%Y-%m-%d %H:%M:%S.%f}", "credit": credit,
    }  # fmt: skip
    return {**told, **{name: value for name, value in fields.items() if name not in {*credit, "fee_amount"}}}


def invoice(seconds: float, **fields: object) -> dict[str, object]:
    told = {
        "invoice_id": f"inv{seconds}", "account_id": "acct_1", "invoice_type": "user_purchase", "state": "OPEN",
        "reference_type": "order", "reference_id": "order-7", "created": zoned(seconds),
    }  # fmt: skip
    return {**told, **fields}


def listed(*invoices: object) -> dict[str, object]:
    return {"total": len(invoices), "account_id": "acct_1", "invoices": list(invoices)}


def item(amount: int, currency: str = "TOK") -> dict[str, object]:
    return {"line_item_id": f"li_{amount}", "amount": amount, "currency": currency}
