"""Payment methods.

Wallets, cards, PayPal, and paying on behalf of a user of another platform.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from tilia_async.json_value import JsonValue
from tilia_async.models.payment_methods import WALLET, PaymentMethodState
from tilia_async.sandbox.state.accounts import Tag
from tilia_async.sandbox.state.wallets import SandboxWallet

CARD = "rebilly"
PAYPAL = "paypal"
POBO = "pobo"


@attrs.define(eq=False)
class SandboxPaymentMethod:
    """A payment method.

    Attributes:
        id: what requests take as ``payment_method_id``.
        wallet: the wallet that it stands for; None for what lies outside Tilia.
        details: fields that only its kind has, as they are answered.
        tags: by name.
    """

    id: str
    account_id: str
    method_class: str
    provider: str
    display_string: str
    psp_reference: str
    currency: str
    created: str
    updated: str
    wallet: SandboxWallet | None = None
    state: str = PaymentMethodState.ACTIVE
    details: Mapping[str, JsonValue] = attrs.field(factory=dict[str, JsonValue], repr=False)
    tags: dict[str, Tag] = attrs.field(factory=dict[str, Tag])

    @property
    def usable(self) -> bool:
        return self.state == PaymentMethodState.ACTIVE

    @property
    def capabilities(self) -> frozenset[str]:
        """The uses of the method.

        Payouts go to PayPal alone; deposits are not documented.
        """
        if self.provider == WALLET and self.currency != "USD":
            # Tokens are spent without naming a payment method.
            return frozenset()
        return frozenset({"purchase", "payout"}) if self.provider == PAYPAL else frozenset({"purchase"})


@attrs.define
class PaymentMethods:
    """The payment methods of the sandbox."""

    _by_id: dict[str, SandboxPaymentMethod] = attrs.field(factory=dict[str, SandboxPaymentMethod])
    _of: dict[str, list[SandboxPaymentMethod]] = attrs.field(factory=dict[str, list[SandboxPaymentMethod]])

    def add(self, method: SandboxPaymentMethod) -> SandboxPaymentMethod:
        self._by_id[method.id] = method
        self._of.setdefault(method.account_id, []).append(method)
        return method

    def find(self, payment_method_id: str) -> SandboxPaymentMethod | None:
        return self._by_id.get(payment_method_id)

    def of(self, account_id: str) -> tuple[SandboxPaymentMethod, ...]:
        return tuple(self._of.get(account_id, ()))


def of_wallet(methods: Iterable[SandboxPaymentMethod], wallet: SandboxWallet) -> SandboxPaymentMethod | None:
    """Return the payment method that stands for a wallet."""
    return next((method for method in methods if method.wallet is wallet), None)


def for_wallet(method_id: str, wallet: SandboxWallet, now: str) -> SandboxPaymentMethod:
    """Make a payment method that stands for a wallet."""
    description, currency = wallet.description, wallet.currency
    return SandboxPaymentMethod(
        method_id, wallet.account_id, wallet.kind, WALLET, description, wallet.wallet_id, currency, now, now, wallet
    )
