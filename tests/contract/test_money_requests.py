"""Requests of the methods that move money, and of those around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.money_calls import ITEM, MOVE, SECOND, SOURCE, Case, drain, expect_request
from support.money_samples import ESCROW, EXCHANGE, INVOICE, LINE_ITEM, METHOD, PAYOUT, SELLER
from support.samples import ACCOUNT, WALLET

from tilia_async import Money
from tilia_async.models.line_items import LineItem, Location, PaymentSource, Recipient
from tilia_async.models.transfers import TransferItem

if TYPE_CHECKING:
    from support.recorder import Recorder

    from tilia_async import TiliaClient


ITEM_BODY = {
    "amount": 550,
    "currency": "USD",
    "transaction_type": "user_to_user",
    "recipients": [{"amount": 500, "currency": "USD", "destination_account_id": SELLER}],
}
BODY: dict[str, Any] = {
    "account_id": ACCOUNT,
    "line_items": [ITEM_BODY],
    "payment_methods": [{"payment_method_id": METHOD}],
}
EVERYTHING = LineItem(
    amount=Money(600, "USD"),
    transaction_type="user_to_user",
    product_sku="ABC123",
    product_code="P-1",
    reference_type="rt",
    reference_id="ri",
    description="Line item 1",
    metadata={"k": 1},
    recipients=[
        Recipient(
            amount=500,
            currency="USD",
            source_wallet_id=WALLET,
            destination_wallet_id=SECOND,
            reference_type="a",
            reference_id="b",
            description="c",
            metadata={"d": None},
            fee_percentage=0.05,
            fee_description="house",
        ),
        Recipient(amount=Money(100, "USD"), destination_account_id=SELLER),
    ],
)
EVERYTHING_BODY = {
    "amount": 600,
    "currency": "USD",
    "transaction_type": "user_to_user",
    "product_sku": "ABC123",
    "product_code": "P-1",
    "reference_type": "rt",
    "reference_id": "ri",
    "description": "Line item 1",
    "metadata": {"k": 1},
    "recipients": [
        {
            "amount": 500,
            "currency": "USD",
            "source_wallet_id": WALLET,
            "destination_wallet_id": SECOND,
            "reference_type": "a",
            "reference_id": "b",
            "description": "c",
            "metadata": {"d": None},
            "fee_percentage": 0.05,
            "fee_description": "house",
        },
        {"amount": 100, "currency": "USD", "destination_account_id": SELLER},
    ],
}
FEE = LineItem(amount=50, currency="USD", transaction_type="user_to_integrator")
FEE_BODY = {"amount": 50, "currency": "USD", "transaction_type": "user_to_integrator"}
DETAILS: dict[str, Any] = {
    "invoice_type": "user_purchase",
    "reference_type": "Acme order number",
    "reference_id": "8987749",
    "description": "Digital product order",
    "metadata": {"key1": {"key2": 3}},
    "tax_inclusive": True,
}
PLACE = Location(country="US", state="OH", postal_code="45201")
PLACE_BODY = {"type": "billing", "address": {"country": "US", "state": "OH", "postal_code": "45201"}}
REMAINDER = [PaymentSource(METHOD, 0), PaymentSource("pm_2", 100)]
REMAINDER_BODY = [{"payment_method_id": METHOD, "amount": 0}, {"payment_method_id": "pm_2", "amount": 100}]
PURCHASE_BODY = {"payment_method_id": METHOD, "amount": 250, "currency": "VCD"}
WALLET_BODY = {"account_id": ACCOUNT, "wallet_type": "publisher_hosted"}
MOVE_BODY = {
    "source_wallet_id": WALLET,
    "destination_wallet_id": SECOND,
    "amount": 100,
    "currency": "USD",
    "transfer_item_type": "usd_user_to_integrator_sink",
}
TRANSFER = "/balances/v1/transfer"
BUY = "/invoicing/v2/token/purchase"
CONVERT = "/invoicing/v2/token/convert"
DRAFT = "/invoicing/v2/invoice"
HOLD = "/invoicing/v2/escrow"
MINE = f"/invoicing/v2/{ACCOUNT}"
PROFILE = f"/accounts/user-info/{ACCOUNT}"
STEAM = {"steam": {"user_id": "76561197960287930"}}

CASES = {
    "buy": Case("token_exchanges.start_purchase", None, BUY, PURCHASE_BODY),
    "buy-money": Case(
        "token_exchanges.start_purchase",
        lambda t: t.token_exchanges.start_purchase(METHOD, Money(250, "VCD")),
        BUY,
        PURCHASE_BODY,
    ),
    "buy-everything": Case(
        "token_exchanges.start_purchase",
        lambda t: t.token_exchanges.start_purchase(
            METHOD, 250, "VCD", destination_account_id=ACCOUNT, tax_inclusive=True, location=PLACE
        ),
        BUY,
        {**PURCHASE_BODY, "destination_account_id": ACCOUNT, "tax_inclusive": True, "location": PLACE_BODY},
    ),
    "execute-purchase": Case("token_exchanges.execute_purchase", None, f"{BUY}/{EXCHANGE}"),
    "convert": Case(
        "token_exchanges.start_conversion", None, CONVERT, {"account_id": ACCOUNT, "amount": 100, "currency": "TST"}
    ),
    "convert-money": Case(
        "token_exchanges.start_conversion",
        lambda t: t.token_exchanges.start_conversion(ACCOUNT, Money(100, "TST")),
        CONVERT,
        {"account_id": ACCOUNT, "amount": 100, "currency": "TST"},
    ),
    "convert-all": Case(
        "token_exchanges.start_conversion",
        lambda t: t.token_exchanges.start_conversion(ACCOUNT),
        CONVERT,
        {"account_id": ACCOUNT},
    ),
    "convert-the-only-token": Case(
        "token_exchanges.start_conversion",
        lambda t: t.token_exchanges.start_conversion(ACCOUNT, 100),
        CONVERT,
        {"account_id": ACCOUNT, "amount": 100},
    ),
    "execute-conversion": Case("token_exchanges.execute_conversion", None, f"{CONVERT}/{EXCHANGE}"),
    "exchange": Case("token_exchanges.get", None, f"/invoicing/v2/token/{EXCHANGE}"),
    "invoice": Case("invoices.create", None, DRAFT, BODY),
    "invoice-everything": Case(
        "invoices.create",
        lambda t: t.invoices.create(ACCOUNT, [EVERYTHING, FEE], REMAINDER, location=PLACE, **DETAILS),
        DRAFT,
        {
            "account_id": ACCOUNT,
            "line_items": [EVERYTHING_BODY, FEE_BODY],
            "payment_methods": REMAINDER_BODY,
            "location": PLACE_BODY,
            **DETAILS,
        },
    ),
    "invoice-tokens": Case(
        "invoices.create",
        lambda t: t.invoices.create(ACCOUNT, [ITEM], invoice_type="user_purchase_virtual"),
        DRAFT,
        {"account_id": ACCOUNT, "line_items": [ITEM_BODY], "invoice_type": "user_purchase_virtual"},
    ),
    "pay": Case("invoices.pay", None, f"{DRAFT}/{INVOICE}/pay"),
    "get": Case("invoices.get", None, f"{DRAFT}/{INVOICE}"),
    "authorize": Case(
        "invoices.authorize",
        None,
        "/invoicing/v2/authorize/invoice",
        {"account_id": ACCOUNT, "line_items": [ITEM_BODY], "invoice_mechanism": "api"},
    ),
    "authorize-everything": Case(
        "invoices.authorize",
        lambda t: t.invoices.authorize(ACCOUNT, [ITEM], "tilia_hosted", is_escrow=True, reference_id="8987749"),
        "/invoicing/v2/authorize/invoice",
        {
            "account_id": ACCOUNT,
            "line_items": [ITEM_BODY],
            "invoice_mechanism": "tilia_hosted",
            "is_escrow": True,
            "reference_id": "8987749",
        },
    ),
    "authorized": Case("invoices.get_authorized", None, f"/invoicing/v2/authorize/invoice/{INVOICE}"),
    "escrow": Case("escrow.create", None, HOLD, BODY),
    "escrow-details": Case(
        "escrow.create",
        lambda t: t.escrow.create(ACCOUNT, [ITEM], [SOURCE], **DETAILS),
        HOLD,
        {**BODY, **DETAILS},
    ),
    **{
        f"escrow-{step}": Case(f"escrow.{step}", None, f"{HOLD}/{ESCROW}/{step}")
        for step in ("pay", "commit", "cancel")
    },
    "escrow-get": Case("escrow.get", None, f"{HOLD}/{ESCROW}"),
    "escrow-by-invoice": Case("escrow.find_by_invoice", None, f"{HOLD}/by_invoice/{INVOICE}"),
    "refund": Case("refunds.refund_invoice", None, "/invoicing/v2/refund", {"invoice_id": INVOICE}),
    "refund-everything": Case(
        "refunds.refund_invoice",
        lambda t: t.refunds.refund_invoice(INVOICE, reason="product_related", sub_reason="s", note="n"),
        "/invoicing/v2/refund",
        {"invoice_id": INVOICE, "reason": "product_related", "sub_reason": "s", "note": "n"},
    ),
    "refund-line-item": Case(
        "refunds.refund_line_item",
        lambda t: t.refunds.refund_line_item(LINE_ITEM, Money(95, "EUR"), [METHOD, "pm_2"], "other", note="n"),
        "/invoicing/v2/line-item/refund",
        {
            "line_item_id": LINE_ITEM,
            "amount": 95,
            "payment_methods": [METHOD, "pm_2"],
            "reason": "other",
            "note": "n",
        },
    ),
    "refunds": Case("refunds.list", None, f"{DRAFT}/{INVOICE}/refunds"),
    "refunds-failed": Case(
        "refunds.list",
        lambda t: t.refunds.list(INVOICE, status="REFUND-FAILED"),
        f"{DRAFT}/{INVOICE}/refunds?status=REFUND-FAILED",
    ),
    "payout": Case(
        "payouts.request",
        None,
        f"{MINE}/payout",
        {
            "source_payment_method_id": METHOD,
            "destination_payment_method_id": "pm_paypal",
            "amount": 250,
            "currency": "USD",
        },
    ),
    "payouts": Case("payouts.list", None, f"{MINE}/payouts"),
    "payout-get": Case("payouts.get", None, f"{MINE}/payout/{PAYOUT}"),
    "payout-cancel": Case("payouts.cancel", None, f"{MINE}/payout/{PAYOUT}"),
    "transfer": Case(
        "transfers.create",
        None,
        TRANSFER,
        {"account_id": ACCOUNT, "balance_transfer_type": "fund_user", "transfer_items": [MOVE_BODY]},
    ),
    "transfer-everything": Case(
        "transfers.create",
        lambda t: t.transfers.create(
            ACCOUNT,
            "payout_token_conversion_reversal",
            [
                MOVE,
                TransferItem(
                    source_wallet_id=SECOND,
                    destination_wallet_id=WALLET,
                    amount=Money(100, "VIR"),
                    transfer_item_type="virtual",
                    description="back",
                ),
            ],
            reference_type="invoicing.token_exchange.id",
            reference_id="vtok_2Acn1Y46LaM9csSoEWYqUyESwi7",
            description="Payout token conversion reversal",
            metadata={"key1": {"key2": 3}},
        ),
        TRANSFER,
        {
            "account_id": ACCOUNT,
            "balance_transfer_type": "payout_token_conversion_reversal",
            "transfer_items": [
                MOVE_BODY,
                {
                    "source_wallet_id": SECOND,
                    "destination_wallet_id": WALLET,
                    "amount": 100,
                    "currency": "VIR",
                    "transfer_item_type": "virtual",
                    "description": "back",
                },
            ],
            "reference_type": "invoicing.token_exchange.id",
            "reference_id": "vtok_2Acn1Y46LaM9csSoEWYqUyESwi7",
            "description": "Payout token conversion reversal",
            "metadata": {"key1": {"key2": 3}},
        },
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
async def test_request(api: Recorder, tilia: TiliaClient, case: Case) -> None:
    """Each method sends one request, the documented one, with a token of the documented scopes."""
    await expect_request(api, tilia, case)


@pytest.mark.asyncio
async def test_invoice_filters(api: Recorder, tilia: TiliaClient) -> None:
    """Filters of the invoice list are comma lists, the sort keys have their own names."""
    api.succeed({"total": 0, "invoices": []})
    listing = tilia.invoices.list(
        ACCOUNT,
        states=["OPEN", "SUCCESS"],
        invoice_types=["token_purchase", "token_convert"],
        include_recipient_transactions=True,
        sort_field="created",
        sort="asc",
        page_size=20,
    )
    assert await drain(listing) == []
    assert (api.call.method, api.call.path.partition("?")[0]) == ("GET", f"{DRAFT}/account/{ACCOUNT}")
    query = {"offset": ["0"], **api.call.query}
    assert query == {
        "states": ["OPEN,SUCCESS"],
        "invoice_types": ["token_purchase,token_convert"],
        "include_recipient_transactions": ["true"],
        "sort_field": ["created"],
        "sort": ["asc"],
        "limit": ["20"],
        "offset": ["0"],
    }


@pytest.mark.asyncio
async def test_escrow_filters(api: Recorder, tilia: TiliaClient) -> None:
    """The escrow list writes its sort key in another way."""
    api.answer(200, {"total": "0", "escrow_transactions": []})
    listing = tilia.escrow.list_by_reference(
        "8987749", status=["OPEN", "CANCELLED"], sort_field="created", sort="asc", page_size=20
    )
    assert await drain(listing) == []
    assert (api.call.method, api.call.path.partition("?")[0]) == ("GET", f"{HOLD}/reference/8987749")
    query = {"offset": ["0"], **api.call.query}
    assert query == {
        "status": ["OPEN,CANCELLED"],
        "sortField": ["created"],
        "sort": ["asc"],
        "limit": ["20"],
        "offset": ["0"],
    }
