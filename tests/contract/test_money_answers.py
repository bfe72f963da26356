"""Models that answers of the newer methods are read as, documented and captured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.money_calls import CALLS
from support.money_samples import (
    BLOCK,
    CANCELLED,
    CAPTURED,
    CONVERSION,
    CUSTOM,
    CUSTOM_METHOD,
    DETAILS,
    ENTITY,
    EXCHANGE,
    FULL,
    FUNDS,
    HELD,
    INVOICE,
    KYC,
    LINE_ITEM,
    NONCE_AUTH,
    PAID_OUT,
    PAYOUT,
    PURCHASE,
    REFUND,
    REFUNDS,
    TRANSFERRED,
    UNREFUNDABLE,
    USABLE,
    as_lists,
)
from support.samples import ACCOUNT, APPAUTH, EMPTY, REGISTERED, WALLET, at, check

if TYPE_CHECKING:
    from support.recorder import Recorder

    from tilia_async import TiliaClient


class Sample(NamedTuple):
    """An operation, a payload of it, and what must be readable afterwards by dotted name."""

    call: str
    payload: Any
    expected: dict[str, Any]


def without(payload: dict[str, Any], *names: str) -> dict[str, Any]:
    """The same without some fields."""
    return {key: value for key, value in payload.items() if key not in names}


PURCHASE_READ = {
    **without(PURCHASE, "created", "updated", "summary", "exchange_rate"),
    "exchange_rate": 100.0,
    "created": None,
    "updated": None,
    "summary.total_amount": 250,
    "summary.total_amount_usd": 250,
    "summary.display_amount": "USD 2.50",
    "summary.subtotal.total_amount": 250,
    "summary.tax.total_amount": 0,
    "summary.tax.currency": EMPTY,
}
CONVERSION_READ = {
    "token_exchange_id": EXCHANGE,
    "account_id": ACCOUNT,
    "direction": "token_convert",
    "status": "OPEN",
    "exchange_rate": 0.01,
    "exchange_rate_direction": None,
    "fee_currency": EMPTY,
    "created": at(2022, 3, 1, 1, 0, 49, 342779),
    "updated": None,
    "summary": None,
}
INVOICE_READ = {
    **without(CAPTURED, "summary", "created", "updated", "payment_methods", "line_items", "subitems"),
    "description": EMPTY,
    "failure_reason": EMPTY,
    "failure_code": EMPTY,
    "created": None,
    "updated": None,
    "summary.total_amount": 6,
    "summary.currency": "TST",
    "summary.display_amount": "TST 6",
    "summary.subtotal": None,
    "payment_methods.0.payment_method_id": "3998dafa",
    "payment_methods.0.authorized_amount": 6,
    "payment_methods.0.subitems.0.subitem_id": "19f0938c",
    "payment_methods.0.subitems.0.amount": 0,
    "payment_methods.0.subitems.0.subitem_type": "payment",
    "payment_methods.0.subitems.0.source_wallet_id": "7293",
    "payment_methods.0.subitems.0.destination_payment_method_id": EMPTY,
    "line_items.0.line_item_id": "a",
    "line_items.1.line_item_id": "b",
    "line_items.2.line_item_id": "c",
    "line_items.2.sort_order": 2,
    "line_items.0.amount": 1,
    "line_items.0.transaction_type": "user_to_user_virtual",
    "line_items.0.product_sku": "ABC123",
    "line_items.0.reference_id": EMPTY,
    "line_items.0.metadata": EMPTY,
    "line_items.0.subitems.0.subitem_type": "user_recipient_virtual",
    "subitems": EMPTY,
}
FULL_READ = {
    "state": "FAILED",
    "failure_code": "generic_error",
    "failure_reason": "an error occurred",
    "integrator": "acme",
    "transfer_id": "t1",
    "session_id": "s1",
    "created": at(2022, 4, 11, 12, 10, 44),
    "updated": at(2022, 3, 1, 1, 0, 49, 342779),
    "summary.fx.exchange_rate_id": "rate-1",
    "summary.fx.currency": EMPTY,
    "line_items.0.line_item_id": LINE_ITEM,
    "line_items.0.amount_refunded": 1,
    "line_items.0.product_code": "P-1",
    "line_items.0.metadata": {"k": [1]},
    "subitems.0.subitem_type": "ar_to_asset",
}
HELD_READ = {
    **without(HELD, "escrow_invoice", "created", "updated"),
    "commit_invoice_id": EMPTY,
    "cancel_invoice_id": EMPTY,
    "created": at(2022, 4, 11, 12, 10, 44),
    "updated": at(2022, 3, 1, 1, 0, 49, 342779),
    "escrow_invoice.invoice_id": INVOICE,
    "escrow_invoice.summary.total_amount": 250,
}
REFUND_READ = {**REFUND, "created": at(2022, 8, 2, 15, 46, 25), "updated": at(2022, 8, 2, 15, 46, 25)}
PAYMENT_READ = without(REFUNDS["payments"]["5b942db2"], "created", "updated", "refunds", "payment_method")
REFUNDS_READ = {
    "invoice_id": INVOICE,
    "is_fully_refunded": False,
    "refund_invoice_ids.0": "inv_2Myw",
    "refund_invoice_ids.1": "inv_2Myz",
    **{f"payments.0.{name}": value for name, value in PAYMENT_READ.items()},
    "payments.0.created": at(2022, 8, 2, 15, 46, 25),
    "payments.0.payment_method.id": "ab72",
    "payments.0.payment_method.method_class": "visa",
    **{f"payments.0.refunds.0.{name}": value for name, value in REFUND_READ.items()},
    **{f"refunds.0.{name}": value for name, value in REFUND_READ.items()},
    "line_item_refunds": {"9139": {"amount": 95}},
}
PAID_OUT_READ = {
    **without(PAID_OUT, "created", "updated", "credit"),
    "payout_flow": None,
    "created": at(2020, 9, 10, 16, 15, 42, 343045),
    "updated": at(2020, 9, 10, 16, 15, 42, 489163),
    **{f"credit.{name}": value for name, value in PAID_OUT["credit"].items()},
    "credit.fee_amount": None,
}
CANCELLED_READ = {
    "payout_status_id": PAYOUT,
    "status": "SUPPORT-REJECT-TRANSFER-INITIATED",
    "credit.status": "CANCELED",
    "credit.amount": 250,
}
KYC_READ = {
    **without(KYC, "match_checks"),
    **{f"match_checks.0.{name}": value for name, value in KYC["match_checks"][0].items()},
}
BLOCK_READ = {"account_id": ACCOUNT, **{f"blocks.0.{name}": value for name, value in BLOCK.items()}}
CUSTOM_METHOD_READ = {
    "id": CUSTOM_METHOD["id"],
    "method_class": "wallet",
    "provider": "wallet",
    "psp_reference": WALLET,
    "pm_state": "ACTIVE",
    "provider_data.wallet_id": WALLET,
    "provider_data.wallet_balance": 0,
    "tags.0.tag": "merged_to",
    "created": at(2019, 8, 24, 14, 15, 22),
}
USABLE_READ = {
    "account_id": ACCOUNT,
    "balances.TST.spendable.balance": 9701,
    "balances.TST.convertible.balance": 0,
    "balances.USD.spendable.display": "$998.98",
    "balances.USD.convertible": None,
    "payment_methods.0.id": "08c978cb",
    "payment_methods.0.provider": "wallet",
    "payment_methods.1.method_class": "visa",
}
CAPABLE_READ = {
    "capabilities.purchase.0": "383509e6",
    "capabilities.purchase.1": "08c978cb",
    "capabilities.payout": EMPTY,
    "capabilities.deposit": EMPTY,
}
AUTHORIZED = {"nonce_auth_id": NONCE_AUTH, "authorized_invoice_id": INVOICE, "redirect": APPAUTH}
DETAILS_READ = {
    **without(DETAILS, "line_items"),
    "line_items.0.amount": 550,
    "line_items.0.currency": "USD",
    "line_items.0.transaction_type": "user_to_user",
}

SAMPLES = {
    "purchase": Sample("token_exchanges.execute_purchase", PURCHASE, PURCHASE_READ),
    "purchase-started": Sample(
        "token_exchanges.start_purchase", {**PURCHASE, "status": "OPEN"}, {**PURCHASE_READ, "status": "OPEN"}
    ),
    "purchase-rate": Sample("token_exchanges.get", {**PURCHASE, "exchange_rate": 100.01}, {"exchange_rate": 100.01}),
    "purchase-tagged": Sample(
        "token_exchanges.get", {**PURCHASE, "tags": [UNREFUNDABLE]}, {"tags.0.tag": "unrefundable", "tags.0.status": "ACTIVE"}
    ),
    "conversion": Sample("token_exchanges.start_conversion", CONVERSION, CONVERSION_READ),
    "conversion-executed": Sample(
        "token_exchanges.execute_conversion",
        {**CONVERSION, "status": "SUCCESS"},
        {**CONVERSION_READ, "status": "SUCCESS"},
    ),
    "invoice": Sample("invoices.create", CAPTURED, INVOICE_READ),
    "invoice-lists": Sample("invoices.get", as_lists(CAPTURED), INVOICE_READ),
    "invoice-paid": Sample("invoices.pay", {**CAPTURED, "state": "PROCESSING"}, {"state": "PROCESSING"}),
    "invoice-canceled": Sample("invoices.get", {**CAPTURED, "state": "CANCELED"}, {"state": "CANCELED"}),
    "invoice-full": Sample("invoices.get", FULL, FULL_READ),
    "invoices": Sample(
        "invoices.list",
        {"total": 1, "account_id": ACCOUNT, "invoices": [CAPTURED]},
        {f"0.{name}": value for name, value in INVOICE_READ.items()},
    ),
    "authorized": Sample(
        "invoices.authorize",
        {"authorized_invoice_id": INVOICE, "password_token": "eyJ"},
        {"authorized_invoice_id": INVOICE, "password_token": "eyJ", "redirect": None, "nonce_auth_id": None},
    ),
    "authorized-widget": Sample("invoices.authorize", AUTHORIZED, {**AUTHORIZED, "password_token": None}),
    "authorized-details": Sample("invoices.get_authorized", DETAILS, DETAILS_READ),
    **{f"escrow-{name}": Sample(f"escrow.{name}", HELD, HELD_READ) for name in ("create", "pay", "get", "find_by_invoice")},
    "escrow-full": Sample(
        "escrow.pay",
        {**HELD, "escrow_invoice": FULL},
        {f"escrow_invoice.{name}": value for name, value in FULL_READ.items()},
    ),
    "escrow-commit": Sample(
        "escrow.commit",
        {**HELD, "commit_invoice_id": "inv_c", "status": "COMMITTED"},
        {"commit_invoice_id": "inv_c", "status": "COMMITTED"},
    ),
    "escrow-cancel": Sample(
        "escrow.cancel",
        {**without(HELD, "escrow_invoice"), "status": "CANCELLED"},
        {"status": "CANCELLED", "escrow_invoice": None},
    ),
    "escrows": Sample(
        "escrow.list_by_reference",
        {"total": "1", "account_id": ACCOUNT, "escrow_transactions": [HELD]},
        {f"0.{name}": value for name, value in HELD_READ.items()},
    ),
    "refunds": Sample("refunds.list", REFUNDS, REFUNDS_READ),
    "refunds-none": Sample(
        "refunds.list",
        {"invoice_id": INVOICE, "is_fully_refunded": True, "refund_invoice_ids": []},
        {"is_fully_refunded": True, "refund_invoice_ids": EMPTY, "payments": EMPTY, "refunds": EMPTY},
    ),
    "payout": Sample("payouts.request", {**PAID_OUT, "payout_flow": "STANDARD"}, {**PAID_OUT_READ, "payout_flow": "STANDARD"}),
    "payout-get": Sample("payouts.get", PAID_OUT, PAID_OUT_READ),
    "payout-other-id": Sample(
        "payouts.get", {**without(PAID_OUT, "payout_status_id"), "payout_id": PAYOUT}, {"payout_status_id": PAYOUT}
    ),
    "payouts": Sample("payouts.list", [PAID_OUT], {f"0.{name}": value for name, value in PAID_OUT_READ.items()}),
    "payout-cancel-list": Sample("payouts.cancel", [CANCELLED], CANCELLED_READ),
    "payout-cancel-object": Sample("payouts.cancel", CANCELLED, CANCELLED_READ),
    "transfer": Sample("transfers.create", TRANSFERRED, {**TRANSFERRED, "failure_reason": None}),
    "transfer-failed": Sample(
        "transfers.create",
        {**TRANSFERRED, "status": "FAILED", "failure_reason": "no funds"},
        {"status": "FAILED", "failure_reason": "no funds"},
    ),
    "tos": Sample("compliance.tos_status", {"signed_tos": True}, {"signed_tos": True}),
    "tos-unsigned": Sample("compliance.tos_status", {"signed_tos": False}, {"signed_tos": False}),
    "kyc": Sample("compliance.kyc_status", KYC, KYC_READ),
    "kyc-old": Sample(
        "compliance.kyc_status",
        {"account_id": ACCOUNT, "state": "ACCEPT"},
        {"account_id": ACCOUNT, "state": "ACCEPT", "kyc_id": None, "pii_level": None, "match_checks": EMPTY},
    ),
    "kyc-cancelled": Sample(
        "compliance.kyc_status", {**KYC, "state": "SYSTEM-CANCELLED"}, {"state": "SYSTEM-CANCELLED"}
    ),
    "entity": Sample(
        "compliance.onboard_entity",
        {"entity_id": ENTITY, "vendor_response": {}},
        {"entity_id": ENTITY, "vendor_response": EMPTY},
    ),
    "updated": Sample(
        "accounts.update", {**REGISTERED, "account_id": ACCOUNT}, {"account_id": ACCOUNT, "email.is_verified": True}
    ),
    "block": Sample("accounts.block_capability", {"account_id": ACCOUNT, "blocks": BLOCK}, BLOCK_READ),
    "blocks": Sample("accounts.get_blocks", {"account_id": ACCOUNT, "blocks": BLOCK}, BLOCK_READ),
    "blocks-list": Sample("accounts.get_blocks", {"account_id": ACCOUNT, "blocks": [BLOCK]}, BLOCK_READ),
    "blocks-map": Sample(
        "accounts.get_blocks", {"account_id": ACCOUNT, "blocks": {BLOCK["block_id"]: BLOCK}}, BLOCK_READ
    ),
    "custom-wallet": Sample(
        "wallets.create_custom",
        CUSTOM["wallet"],
        {"wallet_id": WALLET, "current_balance": 100, "active": True, "tags.0": "coin:TOK"},
    ),
    "method": Sample("payment_methods.get", CUSTOM_METHOD, CUSTOM_METHOD_READ),
    "custom-method": Sample(
        "payment_methods.create_custom_wallet",
        CUSTOM,
        {
            **{f"payment_method.{name}": value for name, value in CUSTOM_METHOD_READ.items()},
            "wallet.wallet_id": WALLET,
            "wallet.active": True,
        },
    ),
    "methods": Sample("payment_methods.transaction_methods", USABLE, {**USABLE_READ, **CAPABLE_READ}),
    "methods-nested-twice": Sample(
        "payment_methods.transaction_methods",
        {
            **USABLE,
            "balances": {"account_id": ACCOUNT, "balances": FUNDS},
            "capabilities": {"purchase": "['383509e6']", "payout": "['383509e6']", "deposit": "['383509e6']"},
        },
        USABLE_READ,
    ),
}  # fmt: skip
SAMPLE = [pytest.param(sample, id=name) for name, sample in SAMPLES.items()]
ENVELOPES: dict[str, dict[str, Any] | None] = {
    "guide": {"status": "Success", "message": [], "codes": []},
    "reference": {"status": "Success", "message": None, "codes": None},
    "no-codes": {"status": "Success"},
    "messages": {"status": "Success", "messages": [], "codes": []},
    "none": None,
}


@pytest.mark.asyncio
@pytest.mark.parametrize("envelope", [pytest.param(extra, id=name) for name, extra in ENVELOPES.items()])
@pytest.mark.parametrize("sample", SAMPLE)
async def test_sample(api: Recorder, tilia: TiliaClient, sample: Sample, envelope: dict[str, Any] | None) -> None:
    """Every answer is read, with whatever envelope or without one."""
    known = CALLS[sample.call]
    api.answer(known.status, sample.payload if envelope is None else {**envelope, "payload": sample.payload})
    check(await known.call(tilia), sample.expected)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("name", CALLS)
async def test_any_success(api: Recorder, tilia: TiliaClient, name: str, status: int) -> None:
    """A success is one whichever 2xx says it; some are not documented."""
    known = CALLS[name]
    api.answer(status, known.answer)
    await known.call(tilia)
    assert len(api.calls) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["refunds.refund_invoice", "accounts.merge"])
async def test_without_payload(api: Recorder, tilia: TiliaClient, name: str) -> None:
    """An envelope without a payload is all that these say."""
    api.answer(200, {"status": "Success", "message": None, "codes": None})
    assert await CALLS[name].call(tilia) is None
