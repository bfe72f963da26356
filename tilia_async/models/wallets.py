"""Wallets and balances (fact sheet "money", A)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

from tilia_async.json_model import JsonModel
from tilia_async.money import Money, money_or_none


@attrs.frozen(eq=False, repr=False)
class Wallet(JsonModel):
    """A wallet."""

    wallet_id: str
    """Wallet, at most 36 characters."""
    account_id: str | None = None
    """Owner."""
    description: str | None = None
    """Description, at most 100 characters; may be empty."""
    currency: str | None = None
    """Currency code.

    ISO 4217, or the three characters of your token.
    """
    current_balance: int | None = None
    """Balance in the smallest unit of ``currency``."""
    active: bool | None = None
    """True if it can be used.

    Tilia writes 1 in one place and true in another.
    """
    tags: tuple[str, ...] = ()
    """Tags, e.g. ``coin:TOK``, ``registration``, ``hos``."""
    integrator: str | None = None
    """Publisher, i.e. you, by Tilia's name for you."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none or its zero time.
    """

    @property
    def balance(self) -> Money | None:
        """Balance with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.current_balance, self.currency)


@attrs.frozen(eq=False, repr=False)
class BalanceAmount(JsonModel):
    """Balance, and how Tilia displays it."""

    balance: int
    """Balance in the smallest unit of the currency."""
    display: str | None = None
    """Balance as Tilia displays it, e.g. ``$500.00``."""


@attrs.frozen(eq=False, repr=False)
class CurrencyBalance(JsonModel):
    """Balances of an account in one currency."""

    spendable: BalanceAmount | None = None
    """Balance that can be spent.

    For a token, of the standard and the convertible wallet together.
    """
    convertible: BalanceAmount | None = None
    """Balance that can be turned into money.

    None for currencies that are money.
    """
    spendable_balance: BalanceAmount | None = None
    """Balance in newer answers.

    Its difference from ``spendable`` is not documented.
    """


@attrs.frozen(eq=False, repr=False)
class AccountBalances(JsonModel):
    """Balances of an account."""

    account_id: str | None = None
    """Account, at most 36 characters."""
    balances: Mapping[str, CurrencyBalance] = attrs.field(factory=dict[str, CurrencyBalance], hash=False)
    """Balances by currency code."""
