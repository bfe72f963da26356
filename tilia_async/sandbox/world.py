"""The state of the sandbox, all of it together."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import attrs

from tilia_async.json_value import JsonObject
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.payment_methods import WALLET
from tilia_async.money import Money
from tilia_async.sandbox.clock import SandboxClock, Timestamps
from tilia_async.sandbox.state.accounts import PUBLISHER, TILIA, Accounts, Block, SandboxAccount, Tag
from tilia_async.sandbox.state.escrows import SandboxEscrow, SandboxExchange, SandboxPayout, SandboxRefund
from tilia_async.sandbox.state.invoices import Authorized, Kind, LineItem, Reference, SandboxInvoice, SandboxInvoices
from tilia_async.sandbox.state.methods import PaymentMethods, SandboxPaymentMethod
from tilia_async.sandbox.state.wallets import CONVERTIBLE, REGISTRATION, STANDARD, Movement, SandboxWallet, Wallets

_BASE62 = string.digits + string.ascii_letters
_TOKEN_SUPPLY = 10**15
CUSTOM_WALLETS: Mapping[str, str] = MappingProxyType({"publisher_hosted": "USD"})
"""The type that stands in the documentation's samples."""


@attrs.frozen
class Settings:
    """The settings of a sandbox; see ``Sandbox``."""

    wallet_delay: float = 0.5
    token_currency: str = "TOK"  # noqa: S105 - no password
    tokens_per_cent: int = 100
    publisher_funds: int = 100_000_000
    custom_wallets: Mapping[str, str] = CUSTOM_WALLETS


def tell_nobody(event_name: str, message: JsonObject) -> None:
    """Take a notification that goes nowhere."""


