"""Terms of service, KYC and KYB (fact sheet "compliance-webhooks", B, C and D)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput, JsonValue
from tilia_async.scopes import Scope
from tilia_async.wire import checks
from tilia_async.wire.operation import Evidence, Operation, Repeat

if TYPE_CHECKING:
    from tilia_async.transport.caller import Caller


class KycState(StrEnum):
    """How far the check of a user is; Tilia may know more."""

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
    """What a user has to do yet."""

    FULL_KYC = "FULL_KYC"
    NONE = "NONE"
    TAX_UPDATE = "TAX_UPDATE"


class PiiLevel(StrEnum):
    """What Tilia knows of a user: nothing, enough for taxes, or all of it and verified."""

    NONE = "NONE"
    BASIC = "BASIC"
    FULL = "FULL"


@attrs.frozen
class TosStatus:
    """Whether the account has signed the latest terms of service of Tilia."""

    signed_tos: bool


@attrs.frozen
class KycMatchCheck:
    """Another account whose data look alike.

    Attributes:
        match_score: 1.0 is a perfect match.
    """

    kyc_match_check_id: str | None = None
    matched_account_id: str | None = None
    matched_kyc_id: str | None = None
    match_score: float | None = None


@attrs.frozen
class KycStatus:
    """How far the check of a user is. After NODATA, DENY or CANCEL the user goes through the KYC pages again."""

    account_id: str
    state: KycState | str
    kyc_id: str | None = None
    kyc_requirements: KycRequirements | str | None = None
    pii_level: PiiLevel | str | None = None
    match_checks: tuple[KycMatchCheck, ...] = ()


@attrs.frozen
class OnboardedEntity:
    """A business that was entered for KYB, now or earlier."""

    entity_id: str
    vendor_response: JsonValue = attrs.field(default=None, repr=False, hash=False)


TOS_STATUS = Operation(
    "compliance.tos_status",
    "GET",
    Service.ACCOUNTS,
    "/user-info/{account_id}/tos/tilia",
    TosStatus,
    scopes={Scope.READ_ACCOUNTS},
    repeat=Repeat.SAFE,
    echoes={"account_id": "account_id"},
)
KYC_STATUS = Operation(
    "compliance.kyc_status",
    "GET",
    Service.PII,
    "/v1/kyc/{account_id}",
    KycStatus,
    scopes={Scope.READ_KYCS},
    repeat=Repeat.SAFE,
    echoes={"account_id": "account_id"},
)
ONBOARD_ENTITY = Operation(
    "compliance.onboard_entity",
    "POST",
    Service.PII,
    "/v1/entity/{account_id}/onboard",
    OnboardedEntity,
    scopes={Scope.VERIFY_KYC},
    # Tilia documents that a second call returns the entity that is there.
    repeat=Repeat.SAFE,
    reference=("account_id", "entity_name"),
    echoes={"account_id": "account_id"},
    evidence=Evidence({"scope"}, "the page hides the scope; verify_kyc is the only writing one of the service"),
)


@attrs.frozen(eq=False)
class Compliance:
    """``tilia.compliance``: may this user be paid? Signing and submitting is done in Tilia's pages."""

    _caller: Caller

    async def tos_status(self, account_id: str, *, options: RequestOptions | None = None) -> TosStatus:
        """Say whether a user has signed Tilia's latest terms of service.

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "compliance-webhooks", B.1 (operationId VLatestGetTiliaTOS); scope ``read_accounts``.
        """
        return await self._caller.value(TOS_STATUS, path={"account_id": account_id}, options=options)

    async def kyc_status(self, account_id: str, *, options: RequestOptions | None = None) -> KycStatus:
        """Say how far the check of a user is.

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "compliance-webhooks", C.1 (operationId GetKYCStatus); scope ``read_kycs``.
        """
        return await self._caller.value(KYC_STATUS, path={"account_id": account_id}, options=options)

    async def onboard_entity(
        self,
        account_id: str,
        entity_name: str,
        user_email: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> OnboardedEntity:
        """Enter a business for KYB, or get the one that was entered.

        Args:
            account_id: at most 36 characters.
            entity_name: not empty.
            user_email: None: the account's address.

        Raises:
            InvalidRequestError: a field breaks one of these rules.

        Source: fact sheet "compliance-webhooks", D (operationId KYBEntityOnboard); scope ``verify_kyc`` is inferred.
        """
        checks.refuse(
            ONBOARD_ENTITY.name,
            {
                "account_id": checks.identifier(account_id),
                "entity_name": checks.text(entity_name),
                "user_email": [] if user_email is None else checks.email_address(user_email),
            },
        )
        body: dict[str, JsonInput] = {"entity_name": entity_name}
        if user_email is not None:
            body["user_email"] = user_email
        return await self._caller.value(ONBOARD_ENTITY, path={"account_id": account_id}, body=body, options=options)
