"""Payment methods: cards, PayPal, bank accounts and wallets (fact sheet "money", B)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

from tilia_async.json_model import JsonModel
from tilia_async.json_value import JsonValue
from tilia_async.models.tags import Tag
from tilia_async.models.wallets import CurrencyBalance, Wallet
from tilia_async.money import Money, money_or_none

WALLET = "wallet"
"""Provider of those payment methods that are wallets."""


class PaymentMethodState(StrEnum):
    """State of a payment method.

    Only an active one can be used.
    """

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    UNVERIFIED = "UNVERIFIED"


@attrs.frozen(eq=False, repr=False)
class WalletDetails(JsonModel):
    """Details of the wallet that a payment method stands for."""

    wallet_id: str | None = None
    """Wallet, at most 36 characters."""
    wallet_balance: int | None = None
    """Balance in the smallest unit of its currency."""
    balance: int | None = None
    """Balance, by another name.

    In the smallest unit of its currency.
    """


@attrs.frozen(eq=False, repr=False)
class PaymentMethod(JsonModel):
    """Payment method; its kind decides which fields are set.

    ``repr`` hides those that tell about the person.
    """

    id: str
    """Id that requests take as ``payment_method_id``."""
    account_id: str | None = None
    """Account, at most 36 characters."""
    method_class: str | None = None
    """Class: ``visa``, ``paypal``, …; for wallets ``registration``, ``standard``, ``convertible``."""
    display_string: str | None = attrs.field(default=None, repr=False)
    """Name that users see.

    E.g. ``Visa ending in 1111``; not in ``repr``.
    """
    provider: str | None = None
    """Provider: ``wallet``, ``rebilly`` (cards), ``paypal``, ``banking``, ``pobo``."""
    psp_reference: str | None = None
    """Reference at the provider; for a wallet its id."""
    psp_hash_code: str | None = None
    """Hash of the provider; empty for wallets."""
    processing_currency: str | None = None
    """Currency code."""
    pm_state: PaymentMethodState | str | None = None
    """State; only an active one can be used.

    ``state`` is that of an address.
    """
    integrator: str | None = None
    """Publisher, i.e. you, by Tilia's name for you."""
    wallet_balance: int | None = None
    """Balance of a wallet.

    In the smallest unit of its currency.
    """
    provider_data: WalletDetails | None = None
    """Details of a wallet."""
    payment_method_id: str | None = None
    """Id once more, for cards.

    ``""`` for wallets: use ``id``.
    """
    first_name: str | None = attrs.field(default=None, repr=False)
    """First name; not in ``repr``."""
    last_name: str | None = attrs.field(default=None, repr=False)
    """Last name; not in ``repr``."""
    full_name: str | None = attrs.field(default=None, repr=False)
    """Full name; not in ``repr``."""
    psp_provided_email: str | None = attrs.field(default=None, repr=False)
    """E-mail address that the provider knows; not in ``repr``."""
    email_id: str | None = attrs.field(default=None, repr=False)
    """Id of that address; not in ``repr``."""
    expiration: str | None = attrs.field(default=None, repr=False)
    """Month and year of the card's end.

    E.g. ``1/23``; not in ``repr``.
    """
    bin: str | None = attrs.field(default=None, repr=False)
    """First digits of the card; not in ``repr``."""
    last_four: str | None = attrs.field(default=None, repr=False)
    """Last digits of the card; not in ``repr``."""
    avs: str | None = attrs.field(default=None, repr=False)
    """Result of the address check; not in ``repr``."""
    address1: str | None = attrs.field(default=None, repr=False)
    """First line of the address; not in ``repr``."""
    address2: str | None = attrs.field(default=None, repr=False)
    """Second line of the address; not in ``repr``."""
    city: str | None = attrs.field(default=None, repr=False)
    """City; not in ``repr``."""
    state: str | None = attrs.field(default=None, repr=False)
    """State or province of the address; not in ``repr``.

    The method's own state is ``pm_state``.
    """
    country_iso: str | None = attrs.field(default=None, repr=False)
    """Country, ISO 3166, two letters; not in ``repr``."""
    zip: str | None = attrs.field(default=None, repr=False)
    """Postal code; not in ``repr``."""
    address_verified: int | None = attrs.field(default=None, repr=False)
    """Result of PayPal's address check; not in ``repr``."""
    geoip_state: str | None = attrs.field(default=None, repr=False)
    """State by the IP address; not in ``repr``."""
    geoip_country_iso: str | None = attrs.field(default=None, repr=False)
    """Country by the IP address; not in ``repr``."""
    tags: tuple[Tag, ...] = ()
    """Tags that Tilia set."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none or its zero time.
    """

    @property
    def is_wallet(self) -> bool:
        """True for a wallet at Tilia.

        False for cards, bank accounts and the like.
        """
        return self.provider == WALLET

    @property
    def wallet_id(self) -> str | None:
        """Id of the wallet that it stands for.

        None for others.
        """
        if not self.is_wallet:
            return None
        details = self.provider_data
        return (None if details is None else details.wallet_id) or self.psp_reference

    @property
    def currency(self) -> str | None:
        """Currency code (``processing_currency``), by a wallet's name for it."""
        return self.processing_currency

    @property
    def current_balance(self) -> int | None:
        """Balance of the wallet, by a wallet's name for it.

        In the smallest unit of its currency.
        """
        details = self.provider_data
        if self.wallet_balance is not None or details is None:
            return self.wallet_balance
        return details.balance if details.wallet_balance is None else details.wallet_balance

    @property
    def balance(self) -> Money | None:
        """Balance of a wallet, with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.current_balance, self.currency)


@attrs.frozen(eq=False, repr=False)
class Capabilities(JsonModel):
    """Ids of payment methods, by use."""

    purchase: tuple[str, ...] = ()
    """Ids of the payment methods that can buy."""
    payout: tuple[str, ...] = ()
    """Ids of the payment methods for payouts.

    They can be paid out to.
    """
    deposit: tuple[str, ...] = ()
    """Ids of the payment methods that can deposit."""


@attrs.frozen(eq=False, repr=False)
class TransactionMethods(JsonModel):
    """Payment methods and balances of an account.

    The payment methods with their uses.
    """

    account_id: str | None = None
    """Account, at most 36 characters."""
    balances: Mapping[str, CurrencyBalance] = attrs.field(factory=dict[str, CurrencyBalance], hash=False)
    """Balances by currency code."""
    capabilities: Capabilities | None = None
    """Uses of the payment methods."""
    payment_methods: tuple[PaymentMethod, ...] = ()
    """Payment methods of the account."""

    @staticmethod
    def _reshape(payload: JsonValue) -> JsonValue:
        """Return the balances nested once.

        They are nested twice in the reference.
        """
        balances = payload.get("balances") if isinstance(payload, dict) else None
        inner = balances.get("balances") if isinstance(balances, dict) else None
        return {**payload, "balances": inner} if isinstance(payload, dict) and isinstance(inner, dict) else payload


@attrs.frozen(eq=False, repr=False)
class CustomWallet(JsonModel):
    """Wallet of your own type, and its payment method."""

    payment_method: PaymentMethod
    """Payment method that stands for the wallet."""
    wallet: Wallet
    """Wallet."""
