"""Amounts as users give them.

``Money``, or a whole number with its currency.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from tilia_async import checks
from tilia_async.currencies import as_iso_writes_it
from tilia_async.json_value import JsonInput
from tilia_async.money import Money

Amount: TypeAlias = int | Money
"""Amount in the currency's smallest unit (fact sheet "money", 0.6)."""


@attrs.frozen
class AmountArgument:
    """An amount beside its currency, as a caller gave them."""

    amount: object
    """Amount in the smallest unit of ``currency``."""
    currency: object = None
    """Currency code.

    ISO 4217, or the three characters of your token.
    """
    currency_wanted: bool = True
    """True if Tilia takes a currency with it."""
    least: int = 1
    """Smallest amount that Tilia takes."""

    def problems(self) -> dict[str, list[str]]:
        """Return what is wrong with it, by field."""
        if isinstance(self.amount, Money):
            given_twice = ["is given twice: Money has one"] if self.currency is not None else []
            return _found({"amount": self._too_small(self.amount.minor_units), "currency": given_twice})
        if isinstance(self.amount, bool) or not isinstance(self.amount, int):
            kind = type(self.amount).__name__
            return {"amount": [f"is a whole number of the currency's smallest unit or Money, not {kind}"]}
        missing = self.currency is None and self.currency_wanted
        wrong = [] if self.currency is None else checks.currency(self.currency)
        reasons = ["is missing; give it, or Money as the amount"] if missing else wrong
        return _found({"amount": self._too_small(self.amount), "currency": reasons})

    def fields(self) -> dict[str, JsonInput]:
        """Return the fields to send, once there are no problems."""
        money = self.amount if isinstance(self.amount, Money) else None
        minor_units = self.amount if money is None else money.minor_units
        currency = self.currency if money is None else money.currency
        if not isinstance(minor_units, int):
            raise TypeError("an amount that has problems is not sent")
        sent: dict[str, JsonInput] = {"amount": minor_units}
        if self.currency_wanted and isinstance(currency, str):
            sent["currency"] = as_iso_writes_it(checks.plain(currency))
        return sent

    def _too_small(self, minor_units: int) -> list[str]:
        return [f"is {minor_units}; {self.least} is the least"] if minor_units < self.least else []


def _found(problems: dict[str, list[str]]) -> dict[str, list[str]]:
    return {field: reasons for field, reasons in problems.items() if reasons}