@attrs.define
class World:
    """Everything the sandbox knows.

    Its methods keep it whole: one change, all at once.

    Attributes:
        nonces: for each redirect or user token that was issued, whom it lets in.
        notify: called with ``event_name`` and message after a change that Tilia tells by webhook.
    """

    clock: SandboxClock
    random: random.Random
    settings: Settings = attrs.field(factory=Settings)
    accounts: Accounts = attrs.field(factory=Accounts)
    wallets: Wallets = attrs.field(factory=Wallets)
    methods: PaymentMethods = attrs.field(factory=PaymentMethods)
    invoices: SandboxInvoices = attrs.field(factory=SandboxInvoices)
    exchanges: dict[str, SandboxExchange] = attrs.field(factory=dict[str, SandboxExchange])
    authorized: dict[str, Authorized] = attrs.field(factory=dict[str, Authorized])
    escrows: dict[str, SandboxEscrow] = attrs.field(factory=dict[str, SandboxEscrow])
    refunds: list[SandboxRefund] = attrs.field(factory=list[SandboxRefund])
    payouts: dict[str, SandboxPayout] = attrs.field(factory=dict[str, SandboxPayout])
    nonces: dict[str, str] = attrs.field(factory=dict[str, str], repr=False)
    notify: Callable[[str, JsonObject], None] = attrs.field(default=tell_nobody, kw_only=True)
    publisher: SandboxAccount = attrs.field(init=False)
    tilia: SandboxAccount = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.publisher, self.tilia = self._new_house(PUBLISHER), self._new_house(TILIA)
        # Inferred: the publisher has money for refunds and conversions, and all the tokens that are ever sold.
        token = self.settings.token_currency
        for currency, amount in (("USD", self.settings.publisher_funds), (token, _TOKEN_SUPPLY)):
            self.wallets.move([Movement(None, self.publisher_wallet(currency), amount)])

    @property
    def times(self) -> Timestamps:
        """The forms in which Tilia writes the time, or another."""
        return Timestamps(self.clock)

    def new_id(self, prefix: str) -> str:
        """Return an id of the newer kind.

        E.g. ``acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b``.
        """
        return f"{prefix}_2" + "".join(self.random.choices(_BASE62, k=26))

    def new_uuid(self) -> str:
        """Return an id of the older kind."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

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
        """Add an account and its wallets.

        They appear after the wallets' delay.
        """
        account = SandboxAccount(
            self.new_id("acct"),
            username,
            email,
            self.times.rfc3339(),
            self.clock.now() + self.settings.wallet_delay,
            dict(external_platforms or {}),
            dict(profile or {}),
            tracking_id,
            metadata,
            email_id=self.new_uuid(),
        )
        self.accounts.add(account)
        token = self.settings.token_currency
        for kind, currency in ((REGISTRATION, "USD"), (STANDARD, token), (CONVERTIBLE, token)):
            tags = (REGISTRATION,) if kind == REGISTRATION else ()
            self.add_wallet_method(self.open_wallet(account.account_id, kind, currency, tags), method_class=kind)
        return account

    def open_wallet(self, account_id: str, kind: str, currency: str, tags: Sequence[str] = ()) -> SandboxWallet:
        return self.wallets.open(
            SandboxWallet(self.new_id("wal"), account_id, kind, currency, self.times.rfc3339(), tuple(tags))
        )

    def add_wallet_method(self, wallet: SandboxWallet, *, method_class: str) -> SandboxPaymentMethod:
        """Add the payment method that stands for a wallet."""
        now = self.times.plain()
        return self.methods.add(
            SandboxPaymentMethod(
                self.new_id("pm"),
                wallet.account_id,
                method_class,
                WALLET,
                wallet.description,
                wallet.wallet_id,
                wallet.currency,
                now,
                now,
                wallet,
            )
        )

    def new_tag(self, prefix: str, resource_id: str, resource_type: str, namespace: str, name: str) -> Tag:
        return Tag(self.new_id(prefix), resource_id, resource_type, namespace, name, self.times.rfc3339())

    def wallets_of(self, account_id: str) -> tuple[SandboxWallet, ...]:
        """Return an account's wallets that have appeared."""
        account = self.accounts.find(account_id)
        if account is None or self.clock.now() < account.wallets_at:
            return ()
        return self.wallets.of(account_id)

    def wallet(self, wallet_id: str) -> SandboxWallet | None:
        """Return a wallet that has appeared."""
        wallet = self.wallets.by_id.get(wallet_id)
        return wallet if wallet is not None and wallet in self.wallets_of(wallet.account_id) else None

    def methods_of(self, account_id: str) -> tuple[SandboxPaymentMethod, ...]:
        """Return the payment methods of an account.

        Methods of wallets that have not appeared yet are left out.
        """
        wallets = self.wallets_of(account_id)
        return tuple(
            method for method in self.methods.of(account_id) if method.wallet is None or method.wallet in wallets
        )

    def method(self, payment_method_id: str) -> SandboxPaymentMethod | None:
        """Return a payment method that has appeared."""
        method = self.methods.find(payment_method_id)
        return method if method is not None and method in self.methods_of(method.account_id) else None

    def wallet_of_kind(self, account_id: str, kind: str, currency: str) -> SandboxWallet | None:
        """Return the first wallet of a kind.

        Whether it has appeared or not.
        """
        fitting = (
            wallet for wallet in self.wallets.of(account_id) if (wallet.kind, wallet.currency) == (kind, currency)
        )
        return next(fitting, None)

    def publisher_wallet(self, currency: str) -> SandboxWallet:
        """Return the publisher's own wallet.

        Tilia tags it "hos"; it has no payment method.
        """
        return self._house_wallet(self.publisher, "hos", currency)

    def tilia_wallet(self, purpose: str, currency: str) -> SandboxWallet:
        """Return a wallet of Tilia's.

        E.g. for money in escrow.
        """
        return self._house_wallet(self.tilia, purpose, currency)

    def fund(self, account_id: str, amount: Money, kind: str) -> None:
        """Put money or tokens into an account's wallet.

        It comes out of nowhere.
        """
        wallet = self.wallet_of_kind(account_id, kind, amount.currency)
        if wallet is None:
            raise LookupError(f"the account has no {kind} wallet for {amount.currency}")
        self.wallets.move([Movement(None, wallet, amount.minor_units)])

    def block(self, account: SandboxAccount, issuer: str, note: str = "") -> Block:
        """Block an account; an issuer's second block is its first."""
        return account.blocks.setdefault(issuer, Block(self.new_id("blk"), issuer, note=note))

    def new_invoice(
        self,
        kind: Kind,
        account_id: str,
        currency: str,
        items: Sequence[LineItem],
        reference: Reference | None = None,
        *,
        into: SandboxWallet | None = None,
    ) -> SandboxInvoice:
        """Make an open invoice, not yet among the others."""
        virtual = currency == self.settings.token_currency
        wallet = into or self.publisher_wallet(currency)
        reference, now, number = reference or Reference(), self.clock.now(), self.invoices.next_number()
        invoice_id = self.new_id("inv")
        return SandboxInvoice(
            invoice_id, account_id, kind, virtual, currency, reference, tuple(items), wallet, now, number, updated=now,
            turn=number,
        )  # fmt: skip

    def new_item(
        self, amount: int, currency: str, transaction_type: str, reference: Reference | None = None
    ) -> LineItem:
        return LineItem(self.new_uuid(), amount, currency, transaction_type, reference or Reference())

    def record(
        self, kind: Kind, account_id: str, amount: Money, state: InvoiceState, reference: Reference
    ) -> SandboxInvoice:
        """Add an invoice of one line.

        For something that is not bought: a refund, a payout, a transfer.
        """
        item = self.new_item(amount.minor_units, amount.currency, str(kind), reference)
        invoice = self.invoices.add(self.new_invoice(kind, account_id, amount.currency, [item], reference))
        self.invoices.settle(invoice, state, self.clock.now())
        return invoice

    def _new_house(self, name: str) -> SandboxAccount:
        account = SandboxAccount(self.new_id("acct"), name, None, self.times.rfc3339(), self.clock.now())
        self.accounts.add_house(account)
        return account

    def _house_wallet(self, account: SandboxAccount, kind: str, currency: str) -> SandboxWallet:
        found = self.wallet_of_kind(account.account_id, kind, currency)
        return found or self.open_wallet(account.account_id, kind, currency, [kind])
