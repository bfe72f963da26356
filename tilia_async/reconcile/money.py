"""Look-ups of writes that move money or tokens.

A publisher has many workers, and Tilia's support and the users act as well. So a state that is reached tells that it is
done, and not by whom; and what was made is this write's only if an id of the caller's own says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from tilia_async.api.escrow import Escrow, Escrows, EscrowStatus
from tilia_async.api.invoices import Invoice, Invoices, InvoiceState
from tilia_async.api.payment_methods import PaymentMethods
from tilia_async.api.payouts import Payout, Payouts, PayoutStatus
from tilia_async.api.refunds import InvoiceRefunds, Refund, Refunds
from tilia_async.api.token_exchanges import ExchangeStatus, TokenExchanges
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.reconcile.looking import Looking, Lookup, Order, found_in_list
from tilia_async.reconcile.reconciliation import Verdict
from tilia_async.reconcile.sought import NO_REFERENCE, Finding, Progress, Sought, matched, proves_nothing, unknown
from tilia_async.wire.codec import decode

_PAYING = Progress(
    "pay it",
    done={InvoiceState.SUCCESS},
    under_way={InvoiceState.PROCESSING},
    waiting={InvoiceState.OPEN},
    failed={InvoiceState.FAILED},
)
# The invoice is the transfer's own doing, so one that is open is a transfer that was begun.
_TRANSFERRING = Progress(
    "transfer",
    done={InvoiceState.SUCCESS},
    under_way={InvoiceState.PROCESSING, InvoiceState.OPEN},
    waiting=(),
    failed={InvoiceState.FAILED},
)
_EXCHANGING = Progress(
    "execute it", done={ExchangeStatus.SUCCESS}, under_way=(), waiting={ExchangeStatus.OPEN}, failed=()
)
_CANCELLING_PAYOUT = Progress(
    "cancel it",
    done={PayoutStatus.USER_CANCELED, PayoutStatus.USER_REVERSED, PayoutStatus.SUPPORT_REJECTED},
    under_way={PayoutStatus.USER_REVERSE_TRANSFER_INITIATED, PayoutStatus.SUPPORT_REJECT_TRANSFER_INITIATED},
    waiting={
        PayoutStatus.ESCROW_TRANSFER_INITIATED,
        PayoutStatus.FUNDS_IN_ESCROW,
        PayoutStatus.FUNDS_IN_ESCROW_ON_HOLD,
    },
    failed={PayoutStatus.CREDIT_TRANSFER_INITIATED, PayoutStatus.SUCCESS},
)
_PAYING_ESCROW = Progress(
    "pay it",
    done={
        EscrowStatus.ESCROWED,
        EscrowStatus.COMMIT_REQUESTED,
        EscrowStatus.COMMITTED,
        EscrowStatus.COMMIT_FAILED,
    },
    under_way=(),
    waiting={EscrowStatus.OPEN},
    failed={EscrowStatus.ESCROW_FAILED},
)
_COMMITTING = Progress(
    "commit it",
    done={EscrowStatus.COMMITTED},
    under_way={EscrowStatus.COMMIT_REQUESTED},
    waiting={EscrowStatus.OPEN, EscrowStatus.ESCROWED},
    failed={EscrowStatus.COMMIT_FAILED},
)
_CANCELLING = Progress(
    "cancel it",
    done={EscrowStatus.CANCELLED},
    under_way={EscrowStatus.CANCEL_REQUESTED},
    waiting={EscrowStatus.OPEN, EscrowStatus.ESCROWED},
    failed={EscrowStatus.CANCEL_FAILED},
)


async def invoice_created(look: Looking, sought: Sought) -> Finding:
    account_id, given = sought.needed("account_id"), sought.reference.get("invoice_type")
    # An answer may call the type otherwise than the request did, with "_virtual" at its end for tokens.
    plain = given.removesuffix("_virtual") if given else ""
    types = [plain, f"{plain}_virtual"] if plain else []
    return await _invoice(look, sought, "invoice", account_id, types, "")


_OF_TRANSFER: Final = "transfer's invoice"


async def transferred(look: Looking, sought: Sought) -> Finding:
    """Look for the one invoice that a transfer makes.

    It has the transfer's reference (fact sheet "money", A8).
    """
    account_id, key = sought.needed("account_id"), sought.reference.get("idempotency_key")
    again = f"sent again soon with the same body and its idempotency key {key}, it has one effect" if key else ""
    if not sought.reference.get("reference_id"):
        why = f"a transfer without a reference_id cannot be looked up: {NO_REFERENCE}"
        return unknown("; ".join(filter(None, (why, again))))
    finding = await _invoice(look, sought, _OF_TRANSFER, account_id, ["balance_transfer"], again)
    invoice = finding.resource
    if isinstance(invoice, Invoice) and invoice.state != InvoiceState.SUCCESS:
        finding = _TRANSFERRING.finding(_OF_TRANSFER, invoice.state, invoice)
        return attrs.evolve(finding, why="; ".join(filter(None, (finding.why, again))))
    if again and finding.verdict is Verdict.NOT_SEEN:
        return attrs.evolve(finding, why=f"{finding.why}; {again}")
    return finding


async def _invoice(look: Looking, sought: Sought, what: str, account_id: str, types: list[str], advice: str) -> Finding:
    newest = Invoices(look.caller).list(
        account_id, invoice_types=types, sort_field="created", sort="desc", options=look.options
    )
    strange: list[Finding] = []

    def may_be(invoice: Invoice) -> bool:
        strange.extend(filter(None, [sought.elsewhere(account_id=invoice.account_id)]))
        type_said = invoice.reference_type or None
        return sought.allows(reference_type=type_said, reference_id=invoice.reference_id)

    own = sought.reference.get("reference_id")

    def has_own(invoice: Invoice) -> bool:
        return bool(own) and invoice.reference_id == own

    advice = advice if own else NO_REFERENCE
    finding = await found_in_list(look, sought, what, newest, may_be, identifies=has_own, advice=advice)
    return strange[0] if strange else finding


def _any(_: object) -> bool:
    """Of a list that was asked for by the reference."""
    return True


async def escrow_created(look: Looking, sought: Sought) -> Finding:
    reference_id = sought.reference.get("reference_id")
    if not reference_id:
        return unknown(f"an escrow without a reference_id cannot be looked up: {NO_REFERENCE}")
    newest = Escrows(look.caller).list_by_reference(
        reference_id, sort_field="created", sort="desc", options=look.options
    )
    # The list does not tell the type of the reference.
    finding = await found_in_list(look, sought, "escrow", newest, _any, identifies=_any, advice="")
    resource = finding.resource
    if isinstance(resource, Escrow) and sought.elsewhere(account_id=resource.account_id):
        return unknown("the only escrow with that reference_id is another account's: look at it first", resource)
    return finding


async def invoice_paid(look: Looking, sought: Sought) -> Finding:
    invoice = await Invoices(look.caller).get(sought.needed("invoice_id"), options=look.options)
    strange = sought.elsewhere(invoice_id=invoice.invoice_id)
    return strange or _PAYING.finding("invoice", invoice.state, invoice)


def _escrow_moved(progress: Progress) -> Lookup:
    async def look_up(look: Looking, sought: Sought) -> Finding:
        found = await Escrows(look.caller).get(sought.needed("escrow_id"), options=look.options)
        strange = sought.elsewhere(escrow_id=found.id)
        return strange or progress.finding("escrow", found.status, found)

    return look_up


escrow_paid = _escrow_moved(_PAYING_ESCROW)
escrow_committed = _escrow_moved(_COMMITTING)
escrow_cancelled = _escrow_moved(_CANCELLING)


async def exchanged(look: Looking, sought: Sought) -> Finding:
    exchanges = TokenExchanges(look.caller)
    exchange = await exchanges.get(sought.needed("token_exchange_id"), options=look.options)
    strange = sought.elsewhere(token_exchange_id=exchange.token_exchange_id)
    return strange or _EXCHANGING.finding("exchange", exchange.status, exchange)


async def payout_requested(look: Looking, sought: Sought) -> Finding:
    listed = await Payouts(look.caller).list(sought.needed("account_id"), options=look.options)
    if not isinstance(look.payload, list):
        return proves_nothing("the answer holds no list")
    for payout in listed:
        if strange := sought.elsewhere(account_id=payout.account_id):
            return strange
    possible = [payout for payout in listed if _may_be(sought, payout)]
    possible.sort(key=lambda payout: not _pays(sought, payout))
    advice = "Tilia takes no reference of yours for a payout, so compare what the account was paid"
    made = [(payout, payout.created) for payout in possible]
    finding = matched(sought, "payout", made, identified=False, advice=advice)
    if finding.verdict is Verdict.NOT_SEEN and _is_a_page(listed):
        why = f"{finding.why} among {len(listed)}, but Tilia does not say whether it lists all: look through the rest"
        return unknown(f"{why} before you ask for another")
    return finding


def _is_a_page(payouts: list[Payout]) -> bool:
    """Return True if there may be others that are newer.

    It is not documented whether the list comes in pages.
    """
    order = Order()
    for payout in payouts:
        order.note(payout.created)
    return len(payouts) >= 10 and not (len(payouts) % 10 and len(payouts) % 25) and not order.newest_first


def _may_be(sought: Sought, payout: Payout) -> bool:
    """Return True if it may be the write's, whatever it comes to.

    It may be credited in another currency, in parts, or without a fee.
    """
    credit = payout.credit
    destination = None if credit is None else credit.destination_payment_method_id
    return sought.allows(destination_payment_method_id=destination or None)


def _pays(sought: Sought, payout: Payout) -> bool:
    """Return True if it says the amount of the write.

    It is not documented whether a fee is part of that.
    """
    credit = payout.credit
    if credit is None or credit.amount is None or not sought.allows(currency=credit.currency):
        return False
    return any(sought.allows(amount=amount) for amount in (credit.amount, credit.amount + (credit.fee_amount or 0)))


async def payout_cancelled(look: Looking, sought: Sought) -> Finding:
    payout = await Payouts(look.caller).get(
        sought.needed("account_id"), sought.needed("payout_status_id"), options=look.options
    )
    strange = sought.elsewhere(account_id=payout.account_id, payout_status_id=payout.payout_status_id)
    return strange or _CANCELLING_PAYOUT.finding("payout", payout.status, payout)


async def invoice_refunded(look: Looking, sought: Sought) -> Finding:
    return await _refunded(look, sought, sought.needed("invoice_id"))


async def line_item_refunded(look: Looking, sought: Sought) -> Finding:
    sought.needed("line_item_id")
    invoice_id = sought.reference.get("invoice_id")
    if invoice_id is None:
        why = "refunds are listed by invoice; reference={'invoice_id': …} looks through those of the line item's"
        return unknown(f"{why}: do not refund again before")
    return await _refunded(look, sought, invoice_id)


async def _refunded(look: Looking, sought: Sought, invoice_id: str) -> Finding:
    """Find the refunds that are not older than the write.

    Each may be the write's, wherever it stands and whatever it comes to: it may be split, net of a fee, or in the
    currency of the card (fact sheet "money", D8).
    """
    found = await Refunds(look.caller).list(invoice_id, options=look.options)
    payload = look.payload
    strange = sought.elsewhere(invoice_id=found.invoice_id)
    if strange or not isinstance(payload, dict) or not found.invoice_id:
        return strange or proves_nothing("the answer does not say which invoice it is about")
    refunds = [decode(each, Refund) for each in _refunds(payload)]
    ages = sought.possible((refund, refund.created) for refund in refunds)
    # The same one may be listed in several places.
    once = {getattr(refund, "refund_id", None) or refund: refund for refund in (*ages.after, *ages.unclear)}
    possible = sorted(once.values(), key=lambda refund: not _refunds_it(sought, refund))
    if found.is_fully_refunded:
        why = "all of the invoice is refunded, by this call or another's, so do not refund it again"
        return unknown(why, *(possible or [found]), done=True)
    if possible:
        why = f"{len(possible)} refund(s) of the invoice may be this call's or another's, whatever amount they tell"
        return unknown(f"{why}: find out which before you refund again", *possible)
    if reason := _hidden(found, refunds):
        return unknown(f"{reason}: find out about it before you refund again", found)
    why = (
        "no refund of the invoice is listed since the call began; but Tilia lists a refund when it has succeeded, and "
        "nowhere while it is pending: refund again only when Tilia's support has ruled it out"
    )
    return Finding(Verdict.NOT_SEEN, why, found, settles=False)


def _refunds_it(sought: Sought, refund: object) -> bool:
    return isinstance(refund, Refund) and sought.allows(line_item_id=refund.line_item_id or None, amount=refund.amount)


def _hidden(found: InvoiceRefunds, refunds: list[Refund]) -> str:
    """Name the trace of a refund that the answer does not show; empty if there is none."""
    if found.is_fully_refunded is None:
        return "the answer does not say whether the invoice is refunded"
    if {*found.refund_invoice_ids} - {refund.refund_invoice_id for refund in refunds}:
        return "the answer names a refund's invoice, and not the refund"
    if any(payment.state not in _UNTOUCHED for payment in found.payments):
        return "a payment of the invoice is in a state that may be a refund's"
    return ""


_UNTOUCHED: Final = {None, "", "CAPTURED"}
_LISTING_REFUNDS: Final = {"refunds", "line_item_refunds"}


def _refunds(value: JsonValue, *, among: bool = False) -> Iterator[JsonObject]:
    """Yield all objects of an answer that may be refunds.

    What stands under ``line_item_refunds`` is not documented.

    Args:
        among: the value stands where refunds are listed.
    """
    if isinstance(value, list):
        for item in value:
            yield from _refunds(item, among=among)
    elif isinstance(value, dict):
        if "refund_id" in value or (among and not _groups(value)):
            yield value
            return
        for name, item in value.items():
            listing = name in _LISTING_REFUNDS
            by_id = listing and isinstance(item, dict) and "refund_id" not in item
            yield from _refunds([*item.values()] if by_id and isinstance(item, dict) else item, among=among or listing)
    elif among and value is not None:
        yield {}


def _groups(value: JsonObject) -> bool:
    """Return True if it holds nothing but other objects."""
    return bool(value) and all(isinstance(item, dict | list) for item in value.values())


_STANDARD_WALLETS: Final = {"registration", "standard", "convertible"}


async def wallet_made(look: Looking, sought: Sought) -> Finding:
    methods = PaymentMethods(look.caller)
    listed = await methods.list(sought.needed("account_id"), options=look.options)
    # An account has wallets from its registration on, and Tilia lists nothing for one that does not exist.
    if not listed:
        return proves_nothing("the account has no payment method at all")
    for method in listed:
        if strange := sought.elsewhere(account_id=method.account_id):
            return strange
    wallets = [each for each in listed if each.is_wallet or not each.provider]
    custom = [each for each in wallets if each.method_class not in _STANDARD_WALLETS]
    made = [(method, method.created) for method in custom]
    # The list does not tell the type of a wallet.
    return matched(sought, "custom wallet", made, identified=False)
