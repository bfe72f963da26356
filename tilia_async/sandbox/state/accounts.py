"""Accounts, their blocks, and the people behind them.

What accounts are kept from, and what Tilia knows of the people.
"""

from __future__ import annotations

import attrs

from tilia_async.json_value import JsonObject
from tilia_async.models.compliance import KycState, PiiLevel

INTEGRATOR = "sandbox"
PUBLISHER = "publisher"
TILIA = "tilia"
LOGIN = "login"
ACCOUNT_CLOSE = "account_close"


@attrs.frozen
class Block:
    """A block of an account.

    It keeps the account from something. Each issuer has at most one.
    """

    block_id: str
    issuer: str
    capability: str = LOGIN
    reason: str = ACCOUNT_CLOSE
    note: str = ""


@attrs.frozen
class Tag:
    """A mark that Tilia puts on resources.

    The resource is an account, a payment method or an exchange.
    """

    tag_id: str
    resource_id: str
    resource_type: str
    namespace: str
    tag: str
    created: str

    def to_json(self) -> JsonObject:
        """Return it as an answer tells it.

        But for the account that has it.
        """
        return {**attrs.asdict(self), "status": "ACTIVE", "integrator": INTEGRATOR, "updated": self.created}


@attrs.frozen
class Kyc:
    """KYC status of a user.

    A user who never submitted anything has NODATA.
    """

    kyc_id: str = ""
    state: str = KycState.NODATA
    pii_level: str = PiiLevel.NONE

    @property
    def passed(self) -> bool:
        """True if it is enough to convert tokens."""
        return self.state == KycState.ACCEPT

    @property
    def payable(self) -> bool:
        """True if it is enough for a standard payout.

        That asks for the whole of the data as well.
        """
        return self.passed and self.pii_level == PiiLevel.FULL


@attrs.define(eq=False)
class SandboxAccount:
    """An account.

    Attributes:
        wallets_at: when its wallets appear, on the sandbox's clock.
        blocks: by issuer.
        entity_id: of the business that was entered for KYB; empty if none was.
    """

    account_id: str
    username: str
    email: str | None
    created: str
    wallets_at: float
    external_platforms: dict[str, str] = attrs.field(factory=dict[str, str])
    profile: dict[str, str] = attrs.field(factory=dict[str, str])
    tracking_id: str = ""
    metadata: str = ""
    email_id: str = ""
    blocks: dict[str, Block] = attrs.field(factory=dict[str, Block])
    tags: list[Tag] = attrs.field(factory=list[Tag])
    kyc: Kyc = attrs.field(factory=Kyc)
    signed_tos: bool = False
    entity_id: str = ""

    @property
    def is_blocked(self) -> bool:
        return bool(self.blocks)


@attrs.frozen
class StartedRegistration:
    """A registration between its two steps.

    The password is checked and not kept.
    """

    registration_id: str
    username: str
    email: str
    tracking_id: str
    metadata: str


@attrs.define
class Accounts:
    """The accounts of users and of the house.

    The house: the publisher and Tilia.
    """

    users: dict[str, SandboxAccount] = attrs.field(factory=dict[str, SandboxAccount])
    registrations: dict[str, StartedRegistration] = attrs.field(factory=dict[str, StartedRegistration])
    _house: dict[str, SandboxAccount] = attrs.field(factory=dict[str, SandboxAccount])
    _by_username: dict[str, str] = attrs.field(factory=dict[str, str])

    def add(self, account: SandboxAccount) -> None:
        self.users[account.account_id] = account
        self._by_username[account.username] = account.account_id

    def add_house(self, account: SandboxAccount) -> None:
        """Add an account that is not a user's.

        It is not listed, and nobody can block it.
        """
        self._house[account.account_id] = account

    def named(self, username: str) -> SandboxAccount | None:
        account_id = self._by_username.get(username)
        return None if account_id is None else self.users[account_id]

    def find(self, account_id: str) -> SandboxAccount | None:
        """Return a user's account, or one of the house."""
        return self.users.get(account_id) or self._house.get(account_id)
