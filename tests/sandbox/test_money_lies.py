"""Refunds, payouts, payments and escrows that are told otherwise than they are."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from support.plain import item
from support.shop import Shop, shop

from tilia_async.sandbox import Fault

__all__ = ["shop"]


def everywhere(told: dict[str, object]) -> list[dict[str, object]]:
    """The refunds of all places of an answer, those of the payments first."""
    of_payments = [each for payment in told["payments"].values() for each in payment["refunds"]]
    return [*of_payments, *told["refunds"].values(), *told["line_item_refunds"].values()]


@pytest.mark.asyncio
async def test_a_refund_in_another_currency(shop: Shop) -> None:
    invoice_id = await shop.refunded(100)
    assert {(each["amount"], each["currency"]) for each in everywhere(await shop.refunds(invoice_id))} == {(100, "USD")}
    shop.http.sandbox.faults.add("refunds.list", Fault.OTHER_CURRENCY)
    told = await shop.refunds(invoice_id)
    assert {(each["amount"], each["currency"]) for each in everywhere(told)} == {(95, "EUR")}
    (payment,) = told["payments"].values()
    assert (payment["request_amount"], payment["request_currency"]) == (300, "USD")
    assert (payment["received_amount"], payment["processing_currency"]) == (285, "EUR")
    assert {each["currency"] for each in everywhere(await shop.refunds(invoice_id))} == {"USD"}


@pytest.mark.asyncio
async def test_a_refund_in_two_parts(shop: Shop) -> None:
    invoice_id = await shop.refunded(101)
    shop.http.sandbox.faults.add("refunds.list", Fault.SPLIT)
    told = await shop.refunds(invoice_id)
    (payment,) = told["payments"].values()
    assert [each["amount"] for each in payment["refunds"]] == [51, 50]
    assert {name: each["amount"] for name, each in told["line_item_refunds"].items()} == {
        each["refund_id"]: each["amount"] for each in payment["refunds"]
    }


@pytest.mark.asyncio
async def test_a_refund_less_a_fee_and_one_that_is_under_way(shop: Shop) -> None:
    invoice_id = await shop.refunded(100)
    faults = shop.http.sandbox.faults
    faults.add("refunds.list", Fault.LESS_FEE)
    faults.add("refunds.list", Fault.PENDING)
    faults.add("refunds.list", Fault.LISTED_ELSEWHERE)
    told = await shop.refunds(invoice_id)
    assert [(each["amount"], each["currency"], each["status"]) for each in everywhere(told)] == [
        (95, "USD", "REFUND-PENDING")
    ]
    (payment,) = told["payments"].values()
    assert payment["refunds"] == []
    assert faults.pending == 0


@pytest.mark.asyncio
async def test_a_full_refund_that_is_under_way(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.told("POST", f"invoicing/v2/invoice/{invoice['invoice_id']}/pay", {})
    await shop.told("POST", "invoicing/v2/refund", {"invoice_id": invoice["invoice_id"], "reason": "billing"})
    assert (await shop.refunds(invoice["invoice_id"]))["is_fully_refunded"] is True
    shop.http.sandbox.faults.add("refunds.list", Fault.PENDING)
    told = await shop.refunds(invoice["invoice_id"])
    assert told["is_fully_refunded"] is False
    assert {each["status"] for each in everywhere(told)} == {"REFUND-PENDING"}


@pytest.mark.asyncio
async def test_a_payout_in_another_currency_less_a_fee_and_under_way(shop: Shop) -> None:
    asked = await shop.payout()
    faults = shop.http.sandbox.faults
    faults.add("payouts.list", Fault.OTHER_CURRENCY)
    (told,) = await shop.payouts()
    assert (told["credit"]["amount"], told["credit"]["currency"], told["status"]) == (380, "EUR", "FUNDS-IN-ESCROW")
    faults.add("payouts.list", Fault.LESS_FEE)
    (told,) = await shop.payouts()
    assert (told["credit"]["amount"], told["credit"]["fee_amount"], told["credit"]["currency"]) == (380, 20, "USD")
    faults.add("payouts.get", Fault.PENDING)
    path = f"invoicing/v2/{shop.buyer}/payout/{asked['payout_status_id']}"
    assert (await shop.told("GET", path))["payload"]["status"] == "ESCROW-TRANSFER-INITIATED"
    assert (await shop.payouts())[0]["credit"] == asked["credit"]


@pytest.mark.asyncio
async def test_a_payment_that_is_said_to_be_under_way(shop: Shop) -> None:
    invoice = await shop.invoice()
    shop.http.sandbox.faults.add("invoices.pay", Fault.PENDING)
    path = f"invoicing/v2/invoice/{invoice['invoice_id']}"
    told = await shop.told("POST", f"{path}/pay", {})
    assert (told["status"], told["payload"]["state"]) == ("Success", "PROCESSING")
    assert (await shop.told("GET", path))["payload"]["state"] == "SUCCESS"


@pytest.mark.asyncio
async def test_lies_come_on_top_of_another_fault_and_of_each_other(shop: Shop) -> None:
    faults = shop.http.sandbox.faults
    faults.add("accounts.get", Fault.OTHER_ID)
    faults.add("accounts.get", Fault.OTHER_ENVELOPE)
    faults.add("accounts.get", Fault.WRONG_DATE, seconds=500)
    faults.add("accounts.get", Fault.SERVER_ERROR_EMPTY)
    faults.add("accounts.get", Fault.LATENCY, seconds=0)
    path = f"accounts/v1/{shop.buyer}/user-info"
    assert (await shop.ask("GET", path))[0] == 500
    assert faults.pending == 3, "the lies about content wait for an answer that has one"
    await shop.told("GET", "accounts/v1/nobody/user-info", status=404)
    assert faults.pending == 2, "a refusal has none either"
    told = await shop.told("GET", path)
    assert told["account_id"] != shop.buyer
    assert faults.pending == 0
    assert (await shop.told("GET", path))["payload"]["account_id"] == shop.buyer


@pytest.mark.asyncio
async def test_lies_of_one_kind_come_in_their_order(shop: Shop) -> None:
    for seconds in (1_000, 2_000):
        shop.http.sandbox.faults.add("accounts.get", Fault.WRONG_DATE, seconds=seconds)
    for seconds in (1_000, 2_000, 0):
        _, _, headers = await shop.ask("GET", f"accounts/v1/{shop.buyer}/user-info")
        ahead = (parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)).total_seconds()
        assert abs(ahead - seconds) < 100


@pytest.mark.asyncio
async def test_an_escrow_that_contradicts_itself_or_is_under_way(shop: Shop) -> None:
    body = {
        "account_id": shop.buyer,
        "reference_type": "order",
        "reference_id": "order-7",
        "line_items": [item(300)],
        "payment_methods": [{"payment_method_id": shop.card}],
    }
    faults = shop.http.sandbox.faults
    steps = {"commit": ("ESCROWED", "COMMIT-REQUESTED"), "cancel": ("ESCROWED", "CANCEL-REQUESTED")}
    for step, (opposite, under_way) in steps.items():
        deal = (await shop.told("POST", "invoicing/v2/escrow", body, 201))["payload"]
        path = f"invoicing/v2/escrow/{deal['id']}"
        faults.add("escrow.pay", Fault.CONTRADICTION_AFTER_COMMIT)
        assert (await shop.told("POST", f"{path}/pay", {}))["status"] == "OPEN"
        faults.add(f"escrow.{step}", Fault.CONTRADICTION_AFTER_COMMIT)
        assert (await shop.told("POST", f"{path}/{step}", {}))["status"] == opposite
        faults.add("escrow.get", Fault.PENDING)
        assert (await shop.told("GET", path))["status"] == under_way


@pytest.mark.asyncio
async def test_a_cancelled_payout_that_contradicts_itself(shop: Shop) -> None:
    asked = await shop.payout()
    shop.http.sandbox.faults.add("payouts.cancel", Fault.CONTRADICTION_AFTER_COMMIT)
    path = f"invoicing/v2/{shop.buyer}/payout/{asked['payout_status_id']}"
    told = (await shop.told("DELETE", path))["payload"]
    told = told[0] if isinstance(told, list) else told
    assert (told["status"], told["credit"]["status"]) == ("FUNDS-IN-ESCROW", "CREATED")
    assert (await shop.told("GET", path))["payload"]["credit"]["status"] == "CANCELED"
