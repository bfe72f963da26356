"""Wallets: one currency each, several for each account (fact sheet "money", A)."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Sequence

import attrs

from tilia_async import checks
from tilia_async.api.payment_methods import LIST as LIST_PAYMENT_METHODS
from tilia_async.api.payment_methods import custom_wallet_body
from tilia_async.config import RequestOptions, Service
from tilia_async.currencies import as_iso_writes_it
from tilia_async.errors import DeadlineExceededError, TiliaError
from tilia_async.models.payment_methods import PaymentMethod
from tilia_async.models.requests import BalancesQuery, CustomWalletBody
from tilia_async.models.wallets import AccountBalances, BalanceAmount, CurrencyBalance, Wallet
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Evidence, Operation, Repeat
from tilia_async.wire.refusal import refuse
from tilia_async.wire.sender import Sender

# The models are in a room of their own because payment methods have them, too.
__all__ = ["AccountBalances", "BalanceAmount", "CurrencyBalance", "Wallet", "Wallets"]

LIST = attrs.evolve(LIST_PAYMENT_METHODS, name="wallets.list")
GET = Operation(
    "wallets.get",
    "GET",
    Service.WALLETS,
    "/v2/wallet/{wallet_id}",
    Wallet,
    scopes={Scope.READ_WALLETS},
    repeat=Repeat.SAFE,
    echoes={"wallet_id": "wallet_id"},
    evidence=Evidence({"answer"}, "the page hides the payload; that of CreateCustomWallet is expected"),
)
BALANCES = Operation(
    "wallets.balances",
    "GET",
    Service.WALLETS,
    "/balances/{account_id}",
    AccountBalances,
    scopes={Scope.READ_WALLETS},
    query=BalancesQuery,
    repeat=Repeat.SAFE,
    echoes={"account_id": "account_id"},
    essential={"balances"},
)
CREATE_CUSTOM = Operation(
    "wallets.create_custom",
    "POST",
    Service.WALLETS,
    "/v2/wallet/custom",
    Wallet,
    scopes={Scope.CREATE_WALLET},
    body=CustomWalletBody,
    repeat=Repeat.NEVER,
    reference=("account_id", "wallet_type"),
    echoes={"account_id": "account_id"},
    evidence=Evidence({"scope"}, "the page hides the scope; create_wallet stands on an older overview"),
)


@attrs.frozen(eq=False)
class Wallets:
    """``tilia.wallets``: what users have."""

    _sender: Sender

    async def list(self, account_id: str, *, options: RequestOptions | None = None) -> builtins.list[PaymentMethod]:
        """List an account's wallets.

        Each as the payment method that it is.

        Tilia documents no path for the wallets of an account, so this does what its guides do: it lists the payment
        methods and takes those of provider ``wallet``. ``wallet_id``, ``currency`` and ``current_balance`` stand on
        each. A new account's wallets appear a moment after its registration.

        Items of another account are not refused, because Tilia's own sample has one: look at ``account_id``.

        For example::

            for wallet in await tilia.wallets.list(account_id):
                print(wallet.wallet_id, wallet.currency, wallet.current_balance)

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "money", A3 and B1; scope ``read_payment_methods``.
        """
        methods = await self._sender.value(LIST, path={"account_id": account_id}, options=options)
        return [method for method in methods if method.is_wallet]

    async def get(self, wallet_id: str, *, options: RequestOptions | None = None) -> Wallet:
        """Look a wallet up by its id.

        For example::

            wallet = await tilia.wallets.get(wallet_id)
            print(wallet.currency, wallet.current_balance)

        Args:
            wallet_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            NotFoundError: there is no such wallet.

        Source: fact sheet "money", A2 (operationId GetWalletByID); scope ``read_wallets``.
        """
        return await self._sender.value(GET, path={"wallet_id": wallet_id}, options=options)

    async def balances(
        self, account_id: str, currency: str | None = None, *, options: RequestOptions | None = None
    ) -> AccountBalances:
        """Return the balances of an account.

        In all its currencies or in one.

        For example::

            found = await tilia.wallets.balances(account_id, "USD")
            print(found.balances["USD"].spendable.balance)

        Args:
            account_id: at most 36 characters.
            currency: a code of three characters, e.g. ``USD``; None: all.

        Raises:
            InvalidRequestError: the id or the currency cannot be one.
            NotFoundError: there is no such account.

        Source: fact sheet "money", A1 (operationId GetBalancesByAccountID); scope ``read_wallets``.
        """
        refuse(BALANCES.name, {"currency": [] if currency is None else checks.currency(currency)})
        return await self._sender.value(
            BALANCES,
            path={"account_id": account_id},
            query=None if currency is None else {"currency": as_iso_writes_it(currency)},
            options=options,
        )

    async def create_custom(
        self,
        account_id: str,
        wallet_type: str,
        tags: Sequence[str] = (),
        *,
        options: RequestOptions | None = None,
    ) -> Wallet:
        """Make a wallet of a type set up for you.

        Tilia set the type up. The wallet gets no payment method.

        ``payment_methods.create_custom_wallet`` makes one that can pay in Tilia's pages.

        For example::

            wallet = await tilia.wallets.create_custom(account_id, "publisher_hosted", tags=["coin:TOK"])
            print(wallet.wallet_id)

        Args:
            account_id: at most 36 characters.
            wallet_type: as agreed with Tilia, e.g. ``publisher_hosted``.
            tags: e.g. ``coin:TOK``.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            BadRequestError: Tilia refuses.

        Source: fact sheet "money", A4 (operationId CreateCustomWallet); scope ``create_wallet`` is inferred.
        """
        body = custom_wallet_body(CREATE_CUSTOM.name, account_id, wallet_type, tags)
        return await self._sender.value(CREATE_CUSTOM, body=body, options=options)

    async def wait_until_ready(
        self,
        account_id: str,
        timeout: float = 30.0,  # noqa: ASYNC109 - of a wait, not of a call
        *,
        options: RequestOptions | None = None,
    ) -> builtins.list[PaymentMethod]:
        """Wait for a new account's wallets, and list them.

        Tilia makes them in the background.

        For example::

            wallets = await tilia.wallets.wait_until_ready(account_id)
            print([wallet.wallet_id for wallet in wallets])

        Args:
            account_id: at most 36 characters.
            timeout: seconds for the whole wait; ``options`` hold for each look.

        Raises:
            InvalidRequestError: the id cannot be one.
            DeadlineExceededError: there are none yet.

        Source: fact sheet "accounts", B1, side effects; scope ``read_payment_methods``.
        """
        refuse(LIST.name, {"timeout": checks.seconds(timeout)})
        pause = 0.1
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeout):
                while not (wallets := await self.list(account_id, options=options)):
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, 2.0)
                return wallets
        except TimeoutError as error:
            if isinstance(error, TiliaError):
                raise
        waited = asyncio.get_running_loop().time() - started
        raise DeadlineExceededError(f"no wallet of the account has appeared in {waited:.1f} s", operation=LIST.name)
