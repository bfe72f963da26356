"""Refunds (fact sheet "money", D8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

from tilia_async.json_model import JsonModel
from tilia_async.json_value import JsonValue
from tilia_async.models.payment_methods import PaymentMethod
from tilia_async.money import Money, money_or_none


class RefundReason(StrEnum):
    """Reason of a refund."""

    BILLING = "billing"
    FRAUD = "fraud"
    PRODUCT_RELATED = "product_related"
    OTHER = "other"


class RefundStatus(StrEnum):
    """Result of a refund."""

    SUCCESS = "REFUND-SUCCESS"
    FAILED = "REFUND-FAILED"
    REJECTED = "REFUND-REJECTED"


@attrs.frozen(eq=False, repr=False)
class Refund(JsonModel):
    """Refund of an invoice or a line item."""

    refund_id: str | None = None
    """Refund, at most 36 characters."""
    refund_invoice_id: str | None = None
    """Invoice of the refund."""
    payment_id: str | None = None
    """Payment that was made."""
    psp_refund_transaction_id: str | None = None
    """Transaction at the provider."""
    amount: int | None = None
    """Amount in the smallest unit of ``currency``."""
    currency: str | None = None
    """Currency code.

    ISO 4217, or the three characters of your token.
    """
    refund_type: str | None = None
    """Type, e.g. ``line_item_refund``."""
    reason: RefundReason | str | None = None
    """Reason: ``billing``, ``fraud``, ``product_related`` or ``other``; Tilia may send others."""
    sub_reason: str | None = None
    """Reason in your words."""
    note: str | None = None
    """Note of yours."""
    status: RefundStatus | str | None = None
    """State of the refund."""
    line_item_id: str | None = None
    """Line item, where one was refunded."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none or its zero time.
    """

    @property
    def money(self) -> Money | None:
        """Amount with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.amount, self.currency)


@attrs.frozen(eq=False, repr=False)
class RefundedPayment(JsonModel):
    """Payment of an invoice, with its refunds."""

    payment_id: str | None = None
    """Payment, at most 36 characters."""
    invoice_id: str | None = None
    """Invoice, at most 36 characters."""
    payment_method_id: str | None = None
    """Payment method, at most 36 characters."""
    state: str | None = None
    """State of the payment, e.g. ``CAPTURED``."""
    provider: str | None = None
    """Provider: ``wallet``, ``rebilly`` (cards), ``paypal``, ``banking``, ``pobo``."""
    psp_transaction_id: str | None = None
    """Transaction at the provider."""
    request_amount: int | None = None
    """Amount that was asked for.

    In the smallest unit of ``request_currency``.
    """
    request_currency: str | None = None
    """Currency code of the request."""
    processing_amount: int | None = None
    """Amount that was processed, in the smallest unit of ``processing_currency``."""
    processing_currency: str | None = None
    """Currency code of the processing."""
    received_amount: int | None = None
    """Amount that was received, in the smallest unit of ``received_currency``."""
    received_currency: str | None = None
    """Currency code of what was received."""
    item_description: str | None = None
    """Description that the provider shows."""
    source_client_id: str | None = None
    """Client that made the payment."""
    ip_address: str | None = attrs.field(default=None, repr=False)
    """IP address of the payment; not in ``repr``."""
    refunds: tuple[Refund, ...] = ()
    """Refunds of this payment."""
    payment_method: PaymentMethod | None = None
    """Payment method that paid."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none or its zero time.
    """

    @property
    def requested(self) -> Money | None:
        """Amount that was asked for, with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.request_amount, self.request_currency)

    @property
    def processed(self) -> Money | None:
        """Amount that was processed, with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.processing_amount, self.processing_currency)

    @property
    def received(self) -> Money | None:
        """Amount that was received, with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.received_amount, self.received_currency)

    @staticmethod
    def _reshape(payload: JsonValue) -> JsonValue:
        """Return the payment method without its ``payload``."""
        method = payload.get("payment_method") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not isinstance(method, dict) or "payload" not in method:
            return payload
        return {**payload, "payment_method": method["payload"]}


@attrs.frozen(eq=False, repr=False)
class InvoiceRefunds(JsonModel):
    """Refunds of an invoice."""

    invoice_id: str | None = None
    """Invoice, at most 36 characters."""
    is_fully_refunded: bool | None = None
    """True if all of the invoice went back."""
    refund_invoice_ids: tuple[str, ...] = ()
    """Invoices of the refunds."""
    payments: tuple[RefundedPayment, ...] = ()
    """Payments of the invoice, with their refunds."""
    refunds: tuple[Refund, ...] = ()
    """Refunds."""
    line_item_refunds: Mapping[str, JsonValue] = attrs.field(factory=dict[str, JsonValue], hash=False)
    """Refunds of line items by id.

    Their contents are not documented.
    """
