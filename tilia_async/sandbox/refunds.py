"""Refunds (fact sheet "money", D8).

They come out of the publisher's account, not out of the recipients' wallets.
"""

from __future__ import annotations

from tilia_async.api import refunds
from tilia_async.models.escrow import EscrowStatus
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.refunds import RefundReason, RefundStatus
from tilia_async.money import Money
from tilia_async.sandbox.fields import Fields
from tilia_async.sandbox.invoice_json import notify as notify_invoice
from tilia_async.sandbox.refund_json import notify, refunds_to_json
from tilia_async.sandbox.requests import ErrorResponse, Route, SandboxRequest
from tilia_async.sandbox.responses import (
    SandboxResponse,
    Texts,
    bare,
    error,
    failure,
    invalid,
    rejected,
    success,
    without_payload,
)
from tilia_async.sandbox.state.escrows import SandboxRefund
from tilia_async.sandbox.state.invoices import Kind, LineItem, Payment, SandboxInvoice
from tilia_async.sandbox.state.wallets import Movement, OverdrawnError

_REASONS = ("", *RefundReason)


def refund_invoice(call: SandboxRequest) -> SandboxResponse:
    fields = Fields(call.json())
    invoice_id, explanation = fields.required("invoice_id"), _explanation(fields)
    fields.check()
    invoice = call.world.invoices.by_id.get(invoice_id)
    if invoice is None:
        return failure(404, "invoice_id not found", message=("",), codes=("INVOICE_NOT_FOUND",))
    if not _refundable(call, invoice) or invoice.refunded == invoice.total:
        return rejected()
    parts = [(payment, payment.left) for payment in invoice.payments if payment.left]
    if not _repay(call, invoice, None, parts, explanation):
        return rejected()
    for item in invoice.items:
        item.refunded = item.amount
    return without_payload()


def refund_line_item(call: SandboxRequest) -> SandboxResponse:
    fields = Fields(call.json())
    line_item_id, amount, explanation = fields.required("line_item_id"), fields.amount(), _explanation(fields)
    chosen = fields.texts("payment_methods")
    if not chosen:
        fields.refuse("payment_methods", "is required")
    if not explanation[0]:
        fields.refuse("reason", "is required")
    fields.check()
    invoice = call.world.invoices.with_item(line_item_id)
    item = None if invoice is None else next(each for each in invoice.items if each.line_item_id == line_item_id)
    if invoice is None or item is None or not _refundable(call, invoice):
        # Inferred, like the refusals below: the page lists 400 and neither 403 nor 404.
        return invalid({"line_item_id": ["cannot be refunded"]})
    if amount > item.left:
        return invalid({"amount": [f"only {item.left} are left"]})
    if not _repay(call, invoice, item, _spread(invoice, chosen, amount), explanation):
        return error(400, "refund failed")
    item.refunded += amount
    # Inferred: the page hides the payload.
    newest = call.world.refunds[-1]
    return success(
        {"invoice_id": invoice.invoice_id, "refund_invoice_id": newest.refund_invoice.invoice_id}, texts=Texts.NULL
    )


def list_of_invoice(call: SandboxRequest) -> SandboxResponse:
    invoice = call.world.invoices.by_id.get(call.path["invoice_id"])
    if invoice is None:
        return invalid({"invoice_id": ["invoice not found"]})
    status = call.query.get("status", "") or RefundStatus.SUCCESS
    if status not in set(RefundStatus):
        return invalid({"status": [f"must be one of {', '.join(RefundStatus)}"]})
    return bare(refunds_to_json(call.world, invoice, status))


ROUTES = (
    Route(refunds.REFUND_INVOICE, refund_invoice),
    Route(refunds.REFUND_LINE_ITEM, refund_line_item),
    Route(refunds.LIST, list_of_invoice),
)


def _explanation(fields: Fields) -> tuple[str, str, str]:
    reason = fields.text("reason")
    if reason not in _REASONS:
        fields.refuse("reason", f"must be one of {', '.join(RefundReason)}")
    return reason, fields.text("sub_reason"), fields.text("note")


def _refundable(call: SandboxRequest, invoice: SandboxInvoice) -> bool:
    """Return whether an invoice can be refunded.

    Paid purchases can be, and escrows once they are committed: before that they are cancelled.
    """
    if invoice.kind is Kind.ESCROW:
        return any(
            escrow.escrow_invoice is invoice and escrow.status is EscrowStatus.COMMITTED
            for escrow in call.world.escrows.values()
        )
    return invoice.kind is Kind.PURCHASE and invoice.state is InvoiceState.SUCCESS


def _spread(invoice: SandboxInvoice, chosen: tuple[str, ...], amount: int) -> list[tuple[Payment, int]]:
    """Spread an amount over payment methods.

    In the order of the caller, none getting more than it gave.
    """
    by_id = {payment.method.id: payment for payment in invoice.payments}
    unused = [each for each in chosen if each not in by_id]
    if unused:
        raise ErrorResponse(invalid({"payment_methods": [f"{each} was not used for the purchase" for each in unused]}))
    parts: list[tuple[Payment, int]] = []
    for payment in (by_id[each] for each in dict.fromkeys(chosen)):
        part = min(payment.left, amount)
        if part:
            parts.append((payment, part))
        amount -= part
    if amount:
        raise ErrorResponse(invalid({"payment_methods": [f"gave {amount} less than is to be refunded"]}))
    return parts


def _repay(
    call: SandboxRequest,
    invoice: SandboxInvoice,
    item: LineItem | None,
    parts: list[tuple[Payment, int]],
    explanation: tuple[str, str, str],
) -> bool:
    """Give the buyer back what each method gave.

    Each payment method, and record it; False if the publisher has not enough.
    """
    world = call.world
    publisher = world.publisher_wallet(invoice.currency)
    try:
        world.wallets.move(Movement(publisher, payment.method.wallet, part) for payment, part in parts)
        status, state = RefundStatus.SUCCESS, InvoiceState.SUCCESS
    except OverdrawnError:
        status, state = RefundStatus.FAILED, InvoiceState.FAILED
    kind = Kind.REFUND if item is None else Kind.REFUND_LINE_ITEM
    total = Money(sum(part for _, part in parts), invoice.currency)
    recorded = world.record(kind, invoice.account_id, total, state, invoice.reference)
    made = [
        SandboxRefund(
            world.new_uuid(), recorded, invoice, payment, part, item, *explanation, status, world.times.plain()
        )
        for payment, part in parts
    ]
    world.refunds += made
    if status is RefundStatus.SUCCESS:
        for payment, part in parts:
            payment.refunded += part
    notify_invoice(world, recorded)
    notify(world, made)
    return status is RefundStatus.SUCCESS
