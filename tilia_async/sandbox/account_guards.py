"""Guards: the accounts of a transaction, and their rights."""

from __future__ import annotations

from collections.abc import Iterable

from tilia_async.sandbox.requests import ErrorResponse, SandboxRequest
from tilia_async.sandbox.responses import blocked, invalid, not_found
from tilia_async.sandbox.state.accounts import SandboxAccount


def account_of_path(call: SandboxRequest) -> SandboxAccount:
    """Return the user of the path's ``account_id``.

    Raises:
        ErrorResponse: 404.
    """
    account = call.world.accounts.users.get(call.path["account_id"])
    if account is None:
        raise ErrorResponse(not_found("account"))
    return account


def account_of_body(call: SandboxRequest, account_id: str, field: str = "account_id") -> SandboxAccount:
    """Return the user that a body names.

    Raises:
        ErrorResponse: 400, where no 404 is documented.
    """
    account = call.world.accounts.users.get(account_id)
    if account is None:
        raise ErrorResponse(invalid({field: ["account not found"]}))
    return account


def refuse_blocked(call: SandboxRequest, account_ids: Iterable[str]) -> None:
    """Refuse blocked accounts.

    Whoever is blocked neither pays nor receives.

    That recipients are refused as well is inferred from "blocked accounts are unable to conduct transactions". Money
    that goes back to a buyer is the publisher's transaction, and is not refused.

    Raises:
        ErrorResponse: 403 with the first of them.
    """
    for account_id in account_ids:
        account = call.world.accounts.users.get(account_id)
        if account is not None and account.is_blocked:
            raise ErrorResponse(blocked(account_id))
