"""Documented and captured payloads of money.

Of what moves money, and of what surrounds it.
"""

from __future__ import annotations

from typing import Any

from support.samples import ACCOUNT, TAG, WALLET, WALLET_DOC, ZERO_TIME

CREATOR = "acct_2UU7yuHWGs2vwShyoUKeebMk5E5"
METHOD = "pm_2V2bA0r2hJpUnCA9HeTgOl0rONr"
EXCHANGE = "vtok_1y9CqqiLJ6s0W2hsPgQqLkvR4og"
INVOICE = "inv_2V2XDLW6zogChdShdFh8WKOhHii"
ESCROW = "esc_2V2TxPgh8usE9neZJoEjQyFHhVh"
PAYOUT = "682c8d3e-75ad-4d10-8b1a-1e1576888888"
LINE_ITEM = "4f25cf33-6d0f-44f4-97c5-3a8a4a5a1001"
ENTITY = "ent_2V2RYOBpuscTtZmpDhlTWeJtJdw"
SELLER = "acct_2UU7ypRsFlZPnrOZDaIUIDaSwPs"
NONCE_AUTH = "c287608d-4f66-4123-a8a1-7ef815444444"


def total(amount: int, currency: str = "USD", display: str = "", **extra: Any) -> dict[str, Any]:
    """Write a total of a summary."""
    return {
        "total_amount": amount,
        "total_amount_usd": amount,
        "currency": currency,
        "display_amount": display,
        **extra,
    }


SUMMARY = {**total(250, display="USD 2.50"), "subtotal": total(250, display="USD 2.50"), "tax": total(0, "", "")}
PURCHASE: dict[str, Any] = {
    "token_exchange_id": EXCHANGE,
    "account_id": CREATOR,
    "destination_wallet_id": "wal_2V2cKKKnzmnVvJCl02O0Bc9KnfV",
    "direction": "token_purchase",
    "invoice_id": "inv_24Fs1IP1xkYlqNY465chmHlymZm",
    "user_paid_amount": 250,
    "user_paid_currency": "USD",
    "user_received_amount": 250,
    "user_received_currency": "VCD",
    "exchange_rate": 100,
    "exchange_rate_direction": "usd_to_virtual",
    "tilia_fee_amount": 25,
    "integrator_fee_amount": 25,
    "fee_currency": "USD",
    "status": "SUCCESS",
    "created": "2006-01-02T15:04:05Z07:00",
    "updated": "2006-01-02T15:04:05Z07:00",
    "summary": SUMMARY,
}
CONVERSION: dict[str, Any] = {
    "token_exchange_id": EXCHANGE,
    "account_id": ACCOUNT,
    "direction": "token_convert",
    "user_paid_amount": 100,
    "user_paid_currency": "TST",
    "user_received_amount": 1,
    "user_received_currency": "USD",
    "exchange_rate": 0.01,
    "tilia_fee_amount": 0,
    "fee_currency": "",
    "status": "OPEN",
    "created": "2022-03-01T01:00:49.342779Z",
    "updated": ZERO_TIME,
}
UNREFUNDABLE = {
    "tag_id": "invtag_2Jy1MrLMsLIiD2AGWZg8v6gIN9U",
    "resource_type": "invoicing.token_exchange.token_exchange_id",
    "namespace": "invoicing",
    "tag": "unrefundable",
    "status": "ACTIVE",
}


def subitem(key: str, kind: str, amount: int, **extra: Any) -> dict[str, Any]:
    """Write a subitem as invoices show it."""
    common = {"currency": "TST", "display_amount": f"TST {amount}", "reference_type": "", "reference_id": ""}
    ids = {"source_account_id": ACCOUNT, "source_payment_method_id": "", "source_wallet_id": "7293"}
    ends = {"destination_account_id": SELLER, "destination_payment_method_id": "", "destination_wallet_id": "9cf1"}
    kind_of = {"subitem_id": key, "subitem_type": kind, "amount": amount, "description": "", "metadata": {}}
    return {**kind_of, **common, **ids, **ends, **extra}


def line_item(key: str, order: int, **extra: Any) -> dict[str, Any]:
    """Write a line item as invoices show it."""
    return {
        "line_item_id": key,
        "product_sku": "ABC123",
        "amount": 1,
        "currency": "TST",
        "display_amount": "TST 1",
        "reference_type": "",
        "reference_id": "",
        "transaction_type": "user_to_user_virtual",
        "description": f"Line item {order}",
        "metadata": None,
        "sort_order": order,
        "subitems": {"d54d35a7": subitem("d54d35a7", "user_recipient_virtual", 1)},
        **extra,
    }


