"""Events on demand, by the deeds that they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import orjson

from tilia_async import event_names
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.compliance import KycState
from tilia_async.models.refunds import RefundReason
from tilia_async.money import Money
from tilia_async.sandbox import (
    blocks,
    compliance,
    escrow,
    invoices,
    messages,
    payment_methods,
    payouts,
    refunds,
    token_exchanges,
    transfers,
)
from tilia_async.sandbox.requests import ErrorResponse, Handler, SandboxRequest
from tilia_async.sandbox.state.accounts import SandboxAccount
from tilia_async.sandbox.state.methods import CARD, PAYPAL, of_wallet
from tilia_async.sandbox.state.wallets import REGISTRATION, SandboxWallet
from tilia_async.sandbox.world import World

Deed: TypeAlias = Callable[[World, SandboxAccount], None]

_CENTS: Final = 300
_FEE: Final = 25
_TOKENS: Final = 500


def trigger(
    world: World, event_name: str, account_id: str | None, message: Mapping[str, JsonValue] | None = None
) -> JsonObject:
    """Do what an event tells of, and return its message.

    Args:
        account_id: None: a new account.
        message: notified instead, and nothing is done.

    Raises:
        KeyError: there is no such account.
        ValueError: there is no such event, or the deed is refused.
    """
    deed = _DEEDS.get(event_name)
    if deed is None:
        raise ValueError(f"there is no event {event_name!r}; there are {', '.join(sorted(_DEEDS))}")
    if message is not None:
        world.notify(event_name, {**message})
        return {**message}
    sent: list[JsonObject] = []
    notify = world.notify

    def listen(name: str, content: JsonObject) -> None:
        if name == event_name:
            sent.append(content)
        notify(name, content)

    account = _account(world, account_id)
    world.notify = listen
    try:
        deed(world, account)
    finally:
        world.notify = notify
    return sent[-1]


def _account(world: World, account_id: str | None) -> SandboxAccount:
    """Return an account whose wallets have appeared."""
    if account_id is None:
        number = len(world.accounts.users) + 1
        while world.accounts.named(f"triggered-{number}") is not None:
            number += 1
        account = world.create_account(f"triggered-{number}", f"triggered-{number}@mail.example")
    else:
        found = world.accounts.users.get(account_id)
        if found is None:
            raise KeyError(f"there is no account {account_id!r}")
        account = found
    account.wallets_at = min(account.wallets_at, world.clock.now())
    return account


def _ask(world: World, handler: Handler, body: JsonObject, **path: str) -> JsonObject:
    """Make a request of its own, and return the payload.

    Raises:
        ValueError: it is refused.
    """
    try:
        answer = handler(SandboxRequest(world, path, {}, orjson.dumps(body)))
    except ErrorResponse as refused:
        answer = refused.answer
    content: JsonValue = orjson.loads(answer.body)
    if answer.status >= 400 or not isinstance(content, dict):
        raise ValueError(f"the sandbox refuses it with {answer.status}: {answer.body.decode()}")
    payload = content.get("payload", content)
    return payload if isinstance(payload, dict) else {}


def _registration_wallet(world: World, account: SandboxAccount) -> SandboxWallet:
    return next(each for each in world.wallets_of(account.account_id) if each.kind == REGISTRATION)


def _method(world: World, account: SandboxAccount, provider: str) -> str:
    """Return a usable card or PayPal account.

    It is added if there is none.
    """
    for method in world.methods_of(account.account_id):
        if method.provider == provider and method.usable and method.currency == "USD":
            return method.id
    add = {CARD: payment_methods.add_card, PAYPAL: payment_methods.add_paypal}[provider]
    return add(world, account, "USD", "ACTIVE").id


def _item(account: SandboxAccount, card: str) -> JsonObject:
    return {
        "account_id": account.account_id,
        "reference_type": "sandbox",
        "reference_id": "triggered",
        "line_items": [{"amount": _CENTS, "currency": "USD", "transaction_type": "user_to_integrator"}],
        "payment_methods": [{"payment_method_id": card, "amount": 0}],
    }


def _block(world: World, account: SandboxAccount) -> None:
    if account.is_blocked:
        _ask(world, blocks.unblock, {}, account_id=account.account_id)
    else:
        _ask(world, blocks.block, {}, account_id=account.account_id)


def _register(world: World, account: SandboxAccount) -> None:
    world.notify(*messages.registered(account))


def _transfer(world: World, account: SandboxAccount) -> None:
    item: JsonObject = {
        "amount": _CENTS,
        "currency": "USD",
        "transfer_item_type": "fund_user",
        "source_wallet_id": world.publisher_wallet("USD").wallet_id,
        "destination_wallet_id": _registration_wallet(world, account).wallet_id,
    }
    body: JsonObject = {
        "account_id": account.account_id,
        "balance_transfer_type": "fund_user",
        "transfer_items": [item],
    }
    _ask(world, transfers.create, body)


def _deposit(world: World, account: SandboxAccount) -> None:
    wallet = _registration_wallet(world, account)
    world.fund(account.account_id, Money(_CENTS - _FEE, "USD"), REGISTRATION)
    method = of_wallet(world.methods.of(account.account_id), wallet)
    world.notify(
        event_names.DEPOSIT,
        {
            "account_id": account.account_id,
            "deposit_id": world.new_id("dep"),
            "deposit_invoice_id": world.new_id("inv"),
            "deposit_payment_method_id": "" if method is None else method.id,
            # Inferred: the page tells no sample of it.
            "deposit_provider": "sandbox",
            "deposit_type": "ACH",
            "destination_wallet_id": wallet.wallet_id,
            "fee_amount": _FEE,
            "fee_currency": "USD",
            "received_amount": _CENTS - _FEE,
            "received_currency": "USD",
            "request_amount": _CENTS,
            "request_currency": "USD",
        },
    )


def _escrow(world: World, account: SandboxAccount) -> None:
    created = _ask(world, escrow.create, _item(account, _method(world, account, CARD)))
    _ask(world, escrow.pay, {}, escrow_id=str(created["id"]))


def _invoice(world: World, account: SandboxAccount) -> str:
    invoice = _ask(world, invoices.create, _item(account, _method(world, account, CARD)))
    invoice_id = str(invoice["invoice_id"])
    _ask(world, invoices.pay, {}, invoice_id=invoice_id)
    return invoice_id


def _pay_invoice(world: World, account: SandboxAccount) -> None:
    _invoice(world, account)


def _refund(world: World, account: SandboxAccount) -> None:
    _ask(world, refunds.refund_invoice, {"invoice_id": _invoice(world, account), "reason": RefundReason.BILLING})


def _exchange(world: World, account: SandboxAccount) -> None:
    body: JsonObject = {
        "payment_method_id": _method(world, account, CARD),
        "amount": _TOKENS,
        "currency": world.settings.token_currency,
    }
    started = _ask(world, token_exchanges.start_purchase, body)
    _ask(world, token_exchanges.execute_purchase, {}, token_exchange_id=str(started["token_exchange_id"]))


def _payment_method(world: World, account: SandboxAccount) -> None:
    payment_methods.notify(world, payment_methods.add_card(world, account, "USD", "ACTIVE"))


def _kyc(world: World, account: SandboxAccount) -> None:
    compliance.decide_kyc(world, account, KycState.ACCEPT, None)


def _wallet_alert(world: World, account: SandboxAccount) -> None:
    wallet = _registration_wallet(world, account)
    world.notify(
        event_names.BALANCE_ALERT,
        {
            "balance": wallet.balance,
            "critical": wallet.balance == 0,
            "description": wallet.description,
            "wallet_id": wallet.wallet_id,
            "warning": True,
        },
    )


def _payout(world: World, account: SandboxAccount) -> None:
    account.signed_tos = True
    _kyc(world, account)
    world.fund(account.account_id, Money(_CENTS, "USD"), REGISTRATION)
    source = of_wallet(world.methods_of(account.account_id), _registration_wallet(world, account))
    body: JsonObject = {
        "source_payment_method_id": "" if source is None else source.id,
        "destination_payment_method_id": _method(world, account, PAYPAL),
        "amount": _CENTS,
        "currency": "USD",
    }
    asked = _ask(world, payouts.request, body, account_id=account.account_id)
    payouts.finish(world, world.payouts[str(asked["payout_status_id"])])


def _kyb(world: World, account: SandboxAccount) -> None:
    # One that was entered before is entered again: only a new entity is notified.
    account.entity_id = ""
    body: JsonObject = {"entity_name": account.username, "user_email": account.email or "kyb@mail.example"}
    _ask(world, compliance.onboard_entity, body, account_id=account.account_id)


_DEEDS: Final[Mapping[str, Deed]] = {
    event_names.ACCOUNT_BLOCK: _block,
    event_names.REGISTRATION: _register,
    event_names.TRANSFER: _transfer,
    event_names.DEPOSIT: _deposit,
    event_names.ESCROW: _escrow,
    event_names.INVOICE: _pay_invoice,
    event_names.REFUND: _refund,
    event_names.EXCHANGE: _exchange,
    event_names.PAYMENT_METHOD: _payment_method,
    event_names.KYC: _kyc,
    event_names.BALANCE_ALERT: _wallet_alert,
    event_names.PAYOUT: _payout,
    event_names.KYB: _kyb,
}
