"""Values of notifications alone (fact sheet "compliance-webhooks", A.4).

They stand in the fields of notifications and nowhere else.
"""

from __future__ import annotations

from enum import StrEnum

import attrs


class EntityStatus(StrEnum):
    """The result of checking a business."""

    ACCEPT = "ACCEPT"
    CANCEL = "CANCEL"
    DENY = "DENY"
    INACTIVE = "INACTIVE"
    INCOMPLETE = "INCOMPLETE"
    PROCESSING = "PROCESSING"


@attrs.frozen
class NotifiedRefund:
    """A refund of a line item.

    The amount is in the smallest unit of the currency.
    """

    refund_id: str | None = None
    """Refund, at most 36 characters."""
    amount: int | None = None
    """Amount in the smallest unit of ``currency``."""
    currency: str | None = None
    """Currency code."""
