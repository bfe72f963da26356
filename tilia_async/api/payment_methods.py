"""Ways to pay: cards, PayPal, bank accounts and wallets (fact sheet "money", B)."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonValue
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Operation, Repeat

if TYPE_CHECKING:
    from tilia_async.transport.caller import Caller

WALLET = "wallet"
"""The provider of those payment methods that are wallets."""


class PaymentMethodState(StrEnum):
    """Whether a payment method can be used; only an active one can."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    UNVERIFIED = "UNVERIFIED"


@attrs.frozen
class WalletDetails:
    """What a wallet's payment method says of its wallet. Amounts in the smallest unit of its currency."""

    wallet_id: str | None = None
    wallet_balance: int | None = None
    balance: int | None = None


@attrs.frozen
class PaymentMethod:
    """A payment method; which fields are set depends on its kind.

    Attributes:
        id: what requests take as ``payment_method_id``.
        method_class: ``visa``, ``paypal``, …; for wallets ``registration``, ``standard``, ``convertible``.
        provider: ``wallet``, ``rebilly`` (cards), ``paypal``, ``banking``, ``pobo``.
        psp_reference: for a wallet its id.
        processing_currency: the currency's code.
        pm_state: its state. ``state`` would be the state of an address.
        wallet_balance: for a wallet, in the smallest unit of its currency.
        payment_method_id: the same as ``id`` for cards, and ``""`` for wallets: use ``id``.
    """

    id: str
    account_id: str | None = None
    method_class: str | None = None
    display_string: str | None = None
    provider: str | None = None
    psp_reference: str | None = None
    psp_hash_code: str | None = None
    processing_currency: str | None = None
    pm_state: PaymentMethodState | str | None = None
    integrator: str | None = None
    wallet_balance: int | None = None
    provider_data: WalletDetails | None = None
    payment_method_id: str | None = None
    tags: tuple[Mapping[str, JsonValue], ...] = ()
    created: datetime | None = None
    updated: datetime | None = None

    @property
    def is_wallet(self) -> bool:
        """Whether it is a wallet at Tilia, and not a card, a bank account or the like."""
        return self.provider == WALLET

    @property
    def wallet_id(self) -> str | None:
        """The id of the wallet that it stands for; None if it is none."""
        if not self.is_wallet:
            return None
        details = self.provider_data
        return (None if details is None else details.wallet_id) or self.psp_reference

    @property
    def currency(self) -> str | None:
        """``processing_currency``, by the name that a wallet has for it."""
        return self.processing_currency

    @property
    def current_balance(self) -> int | None:
        """The wallet's balance in the smallest unit of its currency, by the name that a wallet has for it."""
        details = self.provider_data
        if self.wallet_balance is not None or details is None:
            return self.wallet_balance
        return details.balance if details.wallet_balance is None else details.wallet_balance


LIST = Operation(
    "payment_methods.list",
    "GET",
    Service.PAYMENTS,
    "/v1/{account_id}/payment_methods",
    list[PaymentMethod],
    scopes={Scope.READ_PAYMENT_METHODS},
    repeat=Repeat.SAFE,
)


@attrs.frozen(eq=False)
class PaymentMethods:
    """``tilia.payment_methods``: what a user can pay with. Adding one is done in Tilia's web pages."""

    _caller: Caller

    async def list(self, account_id: str, *, options: RequestOptions | None = None) -> builtins.list[PaymentMethod]:
        """List an account's payment methods of all kinds, wallets included.

        An account that does not exist has none; Tilia does not say that it does not exist.

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "money", B1 (operationId getPaymentMethods); scope ``read_payment_methods``.
        """
        return await self._caller.value(LIST, path={"account_id": account_id}, options=options)