CAPTURED: dict[str, Any] = {
    "invoice_id": INVOICE,
    "account_id": ACCOUNT,
    "invoice_type": "user_purchase_virtual",
    "reference_type": "My test order",
    "reference_id": "123456789",
    "state": "OPEN",
    "description": "",
    "metadata": {"authorized_invoice_id": "8d7bc778"},
    "summary": {"total_amount": 6, "currency": "TST", "display_amount": "TST 6"},
    "failure_reason": "",
    "created": ZERO_TIME,
    "updated": ZERO_TIME,
    "payment_methods": {
        "3998dafa": {
            "payment_method_id": "3998dafa",
            "authorized_amount": 6,
            "currency": "TST",
            "display_amount": "TST 6",
            "subitems": {"19f0938c": subitem("19f0938c", "payment", 0)},
        }
    },
    "line_items": {"b": line_item("b", 1), "a": line_item("a", 0), "c": line_item("c", 2)},
    "subitems": {},
}


def as_lists(invoice: dict[str, Any]) -> dict[str, Any]:
    """Return the invoice with lists for maps.

    As the pages of the notifications have it.
    """
    found = dict(invoice)
    for name in ("payment_methods", "line_items", "subitems"):
        parts = [{**part, "subitems": list(part["subitems"].values())} for part in invoice[name].values()]
        found[name] = sorted(parts, key=lambda part: part.get("sort_order", 0))
    return found


