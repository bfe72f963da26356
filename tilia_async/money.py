"""Exact amounts of money."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import attrs

from tilia_async.currencies import DECIMALS, as_iso_writes_it, is_code
from tilia_async.json_model import JsonModel


def _whole_number(_instance: object, attribute: attrs.Attribute[int], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{attribute.name} is a whole number of the currency's smallest unit (500 for USD 5.00), not {value!r}"
        )


def _currency_code(_instance: object, _attribute: attrs.Attribute[str], value: object) -> None:
    if not is_code(value):
        raise ValueError(f"currency is a code of three characters such as 'USD', not {value!r}")


def _in_capitals(value: str) -> str:
    # Anything but a text is left to the validator.
    return as_iso_writes_it(value) if isinstance(value, str) else value  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker


def _factor(times: object) -> int:
    if isinstance(times, bool) or not isinstance(times, int):
        raise TypeError(f"money is multiplied and divided by whole numbers only, not {times!r}; split() divides it")
    return times


@functools.total_ordering
@attrs.frozen(order=False)
class Money(JsonModel):
    """An amount in a currency's smallest unit.

    A whole number, e.g. ``Money(500, "USD")`` for five dollars.

    Tilia counts every amount this way, for ISO 4217 currencies and for a publisher's own tokens (fact sheet "money",
    0.6). There are no floats, and amounts of different currencies neither add nor compare. ``"usd"`` is ``"USD"``; the
    code of a token of yours stays as you write it.

    Raises:
        TypeError: ``minor_units`` is not an ``int``; another currency is added or compared.
        ValueError: ``currency`` is not a code of three characters.
    """

    minor_units: int = attrs.field(validator=_whole_number)
    """Amount in the currency's smallest unit."""
    currency: str = attrs.field(converter=_in_capitals, validator=_currency_code)
    """Currency code.

    ISO 4217, or the three characters of your token.
    """

    def __add__(self, other: Money) -> Money:
        return Money(self.minor_units + self._same_currency(other, "added to"), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor_units - self._same_currency(other, "taken from"), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor_units, self.currency)

    def __mul__(self, times: int) -> Money:
        return Money(self.minor_units * _factor(times), self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        return self.minor_units < self._same_currency(other, "compared with")

    def __bool__(self) -> bool:
        return self.minor_units != 0

    def display(self, precision: int | None = None) -> str:
        """Return the amount as Tilia writes it.

        E.g. ``USD 5.00``, ``JPY 5``, ``KWD 1.234``.

        Args:
            precision: how many decimals a token of yours has; None: those of the currency by ISO 4217. A code that ISO
                does not know is written in its smallest unit then.

        Raises:
            ValueError: the precision is negative.
        """
        decimals = DECIMALS.get(self.currency, 0) if precision is None else int(precision)
        if decimals < 0:
            raise ValueError(f"precision is 0 or more, not {precision!r}")
        whole, fraction = divmod(abs(self.minor_units), 10**decimals)
        sign = "-" if self.minor_units < 0 else ""
        return f"{self.currency} {sign}{whole}" + (f".{fraction:0{decimals}d}" if decimals else "")

    def __str__(self) -> str:
        return self.display()

    def split(self, shares: int | Sequence[int]) -> tuple[Money, ...]:
        """Divide without losing a unit.

        Equal shares, or shares in proportion to whole-number weights.

        What the division leaves over goes, one unit each, to the largest fractions, the earlier share first.

        Raises:
            ValueError: there is no share, a weight is negative, or all weights are 0.
            TypeError: a weight is not a whole number.
        """
        weights = [1] * _factor(shares) if isinstance(shares, int) else [_factor(weight) for weight in shares]
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError(f"shares are a positive number or weights that are not all 0, not {shares!r}")
        size, sign = abs(self.minor_units), (1 if self.minor_units >= 0 else -1)
        parts = [size * weight // total for weight in weights]
        by_fraction = sorted(range(len(weights)), key=lambda index: -(size * weights[index] % total))
        for index in by_fraction[: size - sum(parts)]:
            parts[index] += 1
        return tuple(Money(sign * part, self.currency) for part in parts)

    def _same_currency(self, other: object, verb: str) -> int:
        if not isinstance(other, Money):
            raise TypeError(f"{other!r} cannot be {verb} money; wrap it in Money with its currency")
        if other.currency != self.currency:
            raise TypeError(f"{other.currency} cannot be {verb} {self.currency}")
        return other.minor_units


def require_money(amount: object) -> None:
    """Refuse an amount without a currency.

    Raises:
        TypeError: it is no ``Money``.
    """
    if not isinstance(amount, Money):
        raise TypeError(
            f"an amount with its currency is wanted, such as Money(1250, 'USD') for USD 12.50, not {amount!r}"
        )


def money_or_none(minor_units: int | None, currency: str | None) -> Money | None:
    """Return an amount of an answer with its currency.

    None where either is missing or not a currency code.
    """
    if minor_units is None or not currency:
        return None
    try:
        return Money(minor_units, currency)
    except (TypeError, ValueError):
        return None
