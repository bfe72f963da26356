"""The state of the sandbox: accounts, wallets, registrations."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable, Mapping

import attrs

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.money import Money
from tilia_async.sandbox import messages
from tilia_async.sandbox.clock import SandboxClock

_BASE62 = string.digits + string.ascii_letters
PUBLISHER = "publisher"
TILIA = "tilia"


@attrs.define
class SandboxWallet:
    """A wallet and the payment method that stands for it.

    Attributes:
        kind: ``registration`` for money, ``standard`` or ``convertible`` for tokens.
        balance: in the smallest unit of the currency.
    """

    wallet_id: str
    payment_method_id: str
    account_id: str
    kind: str
    currency: str
    created: str
    listed_since: str
    balance: int = 0

    @property
    def description(self) -> str:
        return f"{self.currency} Wallet" if self.kind == "registration" else f"{self.currency} {self.kind} Wallet"


@attrs.define
class SandboxAccount:
    """An account.

    Attributes:
        blocked_by: ``publisher``, ``tilia``, or None while it is not blocked.
        wallets_at: when its wallets appear, on the sandbox's clock.
        block_id: of its last block; empty if there was none.
    """

    account_id: str
    username: str
    email: str | None
    created: str
    wallets_at: float
    external_platforms: Mapping[str, str] = attrs.field(factory=dict[str, str])
    profile: Mapping[str, str] = attrs.field(factory=dict[str, str])
    tracking_id: str = ""
    metadata: str = ""
    blocked_by: str | None = None
    email_id: str = ""
    block_id: str = ""

    @property
    def is_blocked(self) -> bool:
        return self.blocked_by is not None


@attrs.frozen
class StartedRegistration:
    """A registration between its two steps. The password is checked and not kept."""

    registration_id: str
    username: str
    email: str
    tracking_id: str
    metadata: str


def _tell_nobody(_event_name: str, _message: JsonObject) -> None:
    pass


@attrs.define
class World:
    """Everything the sandbox knows. Its methods keep it whole: one change, all at once.

    Attributes:
        notify: called with ``event_name`` and message after a change that Tilia tells by webhook.
    """

    clock: SandboxClock
    random: random.Random
    wallet_delay: float
    token_currency: str
    accounts: dict[str, SandboxAccount] = attrs.field(factory=dict[str, SandboxAccount])
    wallets: dict[str, SandboxWallet] = attrs.field(factory=dict[str, SandboxWallet])
    registrations: dict[str, StartedRegistration] = attrs.field(factory=dict[str, StartedRegistration])
    notify: Callable[[str, JsonObject], None] = attrs.field(default=_tell_nobody, kw_only=True)
    _by_username: dict[str, str] = attrs.field(factory=dict[str, str])
    _wallets_of: dict[str, tuple[SandboxWallet, ...]] = attrs.field(factory=dict[str, tuple[SandboxWallet, ...]])

    def new_id(self, prefix: str) -> str:
        """An id of the newer kind, e.g. ``acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b``."""
        return f"{prefix}_2" + "".join(self.random.choices(_BASE62, k=26))

    def new_uuid(self) -> str:
        """An id of the older kind."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def find(self, username: str) -> SandboxAccount | None:
        account_id = self._by_username.get(username)
        return None if account_id is None else self.accounts[account_id]

    def start_registration(self, fields: Mapping[str, JsonValue]) -> StartedRegistration:
        started = StartedRegistration(
            self.new_uuid(),
            str(fields["username"]),
            str(fields["email"]),
            str(fields.get("tracking_id") or ""),
            str(fields.get("metadata") or ""),
        )
        self.registrations[started.registration_id] = started
        return started

    def create_account(
        self,
        username: str,
        email: str | None,
        *,
        external_platforms: Mapping[str, str] | None = None,
        profile: Mapping[str, str] | None = None,
        tracking_id: str = "",
        metadata: str = "",
    ) -> SandboxAccount:
        """Add an account and its wallets, which appear after ``wallet_delay``."""
        account = SandboxAccount(
            self.new_id("acct"),
            username,
            email,
            self.clock.rfc3339(),
            self.clock.now() + self.wallet_delay,
            dict(external_platforms or {}),
            dict(profile or {}),
            tracking_id,
            metadata,
            email_id=self.new_uuid(),
        )
        self.accounts[account.account_id] = account
        self._by_username[username] = account.account_id
        kinds = (("registration", "USD"), ("standard", self.token_currency), ("convertible", self.token_currency))
        wallets = tuple(self._create_wallet(account, kind, currency) for kind, currency in kinds)
        self._wallets_of[account.account_id] = wallets
        self.notify(*messages.registered(account))
        return account

    def block(self, account: SandboxAccount, issuer: str) -> None:
        """Block an account. One that Tilia blocked stays Tilia's; only a change is told, which is inferred."""
        if account.blocked_by not in {issuer, TILIA}:
            account.blocked_by, account.block_id = issuer, self.new_id("blk")
            self.notify(*messages.block_changed(account, issuer))

    def unblock(self, account: SandboxAccount) -> None:
        """Lift the block of an account, if there is one."""
        issuer, account.blocked_by = account.blocked_by, None
        if issuer is not None:
            self.notify(*messages.block_changed(account, issuer))

    def wallets_of(self, account_id: str) -> tuple[SandboxWallet, ...]:
        """The wallets of an account that have appeared."""
        account = self.accounts.get(account_id)
        if account is None or self.clock.now() < account.wallets_at:
            return ()
        return self._wallets_of[account_id]

    def wallet(self, wallet_id: str) -> SandboxWallet | None:
        """A wallet that has appeared."""
        wallet = self.wallets.get(wallet_id)
        return wallet if wallet is not None and wallet in self.wallets_of(wallet.account_id) else None

    def fund(self, account_id: str, amount: Money, kind: str) -> None:
        """Put money or tokens into an account's wallet, out of nowhere."""
        for wallet in self._wallets_of[account_id]:
            if wallet.currency == amount.currency and wallet.kind == kind:
                wallet.balance += amount.minor_units
                return
        raise LookupError(f"the account has no {kind} wallet for {amount.currency}")

    def _create_wallet(self, account: SandboxAccount, kind: str, currency: str) -> SandboxWallet:
        wallet = SandboxWallet(
            self.new_id("wal"),
            self.new_id("pm"),
            account.account_id,
            kind,
            currency,
            account.created,
            self.clock.plain(),
        )
        self.wallets[wallet.wallet_id] = wallet
        return wallet
