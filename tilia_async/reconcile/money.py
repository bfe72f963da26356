"""How writes that move money or tokens, or prepare to, are looked up."""

from __future__ import annotations

from tilia_async.api.escrow import Escrows, EscrowStatus
from tilia_async.api.invoices import Invoice, Invoices, InvoiceState
from tilia_async.api.payment_methods import PaymentMethods
from tilia_async.api.payouts import Payout, Payouts, PayoutStatus
from tilia_async.api.refunds import Refunds
from tilia_async.api.token_exchanges import ExchangeStatus, TokenExchanges
from tilia_async.errors import NotFoundError
from tilia_async.reconcile.looking import Looking, Lookup, found_in_list
from tilia_async.reconcile.reconciliation import Verdict
from tilia_async.reconcile.sought import Finding, Progress, Sought, matched

_PAYING = Progress(
    done={InvoiceState.SUCCESS, InvoiceState.PROCESSING},
    waiting={InvoiceState.OPEN},
    failed={InvoiceState.FAILED, InvoiceState.CANCELED},
)
_EXCHANGING = Progress(done={ExchangeStatus.SUCCESS}, waiting={ExchangeStatus.OPEN}, failed=())
_CANCELLING_PAYOUT = Progress(
    done={
        PayoutStatus.USER_CANCELED,
        PayoutStatus.USER_REVERSE_TRANSFER_INITIATED,
        PayoutStatus.USER_REVERSED,
        PayoutStatus.SUPPORT_REJECT_TRANSFER_INITIATED,
        PayoutStatus.SUPPORT_REJECTED,
    },
    waiting={
        PayoutStatus.ESCROW_TRANSFER_INITIATED,
        PayoutStatus.FUNDS_IN_ESCROW,
        PayoutStatus.FUNDS_IN_ESCROW_ON_HOLD,
    },
    failed={
        PayoutStatus.ESCROW_TRANSFER_FAILED,
        PayoutStatus.CREDIT_TRANSFER_INITIATED,
        PayoutStatus.SUCCESS,
        PayoutStatus.FAILED,
        PayoutStatus.SYSTEM_REJECTED,
    },
)
_PAID = {
    EscrowStatus.ESCROWED,
    EscrowStatus.COMMIT_REQUESTED,
    EscrowStatus.COMMITTED,
    EscrowStatus.COMMIT_FAILED,
    EscrowStatus.CANCEL_REQUESTED,
    EscrowStatus.CANCELLED,
    EscrowStatus.CANCEL_FAILED,
    EscrowStatus.CANCEL_INVOICE_TRANSFER_FAILED,
}
_PAYING_ESCROW = Progress(done=_PAID, waiting={EscrowStatus.OPEN}, failed={EscrowStatus.ESCROW_FAILED})
_COMMITTING = Progress(
    done={EscrowStatus.COMMIT_REQUESTED, EscrowStatus.COMMITTED},
    waiting={EscrowStatus.OPEN, EscrowStatus.ESCROWED},
    failed={
        EscrowStatus.COMMIT_FAILED,
        EscrowStatus.ESCROW_FAILED,
        EscrowStatus.CANCEL_REQUESTED,
        EscrowStatus.CANCELLED,
        EscrowStatus.SYSTEM_CANCEL_REQUESTED,
        EscrowStatus.SYSTEM_CANCELLED,
    },
)
_CANCELLING = Progress(
    done={EscrowStatus.CANCEL_REQUESTED, EscrowStatus.CANCELLED},
    waiting={EscrowStatus.OPEN, EscrowStatus.ESCROWED},
    failed={
        EscrowStatus.CANCEL_FAILED,
        EscrowStatus.CANCEL_INVOICE_TRANSFER_FAILED,
        EscrowStatus.ESCROW_FAILED,
        EscrowStatus.COMMIT_REQUESTED,
        EscrowStatus.COMMITTED,
        EscrowStatus.SYSTEM_CANCEL_REQUESTED,
        EscrowStatus.SYSTEM_CANCELLED,
    },
)


async def invoice_created(look: Looking, sought: Sought) -> Finding:
    newest = Invoices(look.caller).list(
        sought.needed("account_id"), sort_field="created", sort="desc", options=look.options
    )
    return await found_in_list(sought, "invoice", newest, lambda invoice: _has_reference(sought, invoice))


async def transferred(look: Looking, sought: Sought) -> Finding:
    """A transfer makes one invoice, which has its reference (fact sheet "money", A8)."""
    key = sought.reference.get("idempotency_key", "")
    again = f"sent again with the same body and its idempotency key {key}".rstrip() + ", it has one effect"
    if not sought.reference.get("reference_id"):
        why = f"a transfer without a reference_id cannot be looked up; {again}"
        return Finding(Verdict.CANNOT_BE_KNOWN, why)
    newest = Invoices(look.caller).list(
        sought.needed("account_id"),
        invoice_types=["balance_transfer"],
        sort_field="created",
        sort="desc",
        options=look.options,
    )
    finding = await found_in_list(
        sought, "invoice of a transfer", newest, lambda invoice: _has_reference(sought, invoice)
    )
    if isinstance(finding.resource, Invoice):
        return _PAYING.finding("transfer's invoice", finding.resource.state, finding.resource)
    return Finding(finding.verdict, f"{finding.why}; {again}", candidates=finding.candidates)


