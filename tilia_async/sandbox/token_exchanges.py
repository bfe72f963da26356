"""Buying tokens and turning earned ones into money (fact sheet "money", C)."""

from __future__ import annotations

from tilia_async import event_names
from tilia_async.api import token_exchanges
from tilia_async.json_value import JsonObject
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.token_exchanges import ExchangeDirection, ExchangeStatus, RateDirection
from tilia_async.money import Money
from tilia_async.sandbox.account_guards import account_of_body, refuse_blocked
from tilia_async.sandbox.fields import MOST, Fields
from tilia_async.sandbox.invoice_json import summary
from tilia_async.sandbox.invoice_requests import over_card_limit, usable_method
from tilia_async.sandbox.requests import ErrorResponse, Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, error, invalid, rejected, without_texts
from tilia_async.sandbox.state.accounts import SandboxAccount
from tilia_async.sandbox.state.escrows import SandboxExchange
from tilia_async.sandbox.state.invoices import Kind, Reference
from tilia_async.sandbox.state.methods import SandboxPaymentMethod
from tilia_async.sandbox.state.wallets import (
    CONVERTIBLE,
    REGISTRATION,
    STANDARD,
    Movement,
    OverdrawnError,
    SandboxWallet,
)
from tilia_async.sandbox.world import World

_FEE_PERCENT = 5
"""Fees of a purchase, in percent each.

What Tilia and the publisher each take; inferred: fees are agreed on. A conversion is free.
"""


def start_purchase(call: SandboxRequest) -> SandboxResponse:
    fields = Fields(call.json())
    payment_method_id, tokens = fields.required("payment_method_id"), fields.amount()
    currency, destination_id = fields.currency(), fields.text("destination_account_id")
    fields.check()
    world = call.world
    _check_token(world, currency)
    method = usable_method(call, payment_method_id, None)
    if method.currency != "USD":
        return invalid({"payment_method_id": ["does not process USD"]})
    owner = account_of_body(call, method.account_id)
    buyer = account_of_body(call, destination_id, "destination_account_id") if destination_id else owner
    refuse_blocked(call, (owner.account_id, buyer.account_id))
    # Inferred: what does not come out even is rounded in favour of those who sell.
    net = _rounded_up(tokens, world.settings.tokens_per_cent)
    fee = _rounded_up(net * _FEE_PERCENT, 100)
    price = net + 2 * fee
    if price > MOST:
        return invalid({"amount": [f"must cost at most {MOST}"]})
    exchange = _started(
        world, owner, ExchangeDirection.TOKEN_PURCHASE, (Money(price, "USD"), Money(tokens, currency)),
        source=method.wallet, destination=_own_wallet(world, buyer, STANDARD, currency), fee=fee, method=method,
    )  # fmt: skip
    return without_texts(_to_json(world, exchange), status=201)


def start_conversion(call: SandboxRequest) -> SandboxResponse:
    fields, world = Fields(call.json()), call.world
    account_id = fields.required("account_id")
    # There is a single token, so its code may be left out.
    currency = fields.currency() if "currency" in fields else world.settings.token_currency
    asked = fields.amount() if "amount" in fields else 0
    fields.check()
    _check_token(world, currency)
    account = account_of_body(call, account_id)
    source = _own_wallet(world, account, CONVERTIBLE, currency)
    _may_convert(call, account)
    tokens = asked or source.balance
    cents = tokens // world.settings.tokens_per_cent
    if not cents:
        return invalid({"amount": ["is too small to be converted"]})
    exchange = _started(
        world, account, ExchangeDirection.TOKEN_CONVERT, (Money(tokens, currency), Money(cents, "USD")),
        source=source, destination=_own_wallet(world, account, REGISTRATION, "USD"),
    )  # fmt: skip
    return without_texts(_to_json(world, exchange), status=201)


def execute_purchase(call: SandboxRequest) -> SandboxResponse:
    exchange, world = _open(call, ExchangeDirection.TOKEN_PURCHASE), call.world
    refuse_blocked(call, (exchange.account_id, exchange.destination.account_id))
    publisher = world.publisher_wallet("USD")
    _execute(
        call,
        exchange,
        Movement(exchange.source, publisher, exchange.net + exchange.publisher_fee),
        Movement(exchange.source, world.tilia_wallet("fees", "USD"), exchange.tilia_fee),
    )
    return without_texts(_to_json(world, exchange))


def execute_conversion(call: SandboxRequest) -> SandboxResponse:
    exchange, world = _open(call, ExchangeDirection.TOKEN_CONVERT), call.world
    _may_convert(call, account_of_body(call, exchange.account_id))
    _execute(call, exchange, Movement(exchange.source, world.publisher_wallet(exchange.paid_currency), exchange.paid))
    return without_texts(_to_json(world, exchange))


def get(call: SandboxRequest) -> SandboxResponse:
    exchange = call.world.exchanges.get(call.path["token_exchange_id"])
    if exchange is None:
        return _unknown()
    tag: JsonObject = {"account_id": exchange.account_id, **exchange.tag.to_json()}
    return without_texts({**_to_json(call.world, exchange), "tags": [tag]})


ROUTES = (
    Route(token_exchanges.START_PURCHASE, start_purchase),
    Route(token_exchanges.EXECUTE_PURCHASE, execute_purchase),
    Route(token_exchanges.START_CONVERSION, start_conversion),
    Route(token_exchanges.EXECUTE_CONVERSION, execute_conversion),
    Route(token_exchanges.GET, get),
)


