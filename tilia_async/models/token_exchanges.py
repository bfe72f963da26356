"""Purchases and conversions of tokens (fact sheet "money", C)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs

from tilia_async.json_model import JsonModel
from tilia_async.models.tags import Tag
from tilia_async.models.totals import Summary
from tilia_async.money import Money, money_or_none


class ExchangeDirection(StrEnum):
    """Direction of a token exchange."""

    TOKEN_PURCHASE = "token_purchase"  # noqa: S105 - no password
    TOKEN_CONVERT = "token_convert"  # noqa: S105 - no password


class ExchangeStatus(StrEnum):
    """State of a token exchange; Tilia may know more."""

    OPEN = "OPEN"
    SUCCESS = "SUCCESS"


class RateDirection(StrEnum):
    """Sense of a rate.

    Dollars × rate = tokens, or back.
    """

    USD_TO_VIRTUAL = "usd_to_virtual"
    VIRTUAL_TO_USD = "virtual_to_usd"


@attrs.frozen(eq=False, repr=False)
class TokenExchange(JsonModel):
    """Purchase or conversion of tokens."""

    token_exchange_id: str
    """Exchange, ``vtok_…``."""
    account_id: str | None = None
    """Account that started it."""
    destination_wallet_id: str | None = None
    """Wallet that receives; may be another account's."""
    direction: ExchangeDirection | str | None = None
    """Direction: tokens bought, or turned into money."""
    invoice_id: str | None = None
    """Invoice, at most 36 characters."""
    user_paid_amount: int | None = None
    """Amount that the user gives.

    In the smallest unit of ``user_paid_currency``.
    """
    user_paid_currency: str | None = None
    """Currency code of what the user gives."""
    user_received_amount: int | None = None
    """Amount that the user gets.

    In the smallest unit of ``user_received_currency``.
    """
    user_received_currency: str | None = None
    """Currency code of what the user gets."""
    exchange_rate: float | None = None
    """Rate, in the sense of ``exchange_rate_direction``."""
    exchange_rate_direction: RateDirection | str | None = None
    """Sense of the rate."""
    tilia_fee_amount: int | None = None
    """Fee of Tilia, in the smallest unit of ``fee_currency``."""
    integrator_fee_amount: int | None = None
    """Fee of yours, in the smallest unit of ``fee_currency``."""
    fee_currency: str | None = None
    """Currency code of the fees; may be empty."""
    status: ExchangeStatus | str | None = None
    """State: an open exchange is a quote.

    Executing it makes it happen.
    """
    summary: Summary | None = None
    """Totals; in the answer to execute."""
    tags: tuple[Tag, ...] = ()
    """Tags that Tilia set."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none or its zero time.
    """

    @property
    def user_paid(self) -> Money | None:
        """Money that the user gives.

        None where Tilia does not tell it.
        """
        return money_or_none(self.user_paid_amount, self.user_paid_currency)

    @property
    def user_received(self) -> Money | None:
        """Money that the user gets.

        None where Tilia does not tell it.
        """
        return money_or_none(self.user_received_amount, self.user_received_currency)

    @property
    def tilia_fee(self) -> Money | None:
        """Fee of Tilia; None where Tilia does not tell it."""
        return money_or_none(self.tilia_fee_amount, self.fee_currency)

    @property
    def integrator_fee(self) -> Money | None:
        """Fee of yours; None where Tilia does not tell it."""
        return money_or_none(self.integrator_fee_amount, self.fee_currency)
