"""Wallets: one currency each, several for each account (fact sheet "money", A)."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from tilia_async.api.payment_methods import LIST as LIST_PAYMENT_METHODS
from tilia_async.api.payment_methods import PaymentMethod
from tilia_async.config import RequestOptions, Service
from tilia_async.scopes import Scope
from tilia_async.wire import checks
from tilia_async.wire.operation import Evidence, Operation, Repeat

if TYPE_CHECKING:
    from tilia_async.transport.caller import Caller


@attrs.frozen
class Wallet:
    """A wallet.

    Attributes:
        current_balance: in the smallest unit of its currency.
        active: Tilia writes 1 in one place and true in another.
        tags: e.g. ``coin:TOK``, ``registration``, ``hos``.
    """

    wallet_id: str
    account_id: str | None = None
    description: str | None = None
    currency: str | None = None
    current_balance: int | None = None
    active: bool | None = None
    tags: tuple[str, ...] = ()
    integrator: str | None = None
    created: datetime | None = None
    updated: datetime | None = None


@attrs.frozen
class BalanceAmount:
    """An amount, and how Tilia shows it.

    Attributes:
        balance: in the smallest unit of the currency.
        display: e.g. ``$500.00``.
    """

    balance: int
    display: str | None = None


@attrs.frozen
class CurrencyBalance:
    """What an account has in one currency.

    Attributes:
        spendable: what can be spent; for a token, the standard and the convertible wallet together.
        convertible: what can be turned into money; None for currencies that are money.
        spendable_balance: in newer answers; how it differs from ``spendable`` is not documented.
    """

    spendable: BalanceAmount | None = None
    convertible: BalanceAmount | None = None
    spendable_balance: BalanceAmount | None = None


@attrs.frozen
class AccountBalances:
    """What an account has, by currency code."""

    account_id: str | None = None
    balances: Mapping[str, CurrencyBalance] = attrs.field(factory=dict[str, CurrencyBalance])


LIST = attrs.evolve(LIST_PAYMENT_METHODS, name="wallets.list")
GET = Operation(
    "wallets.get",
    "GET",
    Service.WALLETS,
    "/v2/wallet/{wallet_id}",
    Wallet,
    scopes={Scope.READ_WALLETS},
    repeat=Repeat.SAFE,
    evidence=Evidence({"answer"}, "the page hides the payload; that of CreateCustomWallet is expected"),
)
BALANCES = Operation(
    "wallets.balances",
    "GET",
    Service.WALLETS,
    "/balances/{account_id}",
    AccountBalances,
    scopes={Scope.READ_WALLETS},
    repeat=Repeat.SAFE,
)


@attrs.frozen(eq=False)
class Wallets:
    """``tilia.wallets``: what users have."""

    _caller: Caller

    async def list(self, account_id: str, *, options: RequestOptions | None = None) -> builtins.list[PaymentMethod]:
        """List an account's wallets, each as the payment method that it is.

        Tilia documents no path for the wallets of an account, so this does what its guides do: it lists the payment
        methods and takes those of provider ``wallet``. ``wallet_id``, ``currency`` and ``current_balance`` stand on
        each. A new account's wallets appear a moment after its registration.

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "money", A3 and B1; scope ``read_payment_methods``.
        """
        methods = await self._caller.value(LIST, path={"account_id": account_id}, options=options)
        return [method for method in methods if method.is_wallet]

    async def get(self, wallet_id: str, *, options: RequestOptions | None = None) -> Wallet:
        """Look a wallet up by its id.

        Args:
            wallet_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            NotFoundError: there is no such wallet.

        Source: fact sheet "money", A2 (operationId GetWalletByID); scope ``read_wallets``.
        """
        return await self._caller.value(GET, path={"wallet_id": wallet_id}, options=options)

    async def balances(
        self, account_id: str, currency: str | None = None, *, options: RequestOptions | None = None
    ) -> AccountBalances:
        """Say what an account has, in all its currencies or in one.

        Args:
            account_id: at most 36 characters.
            currency: a code of three characters, e.g. ``USD``; None: all.

        Raises:
            InvalidRequestError: the id or the currency cannot be one.
            NotFoundError: there is no such account.

        Source: fact sheet "money", A1 (operationId GetBalancesByAccountID); scope ``read_wallets``.
        """
        checks.refuse(BALANCES.name, {"currency": [] if currency is None else checks.currency(currency)})
        return await self._caller.value(
            BALANCES,
            path={"account_id": account_id},
            query=None if currency is None else {"currency": currency},
            options=options,
        )
