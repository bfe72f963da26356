"""A message of each notification, as Tilia's pages show it.

For trying out a receiver (fact sheet "compliance-webhooks", A.4). Where a page has no sample, the fields that it lists
have values of their kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tilia_async import event_names
from tilia_async.json_value import JsonObject

SAMPLES: Final[Mapping[str, JsonObject]] = {
    event_names.ACCOUNT_BLOCK: {
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "blocks": {
            "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
            "block_id": "blk_2FizFe7kSxtgUf4Trw0Jwei7pJv",
            "capability": "login",
            "issuer": "publisher",
            "reason": "account_close",
        },
        "is_blocked": True,
    },
    event_names.REGISTRATION: {
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "email": {"address": "user@example.com", "email_id": "string", "email_types": ["string"], "is_verified": True},
        "external_platforms": {"apple": {"user_id": "<apple_id>"}, "steam": {"user_id": "<steam_id>"}},
        "username": "nyx",
    },
    event_names.TRANSFER: {
        "balance_transfer_id": "bt_2TOTa6B5zxe2gBVVvse4MGuYbKy",
        "balance_transfer_type": "fund_user",
        "invoice_id": "inv_2V2Zx3paY8lMMwD6XIrRNKTGoiB",
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "reference_type": "transaction_id",
        "reference_id": "1AZ39X8",
        "description": "funding beta user",
        "status": "EXECUTED",
    },
    event_names.DEPOSIT: {
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "deposit_id": "dep_2V2XDLW6zogChdShdFh8WKOhHii",
        "deposit_invoice_id": "inv_2V2Zx3paY8lMMwD6XIrRNKTGoiB",
        "deposit_payment_method_id": "pm_2V2bA0r2hJpUnCA9HeTgOl0rONr",
        "deposit_provider": "string",
        "deposit_type": "ACH",
        "destination_wallet_id": "wal_2V2cKKqYoaj018K0EXBauwcurbd",
        "fee_amount": 25,
        "fee_currency": "USD",
        "received_amount": 275,
        "received_currency": "USD",
        "request_amount": 300,
        "request_currency": "USD",
    },
    event_names.ESCROW: {
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "cancel_invoice_id": "inv_2V2XDLW6zogChdShdFh8WKOhHii",
        "commit_invoice_id": "inv_2V2XDLW6zogChdShdFh8WKOhHii",
        "escrow_invoice_id": "inv_2V2XDLW6zogChdShdFh8WKOhHii",
        "id": "esc_2V2TxPgh8usE9neZJoEjQyFHhVh",
        "integrator": "tilia",
        "status": "ESCROWED",
    },
    event_names.INVOICE: {
        "invoice_id": "65d6c272-e4c6-11ea-87d0-0242ac100000",
        "invoice_type": "user_purchase",
        "account_id": "b2ba9a0f-e4c6-11ea-87d0-0242ac100000",
        "reference_type": "Acme order number",
        "reference_id": "8987749",
        "state": "FAILED",
        "failure_code": "generic_error",
        "failure_reason": "an error occurred",
        "line_items": [{"line_item_id": "li_2V2XDLW6zogChdShdFh8WKOhHii", "amount": 300, "currency": "USD"}],
        "metadata": "{}",
        "created": "2020-07-03T01:05:59.49468Z",
    },
    event_names.PAYOUT: {
        "failure_code": "generic_error",
        "failure_reason": "an error ocurred",
        "payout_flow": "STANDARD",
        "payout_status": "FAILED",
        "payout_status_id": "0f6b3b1e-5a0e-4a39-9f57-3c1a5d0a9a11",
    },
    event_names.REFUND: {
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "failed_refunds": [{"refund_id": "9303", "amount": 901, "currency": "USD"}],
        "invoice_id": "inv_2V2XDLW6zogChdShdFh8WKOhHii",
        "payment_invoice_id": "inv_2V2Zx3paY8lMMwD6XIrRNKTGoiB",
        "successful_refunds": [{"refund_id": "0631", "amount": 504, "currency": "USD"}],
    },
    event_names.EXCHANGE: {
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "amount_usd": 1000,
        "created": "2024-02-27T22:19:53.600222Z",
        "destination_wallet_id": "wal_2V2cKKqYoaj018K0EXBauwcurbd",
        "direction": "token_convert",
        "exchange_rate": 0.01,
        "exchange_rate_direction": "virtual_to_usd",
        "fee_amount": 0,
        "fee_currency": "VCD",
        "integrator_fee_amount": 0,
        "invoice_id": "inv_2V2XDLW6zogChdShdFh8WKOhHii",
        "status": "SUCCESS",
        "tilia_fee_amount": 0,
        "token_exchange_id": "vtok_2V2WX4AZZiE6eDoGb6coN0RuxIR",
        "updated": "2024-02-27T22:19:53.600222Z",
        "user_paid_amount": 100000,
        "user_paid_currency": "TIL",
        "user_received_amount": 1000,
        "user_received_currency": "USD",
        "virtual_amount": 100000,
        "virtual_currency": "TIL",
    },
    event_names.PAYMENT_METHOD: {
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "payment_method_id": "pm_2V2bA0r2hJpUnCA9HeTgOl0rONr",
        "state": "ACTIVE",
    },
    event_names.KYC: {
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "kyc_id": "kyc_2V2VpXKr8kW6ukYe03VG1QBlnxd",
        "kyc_requirements": "FULL_KYC",
        "match_checks": [
            {
                "kyc_match_check_id": "kycmc_2E5Osjju8K0KpDAXWknVJ7My1wL",
                "matched_account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
                "matched_kyc_id": "kyc_2V2VpXKr8kW6ukYe03VG1QBlnxd",
                "match_score": 0.99,
            }
        ],
        "pii_level": "BASIC",
        "state": "ACCEPT",
    },
    event_names.KYB: {
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "entity_id": "ent_2V2RYOBpuscTtZmpDhlTWeJtJdw",
        "entity_status": "ACCEPT",
        "vendor_application_id": "12345",
        "custom_application_id": "9a2beeb0-ed09-4c69-9627-786eb6d2df33",
    },
    event_names.BALANCE_ALERT: {
        "balance": 1000,
        "critical": True,
        "description": "Registration USD wallet.",
        "wallet_id": "wal_2V2cKKqYoaj018K0EXBauwcurbd",
        "warning": False,
    },
}
"""Messages by ``event_name``."""
