"""What a wallet is, and what is in it (fact sheet "money", A)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs


@attrs.frozen
class Wallet:
    """A wallet.

    Attributes:
        current_balance: in the smallest unit of its currency.
        active: Tilia writes 1 in one place and true in another.
        tags: e.g. ``coin:TOK``, ``registration``, ``hos``.
    """

    wallet_id: str
    account_id: str | None = None
    description: str | None = None
    currency: str | None = None
    current_balance: int | None = None
    active: bool | None = None
    tags: tuple[str, ...] = ()
    integrator: str | None = None
    created: datetime | None = None
    updated: datetime | None = None


@attrs.frozen
class BalanceAmount:
    """An amount, and how Tilia shows it.

    Attributes:
        balance: in the smallest unit of the currency.
        display: e.g. ``$500.00``.
    """

    balance: int
    display: str | None = None


@attrs.frozen
class CurrencyBalance:
    """What an account has in one currency.

    Attributes:
        spendable: what can be spent; for a token, the standard and the convertible wallet together.
        convertible: what can be turned into money; None for currencies that are money.
        spendable_balance: in newer answers; how it differs from ``spendable`` is not documented.
    """

    spendable: BalanceAmount | None = None
    convertible: BalanceAmount | None = None
    spendable_balance: BalanceAmount | None = None


@attrs.frozen
class AccountBalances:
    """What an account has, by currency code."""

    account_id: str | None = None
    balances: Mapping[str, CurrencyBalance] = attrs.field(factory=dict[str, CurrencyBalance], hash=False)
