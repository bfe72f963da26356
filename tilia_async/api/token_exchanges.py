"""Virtual tokens: buying them and turning them into money (fact sheet "money", C)."""

from __future__ import annotations

import attrs

from tilia_async import checks
from tilia_async.config import RequestOptions, Service
from tilia_async.currencies import as_iso_writes_it
from tilia_async.json_value import JsonInput
from tilia_async.models.amount import Amount, AmountArgument
from tilia_async.models.line_items import Location
from tilia_async.models.request_part import body_of
from tilia_async.models.requests import ConversionBody, NoFields, PurchaseBody
from tilia_async.models.token_exchanges import ExchangeStatus, TokenExchange
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Operation, Repeat
from tilia_async.wire.refusal import refuse
from tilia_async.wire.sender import Sender

START_PURCHASE = Operation(
    "token_exchanges.start_purchase",
    "POST",
    Service.INVOICING,
    "/v2/token/purchase",
    TokenExchange,
    scopes={Scope.WRITE_TOKENS},
    body=PurchaseBody,
    repeat=Repeat.NEVER,
    success={201},
    reference=("payment_method_id", "destination_account_id", "amount", "currency"),
)
EXECUTE_PURCHASE = Operation(
    "token_exchanges.execute_purchase",
    "POST",
    Service.INVOICING,
    "/v2/token/purchase/{token_exchange_id}",
    TokenExchange,
    scopes={Scope.WRITE_TOKENS},
    body=NoFields,
    repeat=Repeat.NEVER,
    reference=("token_exchange_id",),
    echoes={"token_exchange_id": "token_exchange_id"},
    # An open exchange is a quote.
    denials={"status": {ExchangeStatus.OPEN}},
)
START_CONVERSION = Operation(
    "token_exchanges.start_conversion",
    "POST",
    Service.INVOICING,
    "/v2/token/convert",
    TokenExchange,
    scopes={Scope.WRITE_TOKENS},
    body=ConversionBody,
    repeat=Repeat.NEVER,
    success={201},
    reference=("account_id",),
    echoes={"account_id": "account_id"},
)
EXECUTE_CONVERSION = Operation(
    "token_exchanges.execute_conversion",
    "POST",
    Service.INVOICING,
    "/v2/token/convert/{token_exchange_id}",
    TokenExchange,
    scopes={Scope.WRITE_TOKENS},
    body=NoFields,
    repeat=Repeat.NEVER,
    reference=("token_exchange_id",),
    echoes={"token_exchange_id": "token_exchange_id"},
    denials={"status": {ExchangeStatus.OPEN}},
)
GET = Operation(
    "token_exchanges.get",
    "GET",
    Service.INVOICING,
    "/v2/token/{token_exchange_id}",
    TokenExchange,
    scopes={Scope.READ_TOKENS},
    repeat=Repeat.SAFE,
    echoes={"token_exchange_id": "token_exchange_id"},
)


