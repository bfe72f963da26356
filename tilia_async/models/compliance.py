"""Terms of service, KYC and KYB (fact sheet "compliance-webhooks", B, C and D)."""

from __future__ import annotations

from enum import StrEnum

import attrs

from tilia_async.json_model import JsonModel
from tilia_async.json_value import JsonValue


class KycState(StrEnum):
    """State of a user's KYC check; Tilia may know more."""

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
    """KYC requirements that a user has not met."""

    FULL_KYC = "FULL_KYC"
    NONE = "NONE"
    TAX_UPDATE = "TAX_UPDATE"


class PiiLevel(StrEnum):
    """Extent of personal data.

    None, enough for taxes, or all and verified.
    """

    NONE = "NONE"
    BASIC = "BASIC"
    FULL = "FULL"


@attrs.frozen(eq=False, repr=False)
class TosStatus(JsonModel):
    """Status of Tilia's latest terms of service."""

    signed_tos: bool
    """True if the latest terms are signed."""


@attrs.frozen(eq=False, repr=False)
class KycMatchCheck(JsonModel):
    """Another account whose data look alike."""

    kyc_match_check_id: str | None = None
    """Match, ``kycmc_…``."""
    matched_account_id: str | None = None
    """Other account."""
    matched_kyc_id: str | None = None
    """KYC process of the other account."""
    match_score: float | None = None
    """Score from 0 to 1; 1.0 is a perfect match."""


@attrs.frozen(eq=False, repr=False)
class KycStatus(JsonModel):
    """KYC status of a user."""

    account_id: str
    """Account, at most 36 characters."""
    state: KycState | str
    """State of the check.

    After ``NODATA``, ``DENY`` or ``CANCEL`` the user goes through the KYC pages again.
    """
    kyc_id: str | None = None
    """KYC process, ``kyc_…``."""
    kyc_requirements: KycRequirements | str | None = None
    """Requirements that are left."""
    pii_level: PiiLevel | str | None = None
    """Extent of the personal data that Tilia has."""
    match_checks: tuple[KycMatchCheck, ...] = ()
    """Accounts with similar data."""


@attrs.frozen(eq=False, repr=False)
class OnboardedEntity(JsonModel):
    """Business entered for KYB, now or earlier."""

    entity_id: str
    """Business, ``ent_…``."""
    vendor_response: JsonValue = attrs.field(default=None, repr=False, hash=False)
    """Answer of Tilia's provider.

    Its contents are not documented; not in ``repr``.
    """
