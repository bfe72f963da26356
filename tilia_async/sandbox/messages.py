"""What the sandbox's notifications say (fact sheet "compliance-webhooks", A.3 and A.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tilia_async.json_value import JsonObject

if TYPE_CHECKING:
    from tilia_async.sandbox.world import SandboxAccount

ACCOUNT_BLOCK: Final = "account-block-unblock-webhook"
REGISTRATION: Final = "register-account-completed"

EVENT_NAMES: Final = frozenset(
    {
        ACCOUNT_BLOCK,
        REGISTRATION,
        "balance-transfer-completed-publisher",
        "deposit-completed",
        "escrow-transaction-update",
        "invoice-completed",
        "refund-completed",
        "token-exchange-completed",
        "payment-method-updated",
        "kyc-webhook",
        "wallet-balance-alert",
        # Tilia's pages do not tell the names of these two: inferred.
        "payout-complete",
        "kyb-status-change",
    }
)
"""The events that a URL can be registered for."""


def registered(account: SandboxAccount) -> tuple[str, JsonObject]:
    """Name and message of the event "an account was registered"."""
    return REGISTRATION, {
        "account_id": account.account_id,
        "email": email(account),
        "external_platforms": platforms(account),
        "username": account.username,
    }


def block_changed(account: SandboxAccount, issuer: str) -> tuple[str, JsonObject]:
    """Name and message of the event "an account was blocked or unblocked".

    What stands in ``blocks`` after an unblocking is inferred: the block that was lifted.
    """
    block: JsonObject = {
        "account_id": account.account_id,
        "block_id": account.block_id,
        "capability": "login",
        "issuer": issuer,
        "reason": "account_close",
    }
    return ACCOUNT_BLOCK, {"account_id": account.account_id, "blocks": block, "is_blocked": account.is_blocked}


def email(account: SandboxAccount) -> JsonObject:
    """The e-mail address as registrations tell it."""
    return {
        "email_id": account.email_id,
        "address": account.email or "",
        "email_types": ["primary_contact"],
        "is_verified": account.email is not None,
    }


def platforms(account: SandboxAccount) -> JsonObject:
    """The ids on external platforms as registrations tell them."""
    return {name: {"user_id": user_id} for name, user_id in account.external_platforms.items()}
