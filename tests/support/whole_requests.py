"""Whole requests of each operation with fields.

They are written from the sheets.
"""

from __future__ import annotations

from typing import Any

from support.money_samples import INVOICE, LINE_ITEM, METHOD, SELLER
from support.samples import ACCOUNT, MAIL, PHRASE, WALLET

PLACE = {"type": "billing", "address": {"country": "US", "state": "OH", "postal_code": "45201"}}
WORDS = {
    "reference_type": "order",
    "reference_id": "8987749",
    "description": "Sword",
    "metadata": {"key1": {"key2": 3}},
}
RECIPIENT = {
    **WORDS,
    "amount": 500,
    "currency": "USD",
    "source_wallet_id": WALLET,
    "destination_account_id": SELLER,
    "destination_wallet_id": WALLET,
    "fee_percentage": 0.05,
    "fee_description": "house",
}
ITEM = {
    **WORDS,
    "amount": 550,
    "currency": "USD",
    "transaction_type": "user_to_user",
    "product_sku": "ABC123",
    "product_code": "P-1",
    "recipients": [RECIPIENT],
}
BILL = {
    **WORDS,
    "account_id": ACCOUNT,
    "line_items": [ITEM],
    "invoice_type": "user_purchase",
    "tax_inclusive": True,
    "location": PLACE,
}
PAID_BILL = {**BILL, "payment_methods": [{"payment_method_id": METHOD, "amount": 0}]}
PROFILE = {
    "email": {"address": MAIL, "requires_verification": True},
    "external_platforms": {
        name: {"user_id": "7656119"} for name in ("steam", "oculus", "apple", "google", "microsoft", "nintendo", "sony")
    },
    "full_name": "David",
    "street_address_1": "1 Main St",
    "street_address_2": "",
    "street_address_3": "",
    "city": "Columbus",
    "state_province": "OH",
    "country_iso": "US",
    "zip_postal_code": "43004",
}
USER = {
    "account_id": ACCOUNT,
    "return_token": True,
    "mechanism": "tilia_hosted",
    "flow": "kyc",
    "token_expiration_seconds": 30,
}
CUSTOM = {"account_id": ACCOUNT, "wallet_type": "publisher_hosted", "tags": ["coin:TOK"]}
REFUND = {"reason": "billing", "sub_reason": "Charged twice", "note": "Flag account"}
PAGE = {"limit": 100, "offset": 0, "sort": "desc"}

BODIES: dict[str, dict[str, Any]] = {
    "auth.create_redirect": USER,
    "auth.create_user_token": USER,
    "registration.start": {
        "username": MAIL,
        "password": PHRASE,
        "email": MAIL,
        "tos": True,
        "tracking_id": "454471c2-e4c6-11ea-87d0-0242ac100000",
        "metadata": "serialized",
    },
    "registration.complete": {},
    "accounts.register": {**PROFILE, "username": "david"},
    "accounts.update": PROFILE,
    "accounts.block": {},
    "accounts.unblock": {},
    "accounts.block_capability": {
        "account_id": ACCOUNT,
        "block_capability": "login",
        "block_reason": "account_close",
        "note": "by mail",
    },
    "accounts.merge": {"source_account_id": ACCOUNT, "destination_account_id": SELLER},
    "wallets.create_custom": CUSTOM,
    "payment_methods.update": {"display_string": "Mine", "default_payment": True, "default_payout": False},
    "payment_methods.create_custom_wallet": CUSTOM,
    "token_exchanges.start_purchase": {
        "payment_method_id": METHOD,
        "amount": 250,
        "currency": "VCD",
        "destination_account_id": ACCOUNT,
        "tax_inclusive": False,
        "location": PLACE,
    },
    "token_exchanges.execute_purchase": {},
    "token_exchanges.start_conversion": {"account_id": ACCOUNT, "amount": 100, "currency": "VCD"},
    "token_exchanges.execute_conversion": {},
    "invoices.create": PAID_BILL,
    "invoices.pay": {},
    "invoices.authorize": {**BILL, "invoice_mechanism": "widget", "is_escrow": True},
    "escrow.create": PAID_BILL,
    "escrow.pay": {},
    "escrow.commit": {},
    "escrow.cancel": {},
    "refunds.refund_invoice": {"invoice_id": INVOICE, **REFUND},
    "refunds.refund_line_item": {"line_item_id": LINE_ITEM, "amount": 95, "payment_methods": [METHOD], **REFUND},
    "payouts.request": {
        "source_payment_method_id": METHOD,
        "destination_payment_method_id": "pm_paypal",
        "amount": 250,
        "currency": "USD",
    },
    "transfers.create": {
        **WORDS,
        "account_id": ACCOUNT,
        "balance_transfer_type": "fund_user",
        "transfer_items": [
            {
                "source_wallet_id": WALLET,
                "destination_wallet_id": WALLET,
                "amount": 100,
                "currency": "USD",
                "transfer_item_type": "usd_user_to_integrator_sink",
                "description": "sink",
            }
        ],
    },
    "compliance.onboard_entity": {"entity_name": "Tilia Entity", "user_email": MAIL, "jurisdiction": "domestic"},
}
QUERIES: dict[str, dict[str, Any]] = {
    "accounts.find": {"username": "david"},
    "wallets.balances": {"currency": "USD"},
    "payment_methods.transaction_methods": {"state": "all", "capability": "purchase"},
    "invoices.list": {
        **PAGE,
        "states": "OPEN,SUCCESS",
        "invoice_types": "user_purchase",
        "include_recipient_transactions": "true",
        "sort_field": "created",
    },
    "escrow.list_by_reference": {**PAGE, "status": "OPEN", "sortField": "created"},
    "refunds.list": {"status": "REFUND-SUCCESS"},
}
