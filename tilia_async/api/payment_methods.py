"""Ways to pay: cards, PayPal, bank accounts and wallets (fact sheet "money", B)."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from tilia_async.api.line_items import listed
from tilia_async.api.tag import Tag
from tilia_async.api.wallet import CurrencyBalance, Wallet
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput, JsonValue
from tilia_async.scopes import Scope
from tilia_async.wire import checks
from tilia_async.wire.operation import Evidence, Operation, Repeat

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
    """A payment method; which fields are set depends on its kind. What tells about the person is not shown.

    Attributes:
        id: what requests take as ``payment_method_id``.
        method_class: ``visa``, ``paypal``, …; for wallets ``registration``, ``standard``, ``convertible``.
        provider: ``wallet``, ``rebilly`` (cards), ``paypal``, ``banking``, ``pobo``.
        psp_reference: for a wallet its id.
        processing_currency: the currency's code.
        pm_state: its state. ``state`` is that of an address.
        wallet_balance: for a wallet, in the smallest unit of its currency.
        payment_method_id: the same as ``id`` for cards, and ``""`` for wallets: use ``id``.
    """

    id: str
    account_id: str | None = None
    method_class: str | None = None
    display_string: str | None = attrs.field(default=None, repr=False)
    provider: str | None = None
    psp_reference: str | None = None
    psp_hash_code: str | None = None
    processing_currency: str | None = None
    pm_state: PaymentMethodState | str | None = None
    integrator: str | None = None
    wallet_balance: int | None = None
    provider_data: WalletDetails | None = None
    payment_method_id: str | None = None
    first_name: str | None = attrs.field(default=None, repr=False)
    last_name: str | None = attrs.field(default=None, repr=False)
    full_name: str | None = attrs.field(default=None, repr=False)
    psp_provided_email: str | None = attrs.field(default=None, repr=False)
    email_id: str | None = attrs.field(default=None, repr=False)
    expiration: str | None = attrs.field(default=None, repr=False)
    bin: str | None = attrs.field(default=None, repr=False)
    last_four: str | None = attrs.field(default=None, repr=False)
    avs: str | None = attrs.field(default=None, repr=False)
    address1: str | None = attrs.field(default=None, repr=False)
    address2: str | None = attrs.field(default=None, repr=False)
    city: str | None = attrs.field(default=None, repr=False)
    state: str | None = attrs.field(default=None, repr=False)
    country_iso: str | None = attrs.field(default=None, repr=False)
    zip: str | None = attrs.field(default=None, repr=False)
    address_verified: int | None = attrs.field(default=None, repr=False)
    geoip_state: str | None = attrs.field(default=None, repr=False)
    geoip_country_iso: str | None = attrs.field(default=None, repr=False)
    tags: tuple[Tag, ...] = ()
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


@attrs.frozen
class Capabilities:
    """The ids of the payment methods that can be used for each."""

    purchase: tuple[str, ...] = ()
    payout: tuple[str, ...] = ()
    deposit: tuple[str, ...] = ()


@attrs.frozen
class TransactionMethods:
    """An account's payment methods, with what it has and what they can be used for."""

    account_id: str | None = None
    balances: Mapping[str, CurrencyBalance] = attrs.field(factory=dict[str, CurrencyBalance], hash=False)
    capabilities: Capabilities | None = None
    payment_methods: tuple[PaymentMethod, ...] = ()

    @staticmethod
    def reshape(payload: JsonValue) -> JsonValue:
        """Balances are nested twice in the reference and once in captured answers."""
        balances = payload.get("balances") if isinstance(payload, dict) else None
        inner = balances.get("balances") if isinstance(balances, dict) else None
        return {**payload, "balances": inner} if isinstance(payload, dict) and isinstance(inner, dict) else payload


@attrs.frozen
class CustomWallet:
    """A wallet of a type of your own, and the payment method that stands for it."""

    payment_method: PaymentMethod
    wallet: Wallet


LIST = Operation(
    "payment_methods.list",
    "GET",
    Service.PAYMENTS,
    "/v1/{account_id}/payment_methods",
    list[PaymentMethod],
    scopes={Scope.READ_PAYMENT_METHODS},
    repeat=Repeat.SAFE,
)
GET = Operation(
    "payment_methods.get",
    "GET",
    Service.PAYMENTS,
    "/v2/payment-method/{payment_method_id}",
    PaymentMethod,
    scopes={Scope.READ_PAYMENT_METHODS},
    repeat=Repeat.SAFE,
    echoes={"payment_method_id": "id"},
)
UPDATE = Operation(
    "payment_methods.update",
    "PATCH",
    Service.PAYMENTS,
    "/v2/payment_method/{payment_method_id}",
    dict[str, JsonValue],
    scopes={Scope.WRITE_PAYMENT_METHOD},
    repeat=Repeat.SAFE,
    echoes={"payment_method_id": "id"},
    evidence=Evidence({"scope", "answer"}, "the page hides both; the scope appears in guides, for user tokens"),
)
TRANSACTION_METHODS = Operation(
    "payment_methods.transaction_methods",
    "GET",
    Service.PAYMENTS,
    "/transaction-methods/{account_id}",
    TransactionMethods,
    scopes={Scope.READ_PAYMENT_METHODS},
    repeat=Repeat.SAFE,
    echoes={"account_id": "account_id"},
    essential={"balances", "capabilities", "payment_methods"},
    evidence=Evidence({"scope"}, "the page hides the scope; that of listing is expected"),
)
CREATE_CUSTOM_WALLET = Operation(
    "payment_methods.create_custom_wallet",
    "POST",
    Service.PAYMENTS,
    "/v2/payment-method/custom",
    CustomWallet,
    scopes={Scope.CREATE_WALLET},
    repeat=Repeat.NEVER,
    reference=("account_id", "wallet_type"),
    echoes={"account_id": "wallet.account_id"},
    evidence=Evidence({"scope"}, "the page hides the scope; that of the wallet is expected"),
)


