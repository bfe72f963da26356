"""A good answer for every operation.

As its body: mutations start from it.
"""

from __future__ import annotations

from typing import Any

from support import money_calls
from support.money_samples import CONVERSION, FULL
from support.samples import (
    ACCOUNT,
    APPAUTH,
    BALANCES_CAPTURED,
    CARD,
    COMPLETED,
    LONG_TOKEN,
    NONCE,
    PROFILE,
    REGISTERED,
    TOKEN_WALLET,
    USD_WALLET,
    WALLET_CAPTURED,
)


def _enveloped(payload: Any) -> dict[str, Any]:
    return {"status": "Success", "message": [], "codes": [], "payload": payload}


GOOD: dict[str, dict[str, Any]] = {
    **{name: known.answer for name, known in money_calls.CALLS.items()},
    **{
        name: _enveloped(payload)
        for name, payload in {
            "accounts.get": PROFILE,
            "accounts.find": PROFILE,
            "accounts.is_blocked": PROFILE,
            "accounts.block": {"account_id": ACCOUNT, "is_blocked": True},
            "accounts.unblock": {"account_id": ACCOUNT, "is_blocked": False},
            "accounts.register": REGISTERED,
            "registration.start": {"registration_id": "454471c2-e4c6-11ea-87d0-0242ac100000"},
            "registration.complete": COMPLETED,
            "wallets.get": WALLET_CAPTURED,
            "wallets.list": [USD_WALLET, CARD, TOKEN_WALLET],
            "wallets.balances": BALANCES_CAPTURED,
            "payment_methods.list": [USD_WALLET, CARD],
            "auth.create_redirect": {"redirect": APPAUTH, "nonce_auth_id": NONCE},
            "auth.create_user_token": LONG_TOKEN,
            "invoices.get": FULL,
            "token_exchanges.get": CONVERSION,
        }.items()
    },
}
