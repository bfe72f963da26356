"""The sheet's samples of notifications, and deliveries made of them."""

import base64

import orjson

BLOCK = {
    "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
    "blocks": {
        "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
        "block_id": "blk_2FizFe7kSxtgUf4Trw0Jwei7pJv",
        "capability": "login",
        "issuer": "publisher",
        "reason": "account_close",
    },
    "is_blocked": True,
}
UNBLOCK = {**BLOCK, "is_blocked": False}
REGISTRATION = {
    "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
    "email": {"address": "user@example.com", "email_id": "string", "email_types": ["string"], "is_verified": True},
    "external_platforms": {"apple": {"user_id": "<apple_id>"}, "steam": {"user_id": "<steam_id>"}},
    "username": "nyx",
}
BALANCE_TRANSFER = {
    "balance_transfer_id": "bt_2TOTa6B5zxe2gBVVvse4MGuYbKy",
    "balance_transfer_type": "fund_user",
    "invoice_id": "inv_2V2Zx3paY8lMMwD6XIrRNKTGoiB",
    "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
    "reference_type": "transaction_id",
    "reference_id": "1AZ39X8",
    "description": "funding beta user",
    "status": "EXECUTED",
}
DEPOSIT = {
    "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
    "deposit_id": "dep_1",
    "deposit_type": "ACH",
    "fee_amount": 25,
    "received_amount": 275,
    "request_amount": "300",
    "request_currency": "USD",
}
ESCROW = {
    "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
    "cancel_invoice_id": "inv_2V2XDLW6zogChdShdFh8WKOhHii",
    "commit_invoice_id": "inv_2V2XDLW6zogChdShdFh8WKOhHii",
    "escrow_invoice_id": "inv_2V2XDLW6zogChdShdFh8WKOhHii",
    "id": "esc_2V2TxPgh8usE9neZJoEjQyFHhVh",
    "integrator": "tilia",
    "status": "ESCROWED",
}
INVOICE = {
    "invoice_id": "65d6c272-e4c6-11ea-87d0-0242ac100000",
    "invoice_type": "user_purchase",
    "account_id": "b2ba9a0f-e4c6-11ea-87d0-0242ac100000",
    "reference_type": "Acme order number",
    "reference_id": "8987749",
    "state": "FAILED",
    "failure_code": "generic_error",
    "failure_reason": "an error occurred",
    "line_items": [{"line_item_id": "a", "amount": 1}, {"line_item_id": "b", "amount": 2}],
    "metadata": {"order": [1]},
    "created": "2020-07-03T01:05:59.49468Z",
}
PAYOUT = {
    "failure_code": "generic_error",
    "failure_reason": "an error ocurred",
    "payout_flow": "STANDARD",
    "payout_status": "FAILED",
    "payout_status_id": "string",
}
REFUND = {
    "account_id": "acct_1",
    "failed_refunds": [{"refund_id": "9303", "amount": "901", "currency": "USD"}],
    "invoice_id": "inv_refund",
    "payment_invoice_id": "inv_original",
    "successful_refunds": [{"refund_id": "0631", "amount": "504", "currency": "USD"}],
}
TOKEN_EXCHANGE = {
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
}
PAYMENT_METHOD = {
    "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
    "payment_method_id": "pm_2V2bA0r2hJpUnCA9HeTgOl0rONr",
    "state": "ACTIVE",
}
KYC = {
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
}
KYB = {
    "account_id": "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b",
    "entity_id": "ent_2V2RYOBpuscTtZmpDhlTWeJtJdw",
    "entity_status": "ACCEPT",
    "vendor_application_id": "12345",
    "custom_application_id": "9a2beeb0-ed09-4c69-9627-786eb6d2df33",
}
WALLET_ALERT = {
    "balance": 1000,
    "critical": True,
    "description": "Registration USD wallet.",
    "wallet_id": "wal_2V2cKKqYoaj018K0EXBauwcurbd",
    "warning": False,
}

BLOCK_NAME = "account-block-unblock-webhook"


def delivery(message: object, event_name: str | None = BLOCK_NAME, sent_at: str = "2026-07-03T00:00:01Z") -> bytes:
    envelope = {"event_name": event_name, "bucket_key": "staging", "sent_at": sent_at, "message": message}
    return orjson.dumps(envelope if event_name is not None else {"message": message})


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
