"""Ways to pay: cards, PayPal, bank accounts and wallets (fact sheet "money", B)."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

import attrs

from tilia_async import checks
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput, JsonValue
from tilia_async.models.payment_methods import CustomWallet, PaymentMethod, TransactionMethods
from tilia_async.models.requests import CustomWalletBody, MethodsQuery, UpdateMethodBody
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Evidence, Operation, Repeat
from tilia_async.wire.refusal import listed, refuse
from tilia_async.wire.sender import Sender

LIST = Operation(
    "payment_methods.list",
    "GET",
    Service.PAYMENTS,
    "/v1/{account_id}/payment_methods",
    list[PaymentMethod],
    other_paths=("/{account_id}/payment_methods",),
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
    other_paths=("/v1/payment_method/{payment_method_id}",),
    scopes={Scope.WRITE_PAYMENT_METHOD},
    body=UpdateMethodBody,
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
    query=MethodsQuery,
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
    body=CustomWalletBody,
    repeat=Repeat.NEVER,
    reference=("account_id", "wallet_type"),
    echoes={"account_id": "wallet.account_id"},
    evidence=Evidence({"scope"}, "the page hides the scope; that of the wallet is expected"),
)


@attrs.frozen(eq=False)
class PaymentMethods:
    """``tilia.payment_methods``: what a user can pay with.

    Adding one is done in Tilia's web pages.
    """

    _sender: Sender

    async def list(self, account_id: str, *, options: RequestOptions | None = None) -> builtins.list[PaymentMethod]:
        """List an account's payment methods of all kinds, wallets included.

        An account that does not exist has none; Tilia does not say that it does not exist.

        Items of another account are not refused, because Tilia's own sample has one: look at ``account_id``.

        For example::

            for method in await tilia.payment_methods.list(account_id):
                print(method.id, method.provider, method.display_string)

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "money", B1 (operationId getPaymentMethods); scope ``read_payment_methods``.
        """
        return await self._sender.value(LIST, path={"account_id": account_id}, options=options)

    async def get(self, payment_method_id: str, *, options: RequestOptions | None = None) -> PaymentMethod:
        """Look a payment method up by its id.

        For example::

            method = await tilia.payment_methods.get(card_id)
            print(method.display_string, method.pm_state)

        Args:
            payment_method_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            ApiError: there is no such payment method; Tilia documents no status for it.

        Source: fact sheet "money", B2 (operationId getPaymentMethodByID); scope ``read_payment_methods``.
        """
        return await self._sender.value(GET, path={"payment_method_id": payment_method_id}, options=options)

    async def update(
        self,
        payment_method_id: str,
        display_string: str | None = None,
        default_payment: bool | None = None,
        default_payout: bool | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> dict[str, JsonValue]:
        """Rename a payment method, or make it the default.

        What is None stays as it is.

        For example::

            await tilia.payment_methods.update(card_id, display_string="My card", default_payment=True)

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
        refuse(
            UPDATE.name,
            {
                "display_string": [] if display_string is None else checks.text(display_string),
                "default_payment": checks.flag(default_payment),
                "default_payout": checks.flag(default_payout),
                "payment_method_id": [] if body else ["would stay as it is; give something to change"],
            },
        )
        path = {"payment_method_id": payment_method_id}
        return await self._sender.value(UPDATE, path=path, body=body, options=options)

    async def transaction_methods(
        self,
        account_id: str,
        state: str | None = None,
        capability: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> TransactionMethods:
        """List an account's methods for its transactions.

        What it can pay with, be paid to, and has.

        For example::

            methods = await tilia.payment_methods.transaction_methods(account_id, capability="purchase")
            print(methods.capabilities.purchase)

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
        refuse(TRANSACTION_METHODS.name, {field: checks.text(value) for field, value in query.items()})
        return await self._sender.value(
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
        """Make a wallet, with a payment method for it.

        The wallet is of a type that Tilia set up for you; the payment method is there to pay with.

        For example::

            made = await tilia.payment_methods.create_custom_wallet(account_id, "publisher_hosted")
            print(made.payment_method.id, made.wallet.wallet_id)

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
        return await self._sender.value(CREATE_CUSTOM_WALLET, body=body, options=options)


def custom_wallet_body(operation: str, account_id: str, wallet_type: str, tags: Sequence[str]) -> dict[str, JsonInput]:
    """Build the body for a wallet of one's own.

    Both ways to make one share it.

    Raises:
        InvalidRequestError: a field breaks a rule.
    """
    tags = listed(operation, "tags", tags, str)
    refuse(
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
