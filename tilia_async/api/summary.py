"""The totals of an invoice or exchange (fact sheet "money", D, "Response: invoice object")."""

from __future__ import annotations

import attrs


@attrs.frozen
class Total:
    """One total; amounts in the smallest unit of the currency, ``total_amount_usd`` in cents.

    Attributes:
        currency, display_amount: may be empty for taxes and exchange.
    """

    total_amount: int | None = None
    total_amount_usd: int | None = None
    currency: str | None = None
    display_amount: str | None = None
    exchange_rate_id: str | None = None


@attrs.frozen
class Summary:
    """The totals: in all, and the parts of it where Tilia tells them."""

    total_amount: int | None = None
    total_amount_usd: int | None = None
    currency: str | None = None
    display_amount: str | None = None
    subtotal: Total | None = None
    tax: Total | None = None
    fx: Total | None = None
