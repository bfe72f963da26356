"""Look-ups of writes that move money or tokens.

A publisher has many workers, and Tilia's support and the users act as well. So a state that is reached tells that it is
done, and not by whom; and what was made is this write's only if an id of the caller's own says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from tilia_async.api.escrow import Escrows
from tilia_async.api.invoices import Invoices
from tilia_async.api.payment_methods import PaymentMethods
from tilia_async.api.payouts import Payouts
from tilia_async.api.refunds import Refunds
from tilia_async.api.token_exchanges import TokenExchanges
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.escrow import Escrow, EscrowStatus
from tilia_async.models.invoices import Invoice, InvoiceState
from tilia_async.models.payouts import Payout, PayoutStatus
from tilia_async.models.refunds import InvoiceRefunds, Refund
from tilia_async.models.token_exchanges import ExchangeStatus
from tilia_async.models.totals import Summary
from tilia_async.reconcile.lookup_context import Lookup, LookupContext, Order, found_in_list
from tilia_async.reconcile.reconciliation import Verdict
from tilia_async.reconcile.search import NO_REFERENCE, Finding, Progress, Search, matched, proves_nothing, unknown
from tilia_async.text import readable
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
    invoice="commit_invoice_id",
)
_CANCELLING = Progress(
    "cancel it",
    done={EscrowStatus.CANCELLED},
    under_way={EscrowStatus.CANCEL_REQUESTED},
    waiting={EscrowStatus.OPEN, EscrowStatus.ESCROWED},
    failed={EscrowStatus.CANCEL_FAILED},
    invoice="cancel_invoice_id",
)


async def invoice_created(look: LookupContext, sought: Search) -> Finding:
    account_id, given = sought.needed("account_id"), sought.reference.get("invoice_type")
    # An answer may call the type otherwise than the request did, with "_virtual" at its end for tokens.
    plain = given.removesuffix("_virtual") if given else ""
    types = [plain, f"{plain}_virtual"] if plain else []
    return await _invoice(look, sought, "invoice", account_id, types, "")


_OF_TRANSFER: Final = "transfer's invoice"


async def transferred(look: LookupContext, sought: Search) -> Finding:
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


async def _invoice(
    look: LookupContext, sought: Search, what: str, account_id: str, types: list[str], advice: str
) -> Finding:
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
    if strange:
        return strange[0]
    found = finding.resource
    if finding.verdict is Verdict.TOOK_EFFECT and isinstance(found, Invoice):
        plain_types = {each.removesuffix("_virtual") for each in types or [_PURCHASE]}
        other_type = bool(found.invoice_type) and (found.invoice_type or "").removesuffix("_virtual") not in plain_types
        differs = "invoice_type" if other_type else _difference(sought, found)
        differs = differs or _difference_in_entry(sought, look.entry("invoice_id", found.invoice_id))
        return _another(what, differs, found, advice) if differs else finding
    return finding


_PURCHASE: Final = "user_purchase"
_IDENTIFYING: Final = ("account_id", "reference_type", "reference_id", "amount", "currency")


def _another(what: str, differs: str, found: Invoice | Escrow, advice: str = "") -> Finding:
    why = (
        f"the only {what} with that reference_id has another {differs} than this write: it may be another's, or this "
        "write's after a fee, a split or an exchange; look at it before you make another"
    )
    return unknown("; ".join(filter(None, (why, advice))), found)


def _difference(sought: Search, invoice: Invoice) -> str:
    """Name how an invoice differs from the write.

    Empty if it agrees as far as it tells.
    """
    if not sought.allows(account_id=invoice.account_id):
        return "account_id"
    for name in ("reference_type", "reference_id"):
        if not sought.allows(**{name: getattr(invoice, name)}):
            return name
    summary, items = invoice.summary, invoice.line_items
    currencies = [item.currency for item in items]
    if summary is not None:
        currencies += [summary.currency, None if summary.subtotal is None else summary.subtotal.currency]
    if not all(sought.allows(currency=currency) for currency in currencies):
        return "currency"
    amounts = [item.amount for item in items]
    parts = [amount for amount in amounts if amount is not None]
    is_complete = bool(items) and len(parts) == len(items)
    agree = _sums_agree(sought, summary) and (not is_complete or sought.allows(amount=sum(parts)))
    return "" if agree else "amount"


def _sums_agree(sought: Search, summary: Summary | None) -> bool:
    """Return False for totals of another amount.

    A tax that is told may come on top.
    """
    if summary is None:
        return True
    subtotal = None if summary.subtotal is None else summary.subtotal.total_amount
    tax = None if summary.tax is None else summary.tax.total_amount
    total = summary.total_amount
    if total is None:
        return sought.allows(amount=subtotal)
    taxed = tax is not None and subtotal is not None and total == subtotal + tax
    return sought.allows(amount=total) or (taxed and sought.allows(amount=subtotal))


def _difference_in_entry(sought: Search, entry: JsonObject) -> str:
    """Name how an entry differs from the write.

    It looks at fields that the entry's model may lack.
    """
    held = entry.get("escrow_invoice")
    entries = [entry, held] if isinstance(held, dict) else [entry]
    named = ((name, each.get(name)) for each in entries for name in _IDENTIFYING)
    return next((name for name, value in named if not sought.allows(**{name: value})), "")


def _any(_: object) -> bool:
    """Return any item, of a list searched by reference."""
    return True


async def escrow_created(look: LookupContext, sought: Search) -> Finding:
    reference_id = sought.reference.get("reference_id")
    if not reference_id:
        return unknown(f"an escrow without a reference_id cannot be looked up: {NO_REFERENCE}")
    newest = Escrows(look.caller).list_by_reference(
        reference_id, sort_field="created", sort="desc", options=look.options
    )
    # The list does not tell the type of the reference.
    finding = await found_in_list(look, sought, "escrow", newest, _any, identifies=_any, advice="")
    resource = finding.resource
    if not isinstance(resource, Escrow):
        return finding
    if sought.elsewhere(account_id=resource.account_id):
        return unknown("the only escrow with that reference_id is another account's: look at it first", resource)
    differs = _difference_in_entry(sought, look.entry("id", resource.id))
    if not differs and resource.escrow_invoice is not None:
        differs = _difference(sought, resource.escrow_invoice)
    return _another("escrow", differs, resource) if differs else finding


async def invoice_paid(look: LookupContext, sought: Search) -> Finding:
    invoice = await Invoices(look.caller).get(sought.needed("invoice_id"), options=look.options)
    strange = sought.elsewhere(invoice_id=invoice.invoice_id)
    return strange or _PAYING.finding("invoice", invoice.state, invoice, _trace_of_payment(invoice))


def _trace_of_payment(invoice: Invoice) -> str:
    """Name the trace of an invoice's payment.

    What tells that it was paid, whatever its state; empty for nothing.
    """
    if invoice.state == InvoiceState.FAILED:
        # A payment that failed leaves its traces, too.
        return ""
    if invoice.transfer_id:
        return "it has a transfer_id"
    # Captured: until it is paid, what each payment method moves is 0 (fact sheet "money", D).
    if any(moved.amount for method in invoice.payment_methods for moved in method.subitems):
        return "a payment for it has moved money"
    return "a part of it is refunded" if any(item.amount_refunded for item in invoice.line_items) else ""


def _trace_in_escrow(progress: Progress, escrow: Escrow) -> str:
    """Name the trace of an escrow's move.

    What tells that it was moved on, whatever its status; empty for nothing.
    """
    names = ["commit_invoice_id", "cancel_invoice_id"]
    if escrow.status in progress.failed and progress.invoice in names:
        # What was tried has an invoice, too.
        names.remove(progress.invoice)
    for name in names:
        if getattr(escrow, name):
            return f"it has a {name}"
    paid = None if escrow.escrow_invoice is None else escrow.escrow_invoice.state
    if escrow.status == EscrowStatus.OPEN and paid in (InvoiceState.SUCCESS, InvoiceState.PROCESSING):
        return f"its invoice is {paid}"
    return ""


def _escrow_moved(progress: Progress) -> Lookup:
    async def look_up(look: LookupContext, sought: Search) -> Finding:
        found = await Escrows(look.caller).get(sought.needed("escrow_id"), options=look.options)
        strange = sought.elsewhere(escrow_id=found.id)
        return strange or progress.finding("escrow", found.status, found, _trace_in_escrow(progress, found))

    return look_up


escrow_paid: Lookup = _escrow_moved(_PAYING_ESCROW)
escrow_committed: Lookup = _escrow_moved(_COMMITTING)
escrow_cancelled: Lookup = _escrow_moved(_CANCELLING)


async def exchanged(look: LookupContext, sought: Search) -> Finding:
    exchanges = TokenExchanges(look.caller)
    exchange = await exchanges.get(sought.needed("token_exchange_id"), options=look.options)
    strange = sought.elsewhere(token_exchange_id=exchange.token_exchange_id)
    return strange or _EXCHANGING.finding("exchange", exchange.status, exchange)


async def payout_requested(look: LookupContext, sought: Search) -> Finding:
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


def _may_be(sought: Search, payout: Payout) -> bool:
    """Return True for what may be the write's.

    It does not matter what it comes to.

    It may be credited in another currency, in parts, or without a fee.
    """
    credit = payout.credit
    destination = None if credit is None else credit.destination_payment_method_id
    return sought.allows(destination_payment_method_id=destination or None)


def _pays(sought: Search, payout: Payout) -> bool:
    """Return True if it says the amount of the write.

    It is not documented whether a fee is part of that.
    """
    credit = payout.credit
    if credit is None or credit.amount is None or not sought.allows(currency=credit.currency):
        return False
    return any(sought.allows(amount=amount) for amount in (credit.amount, credit.amount + (credit.fee_amount or 0)))


async def payout_cancelled(look: LookupContext, sought: Search) -> Finding:
    payout = await Payouts(look.caller).get(
        sought.needed("account_id"), sought.needed("payout_status_id"), options=look.options
    )
    strange = sought.elsewhere(account_id=payout.account_id, payout_status_id=payout.payout_status_id)
    return strange or _CANCELLING_PAYOUT.finding("payout", payout.status, payout, _trace_of_reversal(payout, look))


def _trace_of_reversal(payout: Payout, look: LookupContext) -> str:
    """Name the trace of a payout's cancellation.

    What tells that it may be cancelled, whatever its status; empty for nothing.
    """
    # It may come as a list of one.
    payload = look.payload[0] if isinstance(look.payload, list) and look.payload else look.payload
    if isinstance(payload, dict) and payload.get("reverse_invoice_id"):
        return "it has a reverse_invoice_id"
    said = None if payout.credit is None else payout.credit.status
    usual = _CREDITED if payout.status in _CANCELLING_PAYOUT.failed else _UNCREDITED
    return f"its credit is {readable(said)}" if said and said not in usual else ""


_UNCREDITED: Final = {"CREATED"}
_CREDITED: Final = {"CREATED", "EXECUTED", "EXECUTE-FAILED"}


async def invoice_refunded(look: LookupContext, sought: Search) -> Finding:
    return await _refunded(look, sought, sought.needed("invoice_id"))


async def line_item_refunded(look: LookupContext, sought: Search) -> Finding:
    sought.needed("line_item_id")
    invoice_id = sought.reference.get("invoice_id")
    if invoice_id is None:
        why = "refunds are listed by invoice; reference={'invoice_id': …} looks through those of the line item's"
        return unknown(f"{why}: do not refund again before")
    return await _refunded(look, sought, invoice_id)


async def _refunded(look: LookupContext, sought: Search, invoice_id: str) -> Finding:
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


def _refunds_it(sought: Search, refund: object) -> bool:
    return isinstance(refund, Refund) and sought.allows(line_item_id=refund.line_item_id or None, amount=refund.amount)


def _hidden(found: InvoiceRefunds, refunds: list[Refund]) -> str:
    """Name the trace of a hidden refund.

    One that the answer does not show; empty if there is none.
    """
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


async def wallet_made(look: LookupContext, sought: Search) -> Finding:
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
