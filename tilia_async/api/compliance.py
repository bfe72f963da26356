"""Terms of service, KYC and KYB (fact sheet "compliance-webhooks", B, C and D)."""

from __future__ import annotations

import attrs

from tilia_async import checks
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput
from tilia_async.models.compliance import KycStatus, OnboardedEntity, TosStatus
from tilia_async.models.requests import OnboardBody
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Evidence, Operation, Repeat
from tilia_async.wire.refusal import refuse
from tilia_async.wire.sender import Sender

TOS_STATUS = Operation(
    "compliance.tos_status",
    "GET",
    Service.ACCOUNTS,
    "/user-info/{account_id}/tos/tilia",
    TosStatus,
    other_paths=("/v1/user-info/{account_id}/tos/tilia",),
    scopes={Scope.READ_ACCOUNTS},
    repeat=Repeat.SAFE,
    envelope=False,
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
    body=OnboardBody,
    # Tilia documents that a second call returns the entity that is there.
    repeat=Repeat.SAFE,
    reference=("account_id", "entity_name"),
    echoes={"account_id": "account_id"},
    evidence=Evidence({"scope"}, "the page hides the scope; verify_kyc is the only writing one of the service"),
)


@attrs.frozen(eq=False)
class Compliance:
    """``tilia.compliance``: may this user be paid?

    Signing and submitting is done in Tilia's pages.
    """

    _sender: Sender

    async def tos_status(self, account_id: str, *, options: RequestOptions | None = None) -> TosStatus:
        """Return whether a user has signed the terms.

        Tilia's latest terms of service.

        For example::

            if not (await tilia.compliance.tos_status(account_id)).signed_tos:
                print("send the user to the terms")

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "compliance-webhooks", B.1 (operationId VLatestGetTiliaTOS); scope ``read_accounts``.
        """
        return await self._sender.value(TOS_STATUS, path={"account_id": account_id}, options=options)

    async def kyc_status(self, account_id: str, *, options: RequestOptions | None = None) -> KycStatus:
        """Say how far the check of a user is.

        For example::

            status = await tilia.compliance.kyc_status(account_id)
            print(status.state, status.pii_level)

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "compliance-webhooks", C.1 (operationId GetKYCStatus); scope ``read_kycs``.
        """
        return await self._sender.value(KYC_STATUS, path={"account_id": account_id}, options=options)

    async def onboard_entity(
        self,
        account_id: str,
        entity_name: str,
        user_email: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> OnboardedEntity:
        """Enter a business for KYB, or get it.

        The one that was entered already is returned as it is.

        For example::

            entity = await tilia.compliance.onboard_entity(account_id, "Acme Ltd.")
            print(entity.entity_id)

        Args:
            account_id: at most 36 characters.
            entity_name: not empty.
            user_email: None: the account's address.

        Raises:
            InvalidRequestError: a field breaks one of these rules.

        Source: fact sheet "compliance-webhooks", D (operationId KYBEntityOnboard); scope ``verify_kyc`` is inferred.
        """
        refuse(
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
        return await self._sender.value(ONBOARD_ENTITY, path={"account_id": account_id}, body=body, options=options)
