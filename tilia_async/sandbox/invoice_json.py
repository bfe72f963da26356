"""Invoices as answers and notifications tell them (fact sheet "money", D, "Response: invoice object")."""

from __future__ import annotations

from tilia_async import event_names
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.invoices import InvoiceState
from tilia_async.sandbox.state.accounts import INTEGRATOR
from tilia_async.sandbox.state.invoices import Kind, LineItem, Payment, Recipient, Reference, SandboxInvoice
from tilia_async.sandbox.world import World

GO_ZERO_TIME = "0001-01-01T00:00:00Z"


def display(world: World, amount: int, currency: str) -> str:
    """``USD 0.06``, ``TST 6``."""
    virtual = currency == world.settings.token_currency
    return f"{currency} {amount}" if virtual else f"{currency} {amount // 100}.{amount % 100:02d}"


def to_json(world: World, invoice: SandboxInvoice, *, real_times: bool = False) -> JsonObject:
    """Return an invoice as an answer tells it.

    With maps where the request had lists.

    Args:
        real_times: False: the zero times that create, pay and get were seen to answer.
    """
    failed = invoice.state is InvoiceState.FAILED
    return {
        "invoice_id": invoice.invoice_id,
        "account_id": invoice.account_id,
        "invoice_type": invoice.type,
        **_reference(invoice.reference),
        "state": invoice.state,
        "summary": summary(world, invoice.total, invoice.currency),
        # The only values that are documented.
        "failure_code": "generic_error" if failed else "",
        "failure_reason": "an error occurred" if failed else "",
        "created": world.times.rfc3339(invoice.created) if real_times else GO_ZERO_TIME,
        "updated": world.times.rfc3339(invoice.updated) if real_times else GO_ZERO_TIME,
        "payment_methods": {payment.method.id: _payment(world, invoice, payment) for payment in invoice.payments},
        "line_items": {
            item.line_item_id: line_item(world, invoice, item, order) for order, item in enumerate(invoice.items)
        },
        "subitems": {},
        "integrator": INTEGRATOR,
    }


def webhook_message(world: World, invoice: SandboxInvoice) -> JsonObject:
    """Return the message of "invoice-completed".

    With lists where the answers of the API have maps.
    """
    payments = [_payment(world, invoice, payment) for payment in invoice.payments]
    items = [line_item(world, invoice, item, order) for order, item in enumerate(invoice.items)]
    lists: JsonObject = {"payment_methods": [*payments], "line_items": [*items], "subitems": []}
    return {**to_json(world, invoice, real_times=True), **lists}


def notify(world: World, invoice: SandboxInvoice) -> None:
    """Notify that the payment succeeded or failed."""
    world.notify(event_names.INVOICE, webhook_message(world, invoice))


def summary(world: World, total: int, currency: str) -> JsonObject:
    """Return the totals.

    The sandbox knows no taxes.
    """
    whole: JsonObject = {
        "total_amount": total,
        "total_amount_usd": total if currency == "USD" else 0,
        "currency": currency,
        "display_amount": display(world, total, currency),
    }
    none: JsonObject = {
        "total_amount": 0,
        "total_amount_usd": 0,
        "currency": currency,
        "display_amount": display(world, 0, currency),
    }
    return {**whole, "subtotal": whole, "tax": none}


def line_item(world: World, invoice: SandboxInvoice, item: LineItem, order: int) -> JsonObject:
    reference = item.reference
    return {
        "line_item_id": item.line_item_id,
        "product_sku": reference.product_sku,
        "product_code": reference.product_code,
        "amount": item.amount,
        "amount_refunded": item.refunded,
        "currency": item.currency,
        "display_amount": display(world, item.amount, item.currency),
        "transaction_type": f"{item.transaction_type}{_suffix(invoice)}",
        **_reference(reference),
        "sort_order": order,
        "subitems": {
            recipient.subitem_id: _recipient_of(world, invoice, item, recipient) for recipient in item.recipients
        },
    }


def authorized_item(world: World, invoice: SandboxInvoice, item: LineItem, order: int) -> JsonObject:
    """Return a line item of an authorized invoice.

    It tells the recipients besides.
    """
    recipients: list[JsonValue] = [_recipient(item, recipient) for recipient in item.recipients]
    return {**line_item(world, invoice, item, order), "recipients": recipients or None}


def _recipient(item: LineItem, recipient: Recipient) -> JsonObject:
    return {
        "amount": recipient.amount,
        "currency": item.currency,
        "source_wallet_id": "" if recipient.source is None else recipient.source.wallet_id,
        "destination_account_id": recipient.destination.account_id,
        "destination_wallet_id": recipient.destination.wallet_id,
        "fee_percentage": float(recipient.fee_percentage),
        "fee_description": recipient.fee_description,
        **_reference(recipient.reference),
    }


def _payment(world: World, invoice: SandboxInvoice, payment: Payment) -> JsonObject:
    # Captured: until it is paid, the movement has amount 0.
    amount = payment.amount if invoice.state is InvoiceState.SUCCESS else 0
    method = payment.method
    moved = {
        **_movement(world, invoice.currency, payment.subitem_id, amount, "payment", Reference(metadata={})),
        "source_account_id": invoice.account_id,
        "source_payment_method_id": method.id,
        "source_wallet_id": "" if method.wallet is None else method.wallet.wallet_id,
        "destination_account_id": invoice.into.account_id,
        "destination_payment_method_id": "",
        "destination_wallet_id": invoice.into.wallet_id,
    }
    return {
        "payment_method_id": method.id,
        "payment_id": payment.payment_id,
        "authorized_amount": payment.amount,
        "currency": invoice.currency,
        "display_amount": display(world, payment.amount, invoice.currency),
        "display_string": method.display_string,
        "provider": method.provider,
        "subitems": {payment.subitem_id: moved},
    }


def _recipient_of(world: World, invoice: SandboxInvoice, item: LineItem, recipient: Recipient) -> JsonObject:
    source = recipient.source or world.publisher_wallet(invoice.currency)
    reference = recipient.reference
    return {
        **_movement(
            world,
            item.currency,
            recipient.subitem_id,
            recipient.received,
            f"user_recipient{_suffix(invoice)}",
            reference,
        ),
        "reference_type": reference.reference_type or "invoicing.invoice_line_item_v2.line_item_id",
        "reference_id": reference.reference_id or item.line_item_id,
        "source_account_id": source.account_id,
        "source_payment_method_id": "",
        "source_wallet_id": source.wallet_id,
        "destination_account_id": recipient.destination.account_id,
        "destination_payment_method_id": "",
        "destination_wallet_id": recipient.destination.wallet_id,
    }


def _movement(
    world: World, currency: str, subitem_id: str, amount: int, subitem_type: str, reference: Reference
) -> JsonObject:
    return {
        "subitem_id": subitem_id,
        "amount": amount,
        "currency": currency,
        "display_amount": display(world, amount, currency),
        "subitem_type": subitem_type,
        **_reference(reference),
    }


def _reference(reference: Reference) -> JsonObject:
    return {
        "reference_type": reference.reference_type,
        "reference_id": reference.reference_id,
        "description": reference.description,
        "metadata": reference.metadata,
    }


def _suffix(invoice: SandboxInvoice) -> str:
    """Return the suffix of a type in answers.

    What answers append to the types of a request, e.g. ``_escrow_virtual``.
    """
    escrow = "_escrow" if invoice.kind is Kind.ESCROW else ""
    return f"{escrow}_virtual" if invoice.virtual else escrow
