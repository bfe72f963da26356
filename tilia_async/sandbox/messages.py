"""Messages of the sandbox's notifications.

Source: fact sheet "compliance-webhooks", A.3 and A.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilia_async import event_names
from tilia_async.json_value import JsonObject

if TYPE_CHECKING:
    from tilia_async.sandbox.state.accounts import Block, SandboxAccount


def registered(account: SandboxAccount) -> tuple[str, JsonObject]:
    """Name and message of the event "an account was registered"."""
    return event_names.REGISTRATION, {
        "account_id": account.account_id,
        "email": email(account),
        "external_platforms": platforms(account),
        "username": account.username,
    }


def block_changed(account: SandboxAccount, block: Block) -> tuple[str, JsonObject]:
    """Return the block event's name and message.

    The event "an account was blocked or unblocked".

    What stands in ``blocks`` after an unblocking is inferred: the block that was lifted.
    """
    return event_names.ACCOUNT_BLOCK, {**blocks(account, block), "is_blocked": account.is_blocked}


def blocks(account: SandboxAccount, block: Block | None) -> JsonObject:
    """Return the blocks as a notification tells them.

    A single block, although the page speaks of a list; empty, inferred, while nothing is blocked.
    """
    blocks: JsonObject = {}
    if block is not None:
        blocks = {
            "account_id": account.account_id,
            "block_id": block.block_id,
            "capability": block.capability,
            "issuer": block.issuer,
            "reason": block.reason,
        }
    return {"account_id": account.account_id, "blocks": blocks}


def email(account: SandboxAccount) -> JsonObject:
    """Return the e-mail address as registrations tell it."""
    return {
        "email_id": account.email_id,
        "address": account.email or "",
        "email_types": ["primary_contact"],
        "is_verified": account.email is not None,
    }


def platforms(account: SandboxAccount) -> JsonObject:
    """Return the external platforms' ids as registrations tell them."""
    return {name: {"user_id": user_id} for name, user_id in account.external_platforms.items()}