@attrs.frozen(eq=False)
class PaymentMethods:
    """``tilia.payment_methods``: what a user can pay with. Adding one is done in Tilia's web pages."""

    _caller: Caller

    async def list(self, account_id: str, *, options: RequestOptions | None = None) -> builtins.list[PaymentMethod]:
        """List an account's payment methods of all kinds, wallets included.

        An account that does not exist has none; Tilia does not say that it does not exist.

        Items of another account are not refused, because Tilia's own sample has one: look at ``account_id``.

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "money", B1 (operationId getPaymentMethods); scope ``read_payment_methods``.
        """
        return await self._caller.value(LIST, path={"account_id": account_id}, options=options)

    async def get(self, payment_method_id: str, *, options: RequestOptions | None = None) -> PaymentMethod:
        """Look a payment method up by its id.

        Args:
            payment_method_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            ApiError: there is no such payment method; Tilia documents no status for it.

        Source: fact sheet "money", B2 (operationId getPaymentMethodByID); scope ``read_payment_methods``.
        """
        return await self._caller.value(GET, path={"payment_method_id": payment_method_id}, options=options)

    async def update(
        self,
        payment_method_id: str,
        display_string: str | None = None,
        default_payment: bool | None = None,
        default_payout: bool | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> dict[str, JsonValue]:
        """Rename a payment method, or make it the default. What is None stays as it is.

        Args:
            payment_method_id: at most 36 characters.
            display_string: what the user sees.
            default_payment: it is offered first for purchases.
            default_payout: it is offered first for payouts.

        Returns:
            What Tilia answers; the documentation does not show it.

        Raises:
            InvalidRequestError: a field breaks one of these rules, or nothing would change.
            NotFoundError: there is no such payment method.

        Source: fact sheet "money", B4 (operationId UpdatePaymentMethodHandler); scope is inferred.
        """
        changes: dict[str, JsonInput] = {
            "display_string": display_string,
            "default_payment": default_payment,
            "default_payout": default_payout,
        }
        body = {field: value for field, value in changes.items() if value is not None}
        checks.refuse(
            UPDATE.name,
            {
                "display_string": [] if display_string is None else checks.text(display_string),
                "default_payment": checks.flag(default_payment),
                "default_payout": checks.flag(default_payout),
                "payment_method_id": [] if body else ["would stay as it is; give something to change"],
            },
        )
        path = {"payment_method_id": payment_method_id}
        return await self._caller.value(UPDATE, path=path, body=body, options=options)

    async def transaction_methods(
        self,
        account_id: str,
        state: str | None = None,
        capability: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> TransactionMethods:
        """List what an account can pay with, be paid to, and has.

        Args:
            account_id: at most 36 characters.
            state: ``all`` also lists inactive ones.
            capability: ``purchase``, ``payout`` or ``deposit``: only those that can.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            NotFoundError: there is no such account.

        Source: fact sheet "money", B3 (operationId GetTransactionMethodsByAccountID); the scope is inferred.
        """
        given = {"state": state, "capability": capability}
        query: dict[str, str | int] = {field: value for field, value in given.items() if value is not None}
        checks.refuse(TRANSACTION_METHODS.name, {field: checks.text(value) for field, value in query.items()})
        return await self._caller.value(
            TRANSACTION_METHODS, path={"account_id": account_id}, query=query or None, options=options
        )

    async def create_custom_wallet(
        self,
        account_id: str,
        wallet_type: str,
        tags: Sequence[str] = (),
        *,
        options: RequestOptions | None = None,
    ) -> CustomWallet:
        """Make a wallet of a type that Tilia set up for you, with a payment method to pay with.

        Args:
            account_id: at most 36 characters.
            wallet_type: as agreed with Tilia, e.g. ``publisher_hosted``.
            tags: e.g. ``coin:TOK``.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            BadRequestError: Tilia refuses.

        Source: fact sheet "money", B5 (operationId CreateCustomWalletPaymentMethod); the scope is inferred.
        """
        body = custom_wallet_body(CREATE_CUSTOM_WALLET.name, account_id, wallet_type, tags)
        return await self._caller.value(CREATE_CUSTOM_WALLET, body=body, options=options)


def custom_wallet_body(operation: str, account_id: str, wallet_type: str, tags: Sequence[str]) -> dict[str, JsonInput]:
    """The body of both ways to make a wallet of one's own.

    Raises:
        InvalidRequestError: a field breaks a rule.
    """
    tags = listed(operation, "tags", tags, str)
    checks.refuse(
        operation,
        {
            "account_id": checks.identifier(account_id),
            "wallet_type": checks.text(wallet_type),
            "tags": [why for tag in tags for why in checks.text(tag)],
        },
    )
    body: dict[str, JsonInput] = {"account_id": account_id, "wallet_type": wallet_type}
    if tags:
        body["tags"] = list(tags)
    return body
