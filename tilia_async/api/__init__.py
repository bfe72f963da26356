"""The nouns of Tilia's API.

For each its models, its operations and its methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tilia_async.api import (
    accounts,
    auth,
    compliance,
    escrow,
    invoices,
    payment_methods,
    payouts,
    refunds,
    registration,
    token_exchanges,
    transfers,
    wallets,
)
from tilia_async.wire.operation import Operation

_NOUNS = (
    auth,
    registration,
    accounts,
    wallets,
    payment_methods,
    token_exchanges,
    invoices,
    escrow,
    refunds,
    payouts,
    transfers,
    compliance,
)


def _declared() -> dict[str, Operation[object]]:
    """Return the operations that the modules declare.

    An operation that one of them imports from another has that one's name.
    """
    found: dict[str, Operation[object]] = {}
    for noun in _NOUNS:
        prefix = f"{noun.__name__.rpartition('.')[2]}."
        values: list[object] = list(vars(noun).values())
        found |= {each.name: each for each in values if isinstance(each, Operation) and each.name.startswith(prefix)}
    return found


OPERATIONS: Mapping[str, Operation[object]] = MappingProxyType(_declared())
"""Every operation by its name."""

__all__ = ["OPERATIONS"]
