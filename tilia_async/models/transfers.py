"""Balance transfers between wallets (fact sheet "money", A8)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import attrs

from tilia_async import checks
from tilia_async.field_types import AMOUNT, CURRENCY, ID, TEXT, WANTED
from tilia_async.json_model import JsonModel
from tilia_async.json_value import JsonInput
from tilia_async.models.amount import Amount, AmountArgument
from tilia_async.models.request_part import Problems


class TransferStatus(StrEnum):
    """Result of a balance transfer."""

    EXECUTED = "EXECUTED"
    FAILED = "FAILED"


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TransferItem(JsonModel):
    """Movement of a transfer.

    Source or destination belongs to the primary account.
    """

    source_wallet_id: Annotated[str, ID]
    """Wallet that pays.

    It or the destination belongs to the primary account.
    """
    destination_wallet_id: Annotated[str, ID]
    """Wallet that receives."""
    amount: Annotated[Amount, AMOUNT]
    """Amount, at least 1.

    In the smallest unit of the currency, or ``Money``.
    """
    currency: Annotated[str | None, CURRENCY, WANTED] = None
    """Currency code, three characters.

    With an amount that is not ``Money``.
    """
    transfer_item_type: Annotated[str | None, TEXT] = None
    """Type of movement, as agreed with Tilia."""
    description: Annotated[str | None, TEXT] = None
    """Description for people."""

    def problems(self) -> Problems:
        """Return what Tilia would refuse, by field."""
        ids = {
            "source_wallet_id": checks.identifier(self.source_wallet_id),
            "destination_wallet_id": checks.identifier(self.destination_wallet_id),
        }
        words = {"transfer_item_type": self.transfer_item_type, "description": self.description}
        ids |= {field: checks.text(text, shortest=0) for field, text in words.items() if text is not None}
        wrong = {field: reasons for field, reasons in ids.items() if reasons}
        return wrong | AmountArgument(self.amount, self.currency).problems()

    def _to_body(self) -> dict[str, JsonInput]:
        """Return the JSON to send, once there are no problems."""
        texts = {"transfer_item_type": self.transfer_item_type, "description": self.description}
        return {
            "source_wallet_id": self.source_wallet_id,
            "destination_wallet_id": self.destination_wallet_id,
            **AmountArgument(self.amount, self.currency).fields(),
            **{field: text for field, text in texts.items() if text is not None},
        }


@attrs.frozen(eq=False, repr=False)
class BalanceTransfer(JsonModel):
    """Balance transfer.

    One that failed is an answer, not an error: look at ``status``.
    """

    account_id: str | None = None
    """Primary account."""
    balance_transfer_id: str | None = None
    """Transfer, ``bt_…``."""
    balance_transfer_type: str | None = None
    """Type of transfer, as agreed with Tilia."""
    invoice_id: str | None = None
    """Invoice, at most 36 characters."""
    reference_type: str | None = None
    """Kind of ``reference_id``, as you gave it; may be empty."""
    reference_id: str | None = None
    """Reference of your own; may be empty."""
    description: str | None = None
    """Description, as it was given; may be empty."""
    status: TransferStatus | str | None = None
    """State; ``FAILED`` is an answer, not an error."""
    failure_reason: str | None = None
    """Reason of a failure in words; empty while nothing failed."""
