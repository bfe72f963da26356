"""The notifications about accounts and who stands behind them (fact sheet "compliance-webhooks", A.4).

Each class has the API's own field names. ``NAME`` is what its envelope says, ``_ENTITY`` what it is about, ``_SHAPE``
how its message is recognised where the name does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import attrs

from tilia_async import event_names
from tilia_async.json_value import JsonValue
from tilia_async.models.accounts import AccountEmail, Block, PlatformUser
from tilia_async.models.compliance import KycMatchCheck, KycRequirements, KycState, PiiLevel
from tilia_async.models.payment_methods import PaymentMethodState
from tilia_async.webhooks.event import EntityKey, Event
from tilia_async.webhooks.values import EntityStatus


@attrs.frozen(kw_only=True)
class AccountBlockChanged(Event):
    """An account was blocked or unblocked (A.4.1, operationId accountBlock).

    Attributes:
        blocks: one object in Tilia's sample, "a list" in its text; either way a tuple here. It is empty of a confirmed
            event if Tilia says that the account is blocked, and lists no block of it: who blocked is not known then.
    """

    NAME: ClassVar[str | None] = event_names.ACCOUNT_BLOCK
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"account_id", "is_blocked"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("account_id",)

    account_id: str | None = None
    """Account, at most 36 characters."""
    is_blocked: bool | None = None
    """True if the account is blocked now."""
    blocks: tuple[Block, ...] = ()

    @staticmethod
    def _reshape(message: JsonValue) -> JsonValue:
        """Turn the payload's block or map into a list.

        One block becomes a list of one; what has none of a block's fields is a map of blocks.
        """
        blocks = message.get("blocks") if isinstance(message, dict) else None
        if isinstance(message, dict) and isinstance(blocks, dict) and not _BLOCK_FIELDS.isdisjoint(blocks):
            return {**message, "blocks": [blocks]}
        return message


_BLOCK_FIELDS: Final = frozenset(attrs.fields_dict(Block))


@attrs.frozen(kw_only=True)
class RegistrationCompleted(Event):
    """An account was registered (A.4.2, operationId registerAccountCompleted)."""

    NAME: ClassVar[str | None] = event_names.REGISTRATION
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"account_id", "username"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("account_id",)

    account_id: str | None = None
    """New account, at most 36 characters."""
    username: str | None = attrs.field(default=None, repr=False)
    """Username, unique among your users."""
    email: AccountEmail | None = attrs.field(default=None, repr=False)
    """E-mail address, with what Tilia knows of it."""
    external_platforms: Mapping[str, PlatformUser] | None = attrs.field(default=None, repr=False, hash=False)
    """Users on external platforms, by platform."""


@attrs.frozen(kw_only=True)
class PaymentMethodUpdated(Event):
    """A payment method was added, changed or deactivated (A.4.10, operationId paymentMethodUpdated).

    The message says no more than the state, so a change that leaves the state as it was looks like a repetition.
    """

    NAME: ClassVar[str | None] = event_names.PAYMENT_METHOD
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"payment_method_id", "state"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("payment_method_id",)

    account_id: str | None = None
    """Owner, at most 36 characters."""
    payment_method_id: str | None = None
    """Payment method, ``pm_…``."""
    state: PaymentMethodState | str | None = None
    """State that it has now."""


@attrs.frozen(kw_only=True)
class KycStateChanged(Event):
    """Change of what Tilia knows of a user's identity.

    Source: A.4.11, operationId kycStatus.

    Where Tilia does not name the check, which older answers do not, the event is about the account.
    """

    NAME: ClassVar[str | None] = event_names.KYC
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"kyc_id", "state"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("kyc_id",)

    account_id: str | None = None
    """Account, at most 36 characters."""
    kyc_id: str | None = None
    """KYC process, ``kyc_…``."""
    state: KycState | str | None = None
    """State of the check."""
    kyc_requirements: KycRequirements | str | None = None
    """Requirements that are left."""
    pii_level: PiiLevel | str | None = None
    """Extent of the personal data that Tilia has."""
    match_checks: tuple[KycMatchCheck, ...] = ()
    """Accounts with similar data."""

    @property
    def entity(self) -> EntityKey | None:
        """The check, or the account."""
        check = super().entity
        return check if check is not None or not self.account_id else (type(self).__name__, "account", self.account_id)


@attrs.frozen(kw_only=True)
class KybStatusChanged(Event):
    """Change of what Tilia knows of a business.

    Source: A.4.12, operationId kybStatusChange.

    Its ``event_name`` is not documented; the message is known by its shape.

    Attributes:
        vendor_application_id: deprecated, and empty in newer messages.
        custom_application_id: deprecated, and empty in newer messages.
    """

    _SHAPE: ClassVar[frozenset[str]] = frozenset({"entity_id", "entity_status"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("entity_id",)

    account_id: str | None = None
    """Account, at most 36 characters."""
    entity_id: str | None = None
    """Business, ``ent_…``."""
    entity_status: EntityStatus | str | None = None
    """Result of the check."""
    vendor_application_id: str | None = None
    custom_application_id: str | None = None
