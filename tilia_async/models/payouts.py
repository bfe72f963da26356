"""Payouts from a wallet to an account elsewhere (fact sheet "money", E)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs

from tilia_async.json_model import JsonModel
from tilia_async.json_value import JsonValue
from tilia_async.money import Money, money_or_none


class PayoutStatus(StrEnum):
    """State of a payout.

    Only funds in escrow can be cancelled.
    """

    ESCROW_TRANSFER_INITIATED = "ESCROW-TRANSFER-INITIATED"
    ESCROW_TRANSFER_FAILED = "ESCROW-TRANSFER-FAILED"
    FUNDS_IN_ESCROW = "FUNDS-IN-ESCROW"
    FUNDS_IN_ESCROW_ON_HOLD = "FUNDS-IN-ESCROW-ON-HOLD"
    CREDIT_TRANSFER_INITIATED = "CREDIT-TRANSFER-INITIATED"
    TILIA_ONHOLD = "TILIA-ONHOLD"
    PROVIDER_ONHOLD = "PROVIDER-ONHOLD"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    USER_CANCELED = "USER-CANCELED"
    USER_REVERSE_TRANSFER_INITIATED = "USER-REVERSE-TRANSFER-INITIATED"
    USER_REVERSE_FAILED = "USER-REVERSE-FAILED"
    USER_REVERSED = "USER-REVERSED"
    SUPPORT_REJECT_TRANSFER_INITIATED = "SUPPORT-REJECT-TRANSFER-INITIATED"
    SUPPORT_REJECT_FAILED = "SUPPORT-REJECT-FAILED"
    SUPPORT_REJECTED = "SUPPORT-REJECTED"
    SYSTEM_REJECTED = "SYSTEM-REJECTED"
    SYSTEM_REJECT_FAILED = "SYSTEM-REJECT-FAILED"


class PayoutFlow(StrEnum):
    """Direction of a payout.

    Publisher to user, Tilia to publisher, user to own account.
    """

    DISBURSEMENT = "DISBURSEMENT"
    SETTLEMENT = "SETTLEMENT"
    STANDARD = "STANDARD"


@attrs.frozen(eq=False, repr=False)
class PayoutCredit(JsonModel):
    """Amount that the receiver of a payout gets."""

    destination_payment_method_id: str | None = None
    """Payment method that receives; may be empty."""
    amount: int | None = None
    """Amount that the receiver gets.

    In the smallest unit of ``currency``.
    """
    fee_amount: int | None = None
    """Fee in the smallest unit of ``currency``."""
    currency: str | None = None
    """Currency code.

    ISO 4217, or the three characters of your token.
    """
    status: str | None = None
    """State: ``CREATED``, ``CANCELED``; Tilia may know more."""

    @property
    def money(self) -> Money | None:
        """Amount with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.amount, self.currency)

    @property
    def fee(self) -> Money | None:
        """Fee with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.fee_amount, self.currency)


@attrs.frozen(eq=False, repr=False)
class Payout(JsonModel):
    """A payout."""

    payout_status_id: str
    """Payout, the id that get and cancel take."""
    credit_id: str | None = None
    """Credit to the receiver."""
    account_id: str | None = None
    """Account, at most 36 characters."""
    status: PayoutStatus | str | None = None
    """State of the payout; Tilia may know more."""
    payout_flow: PayoutFlow | str | None = None
    """Direction of the payout."""
    credit: PayoutCredit | None = None
    """Amount and receiver."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none or its zero time.
    """

    @staticmethod
    def _reshape(payload: JsonValue) -> JsonValue:
        """Return the payout alone.

        A cancelled one comes in a list.

        Tilia's Unity SDK knows the id by another name, too.
        """
        only = payload[0] if isinstance(payload, list) and len(payload) == 1 else payload
        if isinstance(only, dict) and "payout_status_id" not in only and "payout_id" in only:
            return {**only, "payout_status_id": only["payout_id"]}
        return only
