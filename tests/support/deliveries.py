"""The sheet's samples of notifications, and deliveries made of them."""

import base64
from datetime import UTC, datetime

import orjson

from tilia_async.webhooks import AccountBlockChanged, parse_event
from tilia_async.webhooks.samples import SAMPLES

BLOCK = SAMPLES["account-block-unblock-webhook"]
UNBLOCK = {**BLOCK, "is_blocked": False}
REGISTRATION = SAMPLES["register-account-completed"]
BALANCE_TRANSFER = SAMPLES["balance-transfer-completed-publisher"]
# A number as a text, as Tilia writes some.
DEPOSIT = {**SAMPLES["deposit-completed"], "request_amount": "300"}
ESCROW = SAMPLES["escrow-transaction-update"]
INVOICE = {
    **SAMPLES["invoice-completed"],
    "line_items": [{"line_item_id": "a", "amount": 1}, {"line_item_id": "b", "amount": 2}],
    "metadata": {"order": [1]},
}
PAYOUT = SAMPLES["payout-complete"]
REFUND = {
    **SAMPLES["refund-completed"],
    "account_id": "acct_1",
    "failed_refunds": [{"refund_id": "9303", "amount": "901", "currency": "USD"}],
    "invoice_id": "inv_refund",
    "payment_invoice_id": "inv_original",
    "successful_refunds": [{"refund_id": "0631", "amount": "504", "currency": "USD"}],
}
TOKEN_EXCHANGE = SAMPLES["token-exchange-completed"]
PAYMENT_METHOD = SAMPLES["payment-method-updated"]
KYC = SAMPLES["kyc-webhook"]
KYB = SAMPLES["kyb-status-change"]
WALLET_ALERT = SAMPLES["wallet-balance-alert"]

BLOCK_NAME = "account-block-unblock-webhook"


def delivery(message: object, event_name: str | None = BLOCK_NAME, sent_at: str = "2026-07-03T00:00:01Z") -> bytes:
    envelope = {"event_name": event_name, "bucket_key": "staging", "sent_at": sent_at, "message": message}
    return orjson.dumps(envelope if event_name is not None else {"message": message})


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def block_changed(message: dict[str, object], sent_at: datetime | None = None) -> AccountBlockChanged:
    """Read a notification of a block or unblock."""
    envelope = {
        "event_name": "account-block-unblock-webhook",
        "bucket_key": "staging",
        "sent_at": (sent_at or datetime.now(UTC)).isoformat(),
        "message": message,
    }
    event = parse_event(orjson.dumps(envelope))
    assert isinstance(event, AccountBlockChanged)
    return event
