"""The nouns of Tilia's API: for each its models, its operations and its methods."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tilia_async.api import accounts, auth, payment_methods, registration, wallets
from tilia_async.wire.operation import Operation

_DECLARED: tuple[Operation[object], ...] = (
    auth.CREATE_REDIRECT,
    auth.CREATE_USER_TOKEN,
    registration.START,
    registration.COMPLETE,
    accounts.REGISTER,
    accounts.GET,
    accounts.FIND,
    accounts.BLOCK,
    accounts.UNBLOCK,
    accounts.IS_BLOCKED,
    wallets.LIST,
    wallets.GET,
    wallets.BALANCES,
    payment_methods.LIST,
)

OPERATIONS: Mapping[str, Operation[object]] = MappingProxyType({each.name: each for each in _DECLARED})
"""Every operation by its name."""

__all__ = ["OPERATIONS"]
