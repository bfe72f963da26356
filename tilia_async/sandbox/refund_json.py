"""Refunds as answers and notifications tell them (fact sheet "money", D8)."""

from __future__ import annotations

from collections.abc import Sequence

from tilia_async import event_names
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.refunds import RefundStatus
from tilia_async.sandbox.payment_methods import to_json as method_to_json
from tilia_async.sandbox.state.escrows import SandboxRefund
from tilia_async.sandbox.state.invoices import Payment, SandboxInvoice
from tilia_async.sandbox.world import World


def refunds_to_json(world: World, invoice: SandboxInvoice, status: str) -> JsonObject:
    """Return an invoice's refunds, without an envelope."""
    made = [each for each in world.refunds if each.original is invoice and each.status == status]
    done = dict.fromkeys(each.refund_invoice.invoice_id for each in made)
    return {
        "invoice_id": invoice.invoice_id,
        "is_fully_refunded": invoice.refunded == invoice.total,
        "refund_invoice_ids": [*done],
        "payments": {payment.payment_id: _payment(invoice, payment, made) for payment in invoice.payments},
        "refunds": {each.refund_id: _refund(each) for each in made if each.item is None},
        "line_item_refunds": {each.refund_id: _refund(each) for each in made if each.item is not None},
    }


def notify(world: World, made: Sequence[SandboxRefund]) -> None:
    """Notify with "refund-completed", whose amounts are strings."""
    first = made[0]
    by_success: dict[bool, list[JsonValue]] = {True: [], False: []}
    for each in made:
        by_success[each.status is RefundStatus.SUCCESS].append(
            {"refund_id": each.refund_id, "amount": str(each.amount), "currency": each.original.currency}
        )
    world.notify(
        event_names.REFUND,
        {
            "account_id": first.original.account_id,
            "failed_refunds": by_success[False],
            "invoice_id": first.refund_invoice.invoice_id,
            "payment_invoice_id": first.original.invoice_id,
            "successful_refunds": by_success[True],
        },
    )


def _payment(invoice: SandboxInvoice, payment: Payment, made: Sequence[SandboxRefund]) -> JsonObject:
    return {
        "payment_id": payment.payment_id,
        "invoice_id": invoice.invoice_id,
        "payment_method_id": payment.method.id,
        "state": "CAPTURED",
        "provider": payment.method.provider,
        "psp_transaction_id": payment.subitem_id,
        "request_amount": payment.amount,
        "request_currency": invoice.currency,
        "processing_amount": payment.amount,
        "processing_currency": invoice.currency,
        "received_amount": payment.amount,
        "received_currency": invoice.currency,
        "item_description": invoice.reference.description,
        "source_client_id": "",
        "ip_address": "127.0.0.1",
        "created": payment.method.created,
        "updated": payment.method.updated,
        "refunds": [_refund(each) for each in made if each.payment is payment],
        "payment_method": {"payload": method_to_json(payment.method)},
    }


def _refund(each: SandboxRefund) -> JsonObject:
    return {
        "refund_id": each.refund_id,
        "refund_invoice_id": each.refund_invoice.invoice_id,
        "payment_id": each.payment.payment_id,
        "psp_refund_transaction_id": each.refund_id,
        "amount": each.amount,
        "currency": each.original.currency,
        # The second word is inferred after the first.
        "refund_type": "full_refund" if each.item is None else "line_item_refund",
        "reason": each.reason,
        "sub_reason": each.sub_reason,
        "note": each.note,
        "status": each.status,
        "line_item_id": "" if each.item is None else each.item.line_item_id,
        "created": each.created,
        "updated": each.created,
    }