@attrs.frozen(eq=False)
class TokenExchanges:
    """``tilia.token_exchanges``: buy tokens, and turn earned ones into money.

    Each is started, then executed.
    """

    _sender: Sender

    async def start_purchase(
        self,
        payment_method_id: str,
        amount: Amount,
        currency: str | None = None,
        destination_account_id: str | None = None,
        tax_inclusive: bool | None = None,
        location: Location | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> TokenExchange:
        """Ask what tokens would cost. Nothing is paid until ``execute_purchase``.

        For example::

            quote = await tilia.token_exchanges.start_purchase(card_id, 500, "TOK")
            print(quote.token_exchange_id, quote.user_paid_amount, quote.user_paid_currency)

        Args:
            payment_method_id: what to pay with, at most 36 characters.
            amount: how many tokens, in the token's smallest unit, at least 1; or ``Money``.
            currency: the token's code, three characters, with an amount that is not a ``Money``.
            destination_account_id: who gets them; None: the owner of the payment method.
            tax_inclusive: taxes are part of the price; None: Tilia's default, they are added.
            location: where the buyer is, for taxes.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            BadRequestError: Tilia refuses.
            ForbiddenError: the account may not transact.

        Source: fact sheet "money", C1 (operationId createTokenPurchase); scope ``write_tokens``; success is 201.
        """
        tokens = AmountArgument(amount, currency)
        destination = [] if destination_account_id is None else checks.identifier(destination_account_id)
        refuse(
            START_PURCHASE.name,
            {
                "payment_method_id": checks.identifier(payment_method_id),
                **tokens.problems(),
                "destination_account_id": destination,
                "tax_inclusive": checks.flag(tax_inclusive),
                **({} if location is None else {f"location.{name}": why for name, why in location.problems().items()}),
            },
        )
        body: dict[str, JsonInput] = {"payment_method_id": payment_method_id, **tokens.fields()}
        if destination_account_id is not None:
            body["destination_account_id"] = destination_account_id
        if tax_inclusive is not None:
            body["tax_inclusive"] = tax_inclusive
        if location is not None:
            body["location"] = body_of(location)
        return await self._sender.value(START_PURCHASE, body=body, options=options)

    async def execute_purchase(self, token_exchange_id: str, *, options: RequestOptions | None = None) -> TokenExchange:
        """Pay for the tokens of a purchase that was started.

        For example::

            bought = await tilia.token_exchanges.execute_purchase(purchase_id)
            print(bought.status, bought.summary.display_amount)

        Args:
            token_exchange_id: from ``start_purchase``, at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            BadRequestError: Tilia refuses: the exchange has to be an open purchase.
            ForbiddenError: the account may not transact.

        Source: fact sheet "money", C2 (operationId executeTokenPurchase); scope ``write_tokens``.
        """
        return await self._sender.value(
            EXECUTE_PURCHASE, path={"token_exchange_id": token_exchange_id}, options=options
        )

    async def buy(
        self,
        payment_method_id: str,
        amount: Amount,
        currency: str | None = None,
        destination_account_id: str | None = None,
        tax_inclusive: bool | None = None,
        location: Location | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> TokenExchange:
        """Start a purchase and execute it at once.

        At whatever it costs.

        An error of the second step carries the exchange in ``reference["token_exchange_id"]``: it is started already,
        so do not buy again but ask what became of it. ``options`` hold for each of the two calls. Where this may be
        cancelled, or the process may die, take the two steps yourself and keep the id: nobody else knows it, and
        without it nobody can tell whether the tokens were paid for.

        For example::

            bought = await tilia.token_exchanges.buy(card_id, Money(500, "TOK"))
            print(bought.status)

        Args:
            payment_method_id: what to pay with, at most 36 characters.
            amount: how many tokens, in the token's smallest unit, at least 1; or ``Money``.
            currency: the token's code, three characters, with an amount that is not a ``Money``.
            destination_account_id: who gets them; None: the owner of the payment method.
            tax_inclusive: taxes are part of the price; None: Tilia's default, they are added.
            location: where the buyer is, for taxes.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            BadRequestError: Tilia refuses.
            ForbiddenError: the account may not transact.

        Source: the tutorial "Buy tokens" (fact sheet "money", C6); scope ``write_tokens``.
        """
        started = await self.start_purchase(
            payment_method_id, amount, currency, destination_account_id, tax_inclusive, location, options=options
        )
        return await self.execute_purchase(started.token_exchange_id, options=options)

    async def start_conversion(
        self,
        account_id: str,
        amount: Amount | None = None,
        currency: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> TokenExchange:
        """Ask what earned tokens would bring. Nothing moves until ``execute_conversion``.

        For example::

            quote = await tilia.token_exchanges.start_conversion(earner_id, Money(40_000, "TOK"))
            print(quote.token_exchange_id, quote.user_received_amount)

        Args:
            account_id: whose tokens, at most 36 characters; the user must have passed KYC.
            amount: how many tokens, at least 1, or ``Money``; None: all that can be converted.
            currency: the token's code; it may be left out if you have a single token.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            BadRequestError: Tilia refuses.
            ForbiddenError: the account may not transact.

        Source: fact sheet "money", C3 (operationId createTokenConversion); scope ``write_tokens``; success is 201.
        """
        given = None if amount is None else AmountArgument(amount, currency, currency_wanted=currency is not None)
        code = [] if currency is None else checks.currency(currency)
        refuse(
            START_CONVERSION.name,
            {
                "account_id": checks.identifier(account_id),
                "currency": code,
                **({} if given is None else given.problems()),
            },
        )
        body: dict[str, JsonInput] = {"account_id": account_id}
        if amount is not None:
            body |= AmountArgument(amount, currency).fields()
        elif currency is not None:
            body["currency"] = as_iso_writes_it(currency)
        return await self._sender.value(START_CONVERSION, body=body, options=options)

    async def execute_conversion(
        self, token_exchange_id: str, *, options: RequestOptions | None = None
    ) -> TokenExchange:
        """Turn the tokens of a conversion into money.

        The conversion was started before.

        For example::

            converted = await tilia.token_exchanges.execute_conversion(conversion_id)
            print(converted.status)

        Args:
            token_exchange_id: from ``start_conversion``, at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            BadRequestError: Tilia refuses: the exchange has to be an open conversion.
            ForbiddenError: the account may not transact.

        Source: fact sheet "money", C4 (operationId executeTokenConversion); scope ``write_tokens``.
        """
        return await self._sender.value(
            EXECUTE_CONVERSION, path={"token_exchange_id": token_exchange_id}, options=options
        )

    async def get(self, token_exchange_id: str, *, options: RequestOptions | None = None) -> TokenExchange:
        """Look an exchange up by its id.

        For example::

            exchange = await tilia.token_exchanges.get(purchase_id)
            print(exchange.status)

        Args:
            token_exchange_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            ApiError: there is no such exchange; Tilia documents no 404 for it.

        Source: fact sheet "money", C5 (operationId getTokenExchange); scope ``read_tokens``.
        """
        return await self._sender.value(GET, path={"token_exchange_id": token_exchange_id}, options=options)
