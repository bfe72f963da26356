"""Reads what an invoice or escrow is asked for (fact sheet "money", D, "Request: invoice body")."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tilia_async.json_value import JsonObject
from tilia_async.models.line_items import TransactionType
from tilia_async.sandbox.account_guards import account_of_body, refuse_blocked
from tilia_async.sandbox.fields import MOST, Fields
from tilia_async.sandbox.requests import ErrorResponse, SandboxRequest
from tilia_async.sandbox.responses import failure, invalid
from tilia_async.sandbox.state.invoices import Kind, LineItem, Payment, Recipient, Reference, SandboxInvoice
from tilia_async.sandbox.state.methods import CARD, SandboxPaymentMethod, for_wallet, of_wallet
from tilia_async.sandbox.state.wallets import CONVERTIBLE, CUSTOM, REGISTRATION, STANDARD, SandboxWallet
from tilia_async.sandbox.world import World

_MOST_BY_CARD = 1_000_000
"""Most of one card payment, in cents.

Tilia's default for one payment (fact sheet "money", B7).
"""


def read_invoice(call: SandboxRequest, body: JsonObject, kind: Kind, *, unpaid: bool = False) -> SandboxInvoice:
    """Return an open invoice, not yet among the others.

    Args:
        unpaid: what it is paid with is chosen later, in Tilia's pages.

    Raises:
        ErrorResponse: Tilia would refuse it; where no sample shows the answer, 400 with the field is inferred.
    """
    fields = Fields(body)
    account_id, parts, sources = fields.required("account_id"), fields.parts("line_items"), []
    if not parts:
        fields.refuse("line_items", "is required")
    currencies = {part.currency() for part in parts}
    if len(currencies) > 1:
        # Inferred: an invoice has one summary in one currency.
        fields.refuse("line_items", "must have one currency")
    if not unpaid:
        sources = fields.parts("payment_methods")
    fields.check()
    account_of_body(call, account_id)
    currency = currencies.pop()
    items = tuple(_line_item(call, part, account_id, currency) for part in parts)
    if sum(item.amount for item in items) > MOST:
        fields.refuse("line_items", f"must be at most {MOST} together")
    fields.check()
    world = call.world
    into = world.tilia_wallet("escrow", currency) if kind is Kind.ESCROW else None
    invoice = world.new_invoice(kind, account_id, currency, items, _reference(fields), into=into)
    refuse_blocked(call, (account_id, *invoice.recipient_ids))
    invoice.chosen = bool(sources) or not invoice.virtual
    if not invoice.chosen:
        invoice.payments = draw_tokens(world, invoice)
    elif not unpaid:
        invoice.payments = _payments(call, sources, invoice)
    return invoice


def draw_tokens(world: World, invoice: SandboxInvoice) -> tuple[Payment, ...]:
    """Return what a purchase takes from the buyer's wallets.

    A purchase in tokens: the convertible one first, the publisher's types last.

    All of them count as spendable. What they have not stands on the standard wallet, so that paying is refused. A
    wallet that is drawn from a second time keeps its ids.
    """
    left = invoice.total
    wallets = [each for each in world.wallets_of(invoice.account_id) if each.currency == invoice.currency]
    amounts: dict[SandboxWallet, int] = {}
    for kind in (CONVERTIBLE, STANDARD, CUSTOM):
        for wallet in (each for each in wallets if each.kind == kind):
            amounts[wallet] = min(left, wallet.balance)
            left -= amounts[wallet]
    known = {payment.method.wallet: payment for payment in invoice.payments}
    payments: list[Payment] = []
    for wallet, drawn in amounts.items():
        amount = drawn + left if wallet.kind == STANDARD else drawn
        if amount and wallet in known:
            payments.append(attrs.evolve(known[wallet], amount=amount))
        elif amount:
            payments.append(Payment(world.new_uuid(), world.new_uuid(), _method_of(world, wallet), amount))
    return tuple(payments)


def default_wallet(world: World, account_id: str, currency: str) -> SandboxWallet | None:
    """Return the wallet in which an account receives.

    Its convertible one for tokens.
    """
    if account_id == world.publisher.account_id:
        return world.publisher_wallet(currency)
    kind = CONVERTIBLE if currency == world.settings.token_currency else REGISTRATION
    wallet = world.wallet_of_kind(account_id, kind, currency)
    return wallet if wallet in world.wallets_of(account_id) else None


def usable_method(call: SandboxRequest, payment_method_id: str, account_id: str | None) -> SandboxPaymentMethod:
    """Return an active payment method.

    It is the account's if one is given.

    Raises:
        ErrorResponse: 400 in the words captured on staging.
    """
    method = call.world.method(payment_method_id)
    if method is None or (account_id is not None and method.account_id != account_id) or not method.usable:
        text = f"resource request invalid: failed to get pmid ({payment_method_id}). the request is invalid"
        raise ErrorResponse(failure(400, {"error": text}))
    return method


def over_card_limit(method: SandboxPaymentMethod, amount: int, currency: str) -> bool:
    """Return True if Tilia rejects a payment's height.

    The limit is in dollars, so it says nothing of other money.
    """
    return method.provider == CARD and currency == "USD" and amount > _MOST_BY_CARD


def _method_of(world: World, wallet: SandboxWallet) -> SandboxPaymentMethod:
    """Return the payment method of a wallet.

    One of the publisher's types may have none, and is told with one of its own.
    """
    method = of_wallet(world.methods.of(wallet.account_id), wallet)
    return method or for_wallet(world.new_id("pm"), wallet, world.times.plain())


def _reference(fields: Fields) -> Reference:
    names = ("reference_type", "reference_id", "description")
    texts = {name: fields.text(name) for name in (*names, "product_sku", "product_code")}
    return Reference(metadata=fields.value("metadata"), **texts)


def _line_item(call: SandboxRequest, part: Fields, buyer: str, currency: str) -> LineItem:
    amount, transaction_type = part.amount(), part.text("transaction_type")
    if transaction_type not in set(TransactionType):
        part.refuse("transaction_type", "is not known")
    recipients = part.parts("recipients")
    if recipients and transaction_type != TransactionType.USER_TO_USER:
        part.refuse("recipients", "are for user_to_user only")
    received = tuple(_recipient_of(call, recipient, buyer, currency) for recipient in recipients)
    if sum(each.amount for each in received) > amount:
        part.refuse("recipients", "must not have more than the line item")
    item = call.world.new_item(amount, currency, transaction_type, _reference(part))
    item.recipients = received
    return item


def _recipient_of(call: SandboxRequest, part: Fields, buyer: str, currency: str) -> Recipient:
    world = call.world
    amount = part.amount()
    if part.text("currency") not in ("", currency):
        part.refuse("currency", "must be that of the line item")
    source: SandboxWallet | None = None
    if source_id := part.text("source_wallet_id"):
        # The money comes through the publisher's wallet, which guides name here; a tutorial names the buyer's.
        source = _wallet(world, source_id)
        if source.account_id not in (world.publisher.account_id, buyer) or source.currency != currency:
            part.refuse("source_wallet_id", "must be yours or the buyer's, in the currency of the line item")
    destination = _destination(world, part, currency)
    # Inferred: a fee is rounded down.
    percentage = part.fraction("fee_percentage")
    fee = int(amount * percentage)
    if destination is None or destination.currency != currency:
        reason = f"must be a wallet for {currency}"
        raise ErrorResponse(invalid({"destination_wallet_id": [reason]}))
    description, reference = part.text("fee_description"), _reference(part)
    return Recipient(world.new_uuid(), amount, fee, description, destination, reference, source, percentage)


def _destination(world: World, part: Fields, currency: str) -> SandboxWallet | None:
    wallet_id, account_id = part.text("destination_wallet_id"), part.text("destination_account_id")
    if not wallet_id:
        return default_wallet(world, account_id, currency)
    wallet = _wallet(world, wallet_id)
    if wallet.account_id == world.tilia.account_id:
        part.refuse("destination_wallet_id", "must be yours or a user's")
    if account_id not in ("", wallet.account_id):
        part.refuse("destination_account_id", "must be the owner of the wallet")
    # Tokens are always received in the convertible wallet; that the other one is not refused is inferred.
    return default_wallet(world, wallet.account_id, currency) if wallet.kind == STANDARD else wallet


def _wallet(world: World, wallet_id: str) -> SandboxWallet:
    wallet = world.wallet(wallet_id)
    if wallet is None:
        # Captured on staging, for an authorized invoice.
        text = f"failed to set destination subitem resource. wallet ({wallet_id}) not found. a resource is missing"
        raise ErrorResponse(failure(404, {"error": text}, message=("input is invalid",), codes=("INPUT_ERROR",)))
    return wallet


def _payments(call: SandboxRequest, sources: Sequence[Fields], invoice: SandboxInvoice) -> tuple[Payment, ...]:
    """Return what each payment method gives.

    Of several exactly one has amount 0, which stands for the remainder.
    """
    asked: list[tuple[SandboxPaymentMethod, int]] = []
    for source in sources:
        payment_method_id = source.required("payment_method_id")
        amount = source.amount(least=0) if "amount" in source else 0
        source.check()
        method = usable_method(call, payment_method_id, invoice.account_id)
        if method.currency != invoice.currency:
            source.refuse("payment_method_id", f"does not process {invoice.currency}")
        if any(method is other for other, _ in asked):
            source.refuse("payment_method_id", "is given twice")
        source.check()
        asked.append((method, amount))
    remainder = invoice.total - sum(amount for _, amount in asked)
    rests = sum(amount == 0 for _, amount in asked)
    alone = len(asked) == 1 and (rests == 1 or remainder == 0)
    if not alone and (rests != 1 or remainder < 1):
        why = "is required" if not asked else "exactly one must have amount 0 and take a remainder"
        raise ErrorResponse(invalid({"payment_methods": [why]}))
    new_uuid = call.world.new_uuid
    return tuple(Payment(new_uuid(), new_uuid(), method, amount or remainder) for method, amount in asked)
