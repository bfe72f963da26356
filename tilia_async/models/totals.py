"""Totals of an invoice or exchange (fact sheet "money", D, "Response: invoice object")."""

from __future__ import annotations

import attrs

from tilia_async.json_model import JsonModel
from tilia_async.money import Money, money_or_none


@attrs.frozen(eq=False, repr=False)
class Total(JsonModel):
    """Total of an invoice or exchange, of one kind."""

    total_amount: int | None = None
    """Total in the smallest unit of ``currency``."""
    total_amount_usd: int | None = None
    """Total in US cents; 0 for tokens."""
    currency: str | None = None
    """Currency code; may be empty for taxes and exchange."""
    display_amount: str | None = None
    """Total as Tilia displays it.

    May be empty for taxes and exchange.
    """
    exchange_rate_id: str | None = None
    """Rate that was used; of ``fx`` only."""

    @property
    def total(self) -> Money | None:
        """Total with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.total_amount, self.currency)


@attrs.frozen(eq=False, repr=False)
class Summary(JsonModel):
    """Total of an invoice or exchange, with its parts.

    The parts where Tilia tells them.
    """

    total_amount: int | None = None
    """Total in the smallest unit of ``currency``."""
    total_amount_usd: int | None = None
    """Total in US cents; 0 for tokens."""
    currency: str | None = None
    """Currency code.

    ISO 4217, or the three characters of your token.
    """
    display_amount: str | None = None
    """Total as Tilia displays it, e.g. ``USD 0.06``."""
    subtotal: Total | None = None
    """Total before taxes and exchange."""
    tax: Total | None = None
    """Taxes."""
    fx: Total | None = None
    """Costs of the currency exchange."""

    @property
    def total(self) -> Money | None:
        """Total with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.total_amount, self.currency)
