"""Requests of a verification: reads, and writes without money."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from tilia_async.json_value import JsonInput
from tilia_async.secret import Secret
from tilia_async.verify.known_ids import KnownIds
from tilia_async.verify.probe import Asked
from tilia_async.wire.operation import Operation

Body: TypeAlias = Mapping[str, JsonInput]
Make: TypeAlias = Callable[[KnownIds], Body | None]
"""Maker of a body; None where an id is unknown."""

READS: Final = (
    "accounts.get",
    "accounts.is_blocked",
    "accounts.find",
    "accounts.get_blocks",
    "compliance.tos_status",
    "compliance.kyc_status",
    "wallets.list",
    "payment_methods.list",
    "payment_methods.get",
    "payment_methods.transaction_methods",
    "wallets.get",
    "wallets.balances",
    "invoices.list",
    "invoices.get",
    "invoices.get_authorized",
    "refunds.list",
    "escrow.get",
    "escrow.find_by_invoice",
    "escrow.list_by_reference",
    "token_exchanges.get",
    "payouts.list",
    "payouts.get",
)
"""Reads, each after those that tell it ids."""

_REFERENCE: Final = "tilia-sdk-verify"
_MONEY: Final = "it moves money"
_LASTING: Final = "it cannot be undone"
NEVER: Final[Mapping[str, str]] = {
    "token_exchanges.execute_purchase": _MONEY,
    "token_exchanges.execute_conversion": _MONEY,
    "invoices.pay": _MONEY,
    "escrow.pay": _MONEY,
    "escrow.commit": _MONEY,
    "escrow.cancel": _MONEY,
    "refunds.refund_invoice": _MONEY,
    "refunds.refund_line_item": _MONEY,
    "payouts.request": _MONEY,
    "payouts.cancel": _MONEY,
    "transfers.create": _MONEY,
    "accounts.merge": _LASTING,
    "token_exchanges.start_conversion": "the account would need KYC and tokens that it earned",
    "wallets.create_custom": "its type has to be agreed with Tilia",
    "payment_methods.create_custom_wallet": "its type has to be agreed with Tilia",
    "compliance.onboard_entity": "it begins a check of a business",
}
"""Writes that are never tried, with the reason."""


def _fresh_address(_: KnownIds) -> str:
    return f"verify-{secrets.token_hex(6)}@example.com"


def _registration(_: KnownIds) -> Body:
    address = _fresh_address(_)
    return {"username": address, "email": {"address": address, "requires_verification": False}}


def _first_step(_: KnownIds) -> Body:
    address = _fresh_address(_)
    return {"username": address, "email": address, "password": Secret(f"k7{secrets.token_hex(5)}")}


def _with_account(**fields: JsonInput) -> Make:
    return lambda known: {"account_id": known.found["account_id"], **fields} if "account_id" in known.found else None


def _purchase(known: KnownIds) -> Body | None:
    method, token = known.found.get("wallet_method_id"), known.found.get("token")
    return None if method is None or token is None else {"payment_method_id": method, "amount": 1, "currency": token}


def _draft(*, paid_in_pages: bool = False) -> Make:
    def make(known: KnownIds) -> Body | None:
        account, method = known.found.get("account_id"), known.found.get("wallet_method_id")
        if account is None or (method is None and not paid_in_pages):
            return None
        item: Body = {"amount": 1, "currency": "USD", "transaction_type": "user_to_integrator"}
        body: Body = {"account_id": account, "line_items": [item], "reference_id": _REFERENCE}
        return {**body, "invoice_mechanism": "widget"} if paid_in_pages else _paid_by(body, method)

    return make


def _paid_by(body: Body, method: str | None) -> Body:
    return {**body, "payment_methods": [{"payment_method_id": method}]}


WRITES: Final[Mapping[str, Make]] = {
    "accounts.register": _registration,
    "registration.start": _first_step,
    "registration.complete": lambda known: {} if "registration_id" in known.found else None,
    "accounts.update": lambda _: {"full_name": "Tilia SDK verify"},
    "auth.create_redirect": _with_account(),
    "auth.create_user_token": _with_account(return_token=True),
    "payment_methods.update": lambda _: {"display_string": "Tilia SDK verify"},
    "token_exchanges.start_purchase": _purchase,
    "invoices.create": _draft(),
    "invoices.authorize": _draft(paid_in_pages=True),
    "escrow.create": _draft(),
    # Last: a block that cannot be lifted would be in the way of the others.
    "accounts.block": lambda _: {},
    "accounts.unblock": lambda _: {},
    "accounts.block_capability": _with_account(block_capability="login", block_reason="account_close"),
}
"""Writes for an account of their own, in this order."""


def read_of(operation: Operation[object], known: KnownIds) -> Asked:
    """Return the request of an operation that reads."""
    path, real = dict(known.path(operation)), known.knows(operation)
    query: Mapping[str, str | int] | None = None
    if operation.name == "accounts.find":
        query, real = {"username": known.found.get("username", _REFERENCE)}, "username" in known.found
    elif operation.name == "escrow.find_by_invoice":
        real = "escrow_invoice_id" in known.found
        path["invoice_id"] = known.found.get("escrow_invoice_id", path["invoice_id"])
    elif operation.name == "escrow.list_by_reference":
        # A list of nothing is an answer, too.
        path, real = {"reference_id": _REFERENCE}, False
    return Asked(path, query, real=real, proven=real and known.proves(operation))