FULL: dict[str, Any] = {
    **CAPTURED,
    "state": "FAILED",
    "failure_code": "generic_error",
    "failure_reason": "an error occurred",
    "integrator": "acme",
    "transfer_id": "t1",
    "session_id": "s1",
    "created": "2022-04-11T12:10:44Z",
    "updated": "2022-03-01T01:00:49.342779Z",
    "summary": {**SUMMARY, "fx": total(0, "", "", exchange_rate_id="rate-1")},
    "line_items": {LINE_ITEM: line_item(LINE_ITEM, 0, amount_refunded=1, product_code="P-1", metadata={"k": [1]})},
    "subitems": {"s": subitem("s", "ar_to_asset", 6)},
}
HELD: dict[str, Any] = {
    "id": ESCROW,
    "account_id": ACCOUNT,
    "escrow_invoice_id": INVOICE,
    "commit_invoice_id": "",
    "cancel_invoice_id": "",
    "status": "ESCROWED",
    "integrator": "tilia",
    "created": "2022-04-11T12:10:44Z",
    "updated": "2022-03-01T01:00:49.342779Z",
    "escrow_invoice": {"invoice_id": INVOICE, "summary": SUMMARY},
}
DETAILS: dict[str, Any] = {
    "line_items": [{"amount": 550, "currency": "USD", "transaction_type": "user_to_user", "recipients": None}],
    "line_items_total": 550,
    "line_items_currency": "USD",
    "display_amount": "USD 5.50",
    "reference_type": "Acme order number",
    "reference_id": "8987749",
    "description": "Digital product order",
    "metadata": {"key1": {"key2": 3}},
    "is_escrow": False,
    "is_virtual": False,
}
REFUND = {
    "refund_id": "daa77f1b",
    "refund_invoice_id": "inv_2Myw",
    "payment_id": "5b942db2",
    "psp_refund_transaction_id": "5141",
    "amount": 95,
    "currency": "EUR",
    "refund_type": "line_item_refund",
    "reason": "billing",
    "sub_reason": "Charged twice",
    "note": "Flag account",
    "status": "REFUND-SUCCESS",
    "line_item_id": "9139",
    "created": "2022-08-02 15:46:25",
    "updated": "2022-08-02 15:46:25",
}
REFUNDS: dict[str, Any] = {
    "invoice_id": INVOICE,
    "is_fully_refunded": False,
    "refund_invoice_ids": ["inv_2Myw", "inv_2Myz"],
    "payments": {
        "5b942db2": {
            "payment_id": "5b942db2",
            "invoice_id": INVOICE,
            "payment_method_id": METHOD,
            "state": "CAPTURED",
            "provider": "rebilly",
            "psp_transaction_id": "094ffb76",
            "request_amount": 100,
            "request_currency": "USD",
            "processing_amount": 95,
            "processing_currency": "EUR",
            "received_amount": 95,
            "received_currency": "EUR",
            "item_description": "A really nice house",
            "source_client_id": "9722562e",
            "ip_address": "127.0.0.1",
            "created": "2022-08-02 15:46:25",
            "updated": "2022-08-02 15:46:25",
            "refunds": [REFUND],
            "payment_method": {
                "payload": {"id": "ab72", "method_class": "visa", "provider": "rebilly", "pm_state": "ACTIVE"}
            },
        }
    },
    "refunds": {"daa77f1b": REFUND},
    "line_item_refunds": {"9139": {"amount": 95}},
}
PAID_OUT: dict[str, Any] = {
    "payout_status_id": PAYOUT,
    "credit_id": "a3c570da-b7f9-4f84-aa3e-7cbd4f555555",
    "account_id": ACCOUNT,
    "status": "ESCROW-TRANSFER-INITIATED",
    "created": "2020-09-10 16:15:42.343045",
    "updated": "2020-09-10 16:15:42.489163",
    "credit": {
        "destination_payment_method_id": "4ba04731-9f66-4123-a8a1-7ef815444444",
        "amount": 250,
        "currency": "USD",
        "status": "CREATED",
    },
}
CANCELLED = {
    **PAID_OUT,
    "status": "SUPPORT-REJECT-TRANSFER-INITIATED",
    "credit": {**PAID_OUT["credit"], "status": "CANCELED"},
}
TRANSFERRED = {
    "balance_transfer_id": "bt_2TOTa6B5zxe2gBVVvse4MGuYbKy",
    "balance_transfer_type": "fund_user",
    "invoice_id": "inv_2V2Zx3paY8lMMwD6XIrRNKTGoiB",
    "account_id": ACCOUNT,
    "reference_type": "transaction_id",
    "reference_id": "1AZ39X8",
    "description": "funding beta user",
    "status": "EXECUTED",
}
KYC: dict[str, Any] = {
    "account_id": ACCOUNT,
    "kyc_id": "kyc_2V2VpXKr8kW6ukYe03VG1QBlnxd",
    "kyc_requirements": "FULL_KYC",
    "match_checks": [
        {
            "kyc_match_check_id": "kycmc_2E5Osjju8K0KpDAXWknVJ7My1wL",
            "matched_account_id": ACCOUNT,
            "matched_kyc_id": "kyc_2V2VpXKr8kW6ukYe03VG1QBlnxd",
            "match_score": 0.99,
        }
    ],
    "pii_level": "BASIC",
    "state": "ACCEPT",
}
BLOCK = {
    "account_id": ACCOUNT,
    "block_id": "blk_2FizFe7kSxtgUf4Trw0Jwei7pJv",
    "capability": "login",
    "issuer": "publisher",
    "reason": "account_close",
}
CUSTOM_METHOD: dict[str, Any] = {
    "id": METHOD,
    "account_id": ACCOUNT,
    "method_class": "wallet",
    "display_string": "USD Wallet",
    "provider": "wallet",
    "psp_reference": WALLET,
    "processing_currency": "USD",
    "pm_state": "ACTIVE",
    "integrator": "acme",
    "created": "2019-08-24T14:15:22Z",
    "updated": "2019-08-24T14:15:22Z",
    "provider_data": {"wallet_id": WALLET, "wallet_balance": 0},
    "tags": [TAG],
}
CUSTOM = {"payment_method": CUSTOM_METHOD, "wallet": WALLET_DOC}
FUNDS = {
    "TST": {
        "spendable": {"balance": 9701, "display": "TST 9701.00"},
        "convertible": {"balance": 0, "display": "TST 0.00"},
    },
    "USD": {"spendable": {"balance": 99898, "display": "$998.98"}},
}
USABLE: dict[str, Any] = {
    "account_id": ACCOUNT,
    "balances": FUNDS,
    "capabilities": {"deposit": [], "payout": [], "purchase": ["383509e6", "08c978cb"]},
    "payment_methods": {
        "08c978cb": {
            "id": "08c978cb",
            "method_class": "registration",
            "display_string": "Default USD Wallet",
            "provider": "wallet",
        },
        "383509e6": {"id": "383509e6", "method_class": "visa", "provider": "rebilly", "state": "CA"},
    },
}
