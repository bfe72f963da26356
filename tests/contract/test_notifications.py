"""Each documented notification has its class, and its documented message is read as that."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from support.facts import NOTIFICATIONS, Notification
from support.money_samples import BLOCK, CAPTURED, ESCROW, EXCHANGE, INVOICE, KYC, METHOD, TRANSFERRED, as_lists
from support.samples import ACCOUNT, WALLET

MESSAGES: dict[str, dict[str, Any]] = {
    "AccountBlockChanged": {"account_id": ACCOUNT, "blocks": BLOCK, "is_blocked": True},
    "RegistrationCompleted": {
        "account_id": ACCOUNT,
        "email": {"address": "user@example.com", "email_id": "e", "email_types": ["string"], "is_verified": True},
        "external_platforms": {"steam": {"user_id": "<steam_id>"}},
        "username": "string",
    },
    "BalanceTransferCompleted": TRANSFERRED,
    "DepositCompleted": {
        "account_id": ACCOUNT,
        "deposit_id": "d",
        "deposit_invoice_id": INVOICE,
        "deposit_payment_method_id": METHOD,
        "deposit_provider": "banking",
        "deposit_type": "ACH",
        "destination_wallet_id": WALLET,
        "fee_amount": 25,
        "fee_currency": "USD",
        "received_amount": 275,
        "received_currency": "USD",
        "request_amount": 300,
        "request_currency": "USD",
    },
    "EscrowTransactionUpdated": {
        "account_id": ACCOUNT,
        "cancel_invoice_id": INVOICE,
        "commit_invoice_id": INVOICE,
        "escrow_invoice_id": INVOICE,
        "id": ESCROW,
        "integrator": "tilia",
        "status": "ESCROWED",
    },
    "InvoiceCompleted": {**as_lists(CAPTURED), "state": "FAILED", "metadata": "string"},
    "PayoutCompleted": {
        "failure_code": "generic_error",
        "failure_reason": "an error ocurred",
        "payout_flow": "STANDARD",
        "payout_status": "FAILED",
        "payout_status_id": "string",
    },
    "RefundCompleted": {
        "account_id": ACCOUNT,
        "failed_refunds": [{"refund_id": "9303", "amount": "901", "currency": "USD"}],
        "invoice_id": INVOICE,
        "payment_invoice_id": INVOICE,
        "successful_refunds": [{"refund_id": "0631", "amount": "504", "currency": "USD"}],
    },
    "TokenExchangeCompleted": {
        "account_id": ACCOUNT,
        "amount_usd": 1000,
        "created": "2024-02-27T22:19:53.600222Z",
        "destination_wallet_id": WALLET,
        "direction": "token_convert",
        "exchange_rate": 0.01,
        "exchange_rate_direction": "virtual_to_usd",
        "fee_amount": 0,
        "fee_currency": "VCD",
        "integrator_fee_amount": 0,
        "invoice_id": INVOICE,
        "status": "SUCCESS",
        "tilia_fee_amount": 0,
        "token_exchange_id": EXCHANGE,
        "updated": "2024-02-27T22:19:53.600222Z",
        "user_paid_amount": 100000,
        "user_paid_currency": "TIL",
        "user_received_amount": 1000,
        "user_received_currency": "USD",
        "virtual_amount": 100000,
        "virtual_currency": "TIL",
    },
    "PaymentMethodUpdated": {"account_id": ACCOUNT, "payment_method_id": METHOD, "state": "ACTIVE"},
    "KycStateChanged": KYC,
    "KybStatusChanged": {
        "account_id": ACCOUNT,
        "entity_id": "ent_2V2RYOBpuscTtZmpDhlTWeJtJdw",
        "entity_status": "ACCEPT",
        "vendor_application_id": "",
        "custom_application_id": "",
    },
    "WalletBalanceAlert": {
        "balance": 1000,
        "critical": True,
        "description": "Registration USD wallet.",
        "wallet_id": WALLET,
        "warning": False,
    },
}


@pytest.mark.parametrize("event", [pytest.param(event, id=event.kind) for event in NOTIFICATIONS])
def test_notification(event: Notification) -> None:
    """A notification is read as its class: by its name, or by its shape where the name is not documented."""
    webhooks = importlib.import_module("tilia_async.webhooks")
    envelope = {
        "event_name": event.event_name or "not-documented",
        "bucket_key": "staging",
        "sent_at": "2026-07-03T00:00:01Z",
        "message": MESSAGES[event.kind],
    }
    assert type(webhooks.parse_event(json.dumps(envelope).encode())) is getattr(webhooks, event.kind)
