"""What stands in the fields of notifications (fact sheet "compliance-webhooks", A.4 and C.1).

Every enumeration is open: a value that Tilia adds stays a string.
"""

from __future__ import annotations

from enum import StrEnum

import attrs


class BalanceTransferStatus(StrEnum):
    """A transfer that failed is "completed", too."""

    EXECUTED = "EXECUTED"
    FAILED = "FAILED"


class EscrowStatus(StrEnum):
    """Where an escrow stands. The sheet's list may not be whole."""

    OPEN = "OPEN"
    ESCROWED = "ESCROWED"
    ESCROW_FAILED = "ESCROW-FAILED"
    COMMITTED = "COMMITTED"
    COMMIT_FAILED = "COMMIT-FAILED"
    CANCELLED = "CANCELLED"
    CANCEL_FAILED = "CANCEL-FAILED"
    SYSTEM_CANCELLED = "SYSTEM-CANCELLED"
    SYSTEM_CANCEL_REQUESTED = "SYSTEM-CANCEL-REQUESTED"
    SYSTEM_CANCEL_FAILED = "SYSTEM-CANCEL-FAILED"


class InvoiceState(StrEnum):
    """Where an invoice stands. ``CANCELED`` has one L here, an escrow's ``CANCELLED`` two."""

    OPEN = "OPEN"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class PayoutFlow(StrEnum):
    """From whom to whom a payout goes."""

    DISBURSEMENT = "DISBURSEMENT"
    SETTLEMENT = "SETTLEMENT"
    STANDARD = "STANDARD"


class PayoutStatus(StrEnum):
    """Where a payout stands, as far as Tilia's own pages tell; other public code knows more values."""

    ESCROW_TRANSFER_INITIATED = "ESCROW-TRANSFER-INITIATED"
    ESCROW_TRANSFER_FAILED = "ESCROW-TRANSFER-FAILED"
    FUNDS_IN_ESCROW = "FUNDS-IN-ESCROW"
    FUNDS_IN_ESCROW_ON_HOLD = "FUNDS-IN-ESCROW-ON-HOLD"
    FAILED = "FAILED"
    SUCCESS = "SUCCESS"
    USER_REVERSE_FAILED = "USER-REVERSE-FAILED"
    USER_REVERSED = "USER-REVERSED"
    SUPPORT_REJECT_FAILED = "SUPPORT-REJECT-FAILED"
    SUPPORT_REJECT_TRANSFER_INITIATED = "SUPPORT-REJECT-TRANSFER-INITIATED"


class ExchangeDirection(StrEnum):
    """Whether tokens are bought or turned into money."""

    TOKEN_PURCHASE = "token_purchase"  # noqa: S105 - no password
    TOKEN_CONVERT = "token_convert"  # noqa: S105 - no password


class ExchangeRateDirection(StrEnum):
    """What the rate is multiplied with: dollars to get tokens, or tokens to get dollars."""

    USD_TO_VIRTUAL = "usd_to_virtual"
    VIRTUAL_TO_USD = "virtual_to_usd"


class TokenExchangeStatus(StrEnum):
    """The two values that the sheet has seen."""

    OPEN = "OPEN"
    SUCCESS = "SUCCESS"


class KycState(StrEnum):
    """What came of checking who a user is."""

    ACCEPT = "ACCEPT"
    CANCEL = "CANCEL"
    DENY = "DENY"
    MANUAL_REVIEW = "MANUAL_REVIEW"
    NODATA = "NODATA"
    NONE = "NONE"
    PROCESSING = "PROCESSING"
    REVERIFY = "REVERIFY"
    SYSTEM_CANCELLED = "SYSTEM-CANCELLED"


class KycRequirements(StrEnum):
    """What a user still has to do."""

    FULL_KYC = "FULL_KYC"
    NONE = "NONE"
    TAX_UPDATE = "TAX_UPDATE"


class PiiLevel(StrEnum):
    """How much Tilia knows of a user."""

    NONE = "NONE"
    BASIC = "BASIC"
    FULL = "FULL"


class EntityStatus(StrEnum):
    """What came of checking a business."""

    ACCEPT = "ACCEPT"
    CANCEL = "CANCEL"
    DENY = "DENY"
    INACTIVE = "INACTIVE"
    INCOMPLETE = "INCOMPLETE"
    PROCESSING = "PROCESSING"


@attrs.frozen
class NotifiedBlock:
    """A block as the notification tells it.

    Attributes:
        capability: what is prevented; ``login`` includes all the others.
        issuer: ``publisher``, or a word for Tilia that is not documented.
    """

    account_id: str | None = None
    block_id: str | None = None
    capability: str | None = None
    issuer: str | None = None
    reason: str | None = None


@attrs.frozen
class NotifiedRefund:
    """One refund of a line item. The amount is in the smallest unit of the currency."""

    refund_id: str | None = None
    amount: int | None = None
    currency: str | None = None


@attrs.frozen
class KycMatch:
    """Another account whose user may be the same person; a score of 1.0 is a perfect match."""

    kyc_match_check_id: str | None = None
    matched_account_id: str | None = None
    matched_kyc_id: str | None = None
    match_score: float | None = None