def _has_reference(sought: Sought, invoice: Invoice) -> bool:
    return sought.agrees(reference_type=invoice.reference_type, reference_id=invoice.reference_id)


async def escrow_created(look: Looking, sought: Sought) -> Finding:
    reference_id = sought.reference.get("reference_id")
    if not reference_id:
        return Finding(Verdict.CANNOT_BE_KNOWN, "an escrow without a reference_id cannot be looked up")
    newest = Escrows(look.caller).list_by_reference(
        reference_id, sort_field="created", sort="desc", options=look.options
    )
    # The list does not tell the type of the reference.
    return await found_in_list(sought, "escrow", newest, lambda found: sought.agrees(account_id=found.account_id))


async def invoice_paid(look: Looking, sought: Sought) -> Finding:
    try:
        invoice = await Invoices(look.caller).get(sought.needed("invoice_id"), options=look.options)
    except NotFoundError:
        return Finding(Verdict.NOT_SEEN, "there is no such invoice, so it was not paid", final=True)
    return _PAYING.finding("invoice", invoice.state, invoice)


def _escrow_moved(progress: Progress) -> Lookup:
    async def look_up(look: Looking, sought: Sought) -> Finding:
        try:
            found = await Escrows(look.caller).get(sought.needed("escrow_id"), options=look.options)
        except NotFoundError:
            return Finding(Verdict.NOT_SEEN, "there is no such escrow", final=True)
        return progress.finding("escrow", found.status, found)

    return look_up


escrow_paid = _escrow_moved(_PAYING_ESCROW)
escrow_committed = _escrow_moved(_COMMITTING)
escrow_cancelled = _escrow_moved(_CANCELLING)


async def exchanged(look: Looking, sought: Sought) -> Finding:
    exchanges = TokenExchanges(look.caller)
    exchange = await exchanges.get(sought.needed("token_exchange_id"), options=look.options)
    return _EXCHANGING.finding("exchange", exchange.status, exchange)


async def payout_requested(look: Looking, sought: Sought) -> Finding:
    found = await Payouts(look.caller).list(sought.needed("account_id"), options=look.options)
    return matched(sought, "payout", [(payout, payout.created) for payout in found if _same_payout(sought, payout)])


def _same_payout(sought: Sought, payout: Payout) -> bool:
    credit = payout.credit
    if credit is None:
        return True
    whole = None if credit.amount is None else credit.amount + (credit.fee_amount or 0)
    # It is not documented whether a fee is part of the amount.
    return sought.agrees(
        destination_payment_method_id=credit.destination_payment_method_id, currency=credit.currency
    ) and (sought.agrees(amount=credit.amount) or sought.agrees(amount=whole))


async def payout_cancelled(look: Looking, sought: Sought) -> Finding:
    payout = await Payouts(look.caller).get(
        sought.needed("account_id"), sought.needed("payout_status_id"), options=look.options
    )
    return _CANCELLING_PAYOUT.finding("payout", payout.status, payout)


async def invoice_refunded(look: Looking, sought: Sought) -> Finding:
    found = await Refunds(look.caller).list(sought.needed("invoice_id"), options=look.options)
    if found.is_fully_refunded:
        return Finding(Verdict.TOOK_EFFECT, "all of the invoice is refunded, which happens to it once", found)
    if found.is_fully_refunded is None:
        return Finding(Verdict.CANNOT_BE_KNOWN, "the answer does not say whether it is refunded", candidates=(found,))
    return Finding(Verdict.NOT_SEEN, "the invoice is not fully refunded", found)


async def line_item_refunded(look: Looking, sought: Sought) -> Finding:
    line_item_id, invoice_id = sought.needed("line_item_id"), sought.reference.get("invoice_id")
    if invoice_id is None:
        why = "refunds are listed by invoice; reference={'invoice_id': …} looks through those of the line item's"
        return Finding(Verdict.CANNOT_BE_KNOWN, why)
    found = await Refunds(look.caller).list(invoice_id, options=look.options)
    made = {refund.refund_id: refund for payment in found.payments for refund in payment.refunds}
    fitting = [
        (refund, refund.created)
        for refund in made.values()
        if refund.line_item_id == line_item_id and sought.agrees(amount=refund.amount)
    ]
    return matched(sought, "refund", fitting)


async def wallet_made(look: Looking, sought: Sought) -> Finding:
    methods = PaymentMethods(look.caller)
    listed = await methods.list(sought.needed("account_id"), options=look.options)
    made = [(method, method.created) for method in listed if method.is_wallet and method.method_class == "wallet"]
    # The list does not tell the type of a wallet.
    return matched(sought, "custom wallet", made, identified=False)