def _unknown() -> SandboxResponse:
    """Inferred: no operation on exchanges lists 404."""
    return error(400, "token exchange not found. the request is invalid")


def _check_token(world: World, currency: str) -> None:
    if currency != world.settings.token_currency:
        raise ErrorResponse(invalid({"currency": ["is no token of yours"]}))


def _own_wallet(world: World, account: SandboxAccount, kind: str, currency: str) -> SandboxWallet:
    wallet = world.wallet_of_kind(account.account_id, kind, currency)
    if wallet is None or wallet not in world.wallets_of(account.account_id):
        raise ErrorResponse(invalid({"account_id": [f"has no wallet for {currency}"]}))
    return wallet


def _may_convert(call: SandboxRequest, account: SandboxAccount) -> None:
    refuse_blocked(call, [account.account_id])
    if not account.kyc.passed:
        raise ErrorResponse(error(403, "Disallowed from transacting"))


def _rounded_up(amount: int, divisor: int) -> int:
    return -(-amount // divisor)


def _started(
    world: World,
    account: SandboxAccount,
    direction: ExchangeDirection,
    amounts: tuple[Money, Money],
    *,
    source: SandboxWallet | None,
    destination: SandboxWallet,
    fee: int = 0,
    method: SandboxPaymentMethod | None = None,
) -> SandboxExchange:
    paid, received = amounts
    token_exchange_id, now = world.new_id("vtok"), world.times.rfc3339()
    reference = Reference("invoicing.token_exchange.token_exchange_id", token_exchange_id)
    kind = Kind(direction)
    invoice = world.record(kind, account.account_id, paid, InvoiceState.OPEN, reference)
    tag = world.new_tag("invtag", token_exchange_id, reference.reference_type, "invoicing", "unrefundable")
    exchange = SandboxExchange(
        token_exchange_id, account.account_id, direction, method, source, destination, paid.minor_units,
        paid.currency, received.minor_units, fee, fee, invoice, tag, now, now,
    )  # fmt: skip
    world.exchanges[token_exchange_id] = exchange
    return exchange


def _open(call: SandboxRequest, direction: ExchangeDirection) -> SandboxExchange:
    exchange = call.world.exchanges.get(call.path["token_exchange_id"])
    if exchange is None:
        raise ErrorResponse(_unknown())
    if exchange.direction is not direction or exchange.status is not ExchangeStatus.OPEN:
        text = f"token exchange is {exchange.direction} and {exchange.status}. the request is invalid"
        raise ErrorResponse(error(400, text))
    return exchange


def _execute(call: SandboxRequest, exchange: SandboxExchange, *paid: Movement) -> None:
    """Exchange the user's money with the publisher's.

    The user pays, and gets the other currency from the publisher.

    Raises:
        ErrorResponse: 403: one of the two has not enough, or a card would pay too much. That the exchange stays open is
            inferred.
    """
    if exchange.method is not None and over_card_limit(exchange.method, exchange.paid, exchange.paid_currency):
        raise ErrorResponse(rejected())
    world, currency = call.world, exchange.destination.currency
    received = Movement(world.publisher_wallet(currency), exchange.destination, exchange.received)
    try:
        world.wallets.move((*paid, received))
    except OverdrawnError:
        raise ErrorResponse(rejected()) from None
    world.invoices.settle(exchange.invoice, InvoiceState.SUCCESS, world.clock.now())
    exchange.status, exchange.updated = ExchangeStatus.SUCCESS, world.times.rfc3339()
    world.notify(event_names.EXCHANGE, _notified(world, exchange))


def _to_json(world: World, exchange: SandboxExchange) -> JsonObject:
    buys = exchange.direction is ExchangeDirection.TOKEN_PURCHASE
    rate = world.settings.tokens_per_cent
    return {
        "token_exchange_id": exchange.token_exchange_id,
        "account_id": exchange.account_id,
        "destination_wallet_id": exchange.destination.wallet_id,
        "direction": exchange.direction,
        "invoice_id": exchange.invoice.invoice_id,
        "user_paid_amount": exchange.paid,
        "user_paid_currency": exchange.paid_currency,
        "user_received_amount": exchange.received,
        "user_received_currency": exchange.destination.currency,
        "exchange_rate": rate if buys else 1 / rate,
        "exchange_rate_direction": RateDirection.USD_TO_VIRTUAL if buys else RateDirection.VIRTUAL_TO_USD,
        "tilia_fee_amount": exchange.tilia_fee,
        "integrator_fee_amount": exchange.publisher_fee,
        "fee_currency": exchange.paid_currency,
        "status": exchange.status,
        "created": exchange.created,
        "updated": exchange.updated,
        "summary": summary(world, exchange.paid, exchange.paid_currency),
    }


def _notified(world: World, exchange: SandboxExchange) -> JsonObject:
    """Return the message of "token-exchange-completed".

    It tells the two amounts a second time by what they are.
    """
    buys = exchange.direction is ExchangeDirection.TOKEN_PURCHASE
    dollars, tokens = (exchange.net, exchange.received) if buys else (exchange.received, exchange.paid)
    payload = _to_json(world, exchange)
    del payload["summary"]
    return {
        **payload,
        "amount_usd": dollars,
        "fee_amount": exchange.tilia_fee + exchange.publisher_fee,
        "virtual_amount": tokens,
        "virtual_currency": world.settings.token_currency,
    }
