"""Invoices: everything that is bought (fact sheet "money", D1 to D6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

import attrs

from tilia_async.json_model import JsonModel
from tilia_async.json_value import JsonInput, JsonValue
from tilia_async.models.line_items import Location
from tilia_async.models.tags import Tag
from tilia_async.models.totals import Summary
from tilia_async.money import Money, money_or_none


class InvoiceState(StrEnum):
    """State of an invoice.

    ``CANCELED`` has one L here and two in an escrow.
    """

    OPEN = "OPEN"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class InvoiceMechanism(StrEnum):
    """Place where an authorized invoice is paid."""

    API = "api"
    WIDGET = "widget"
    TILIA_HOSTED = "tilia_hosted"


@attrs.frozen(eq=False, repr=False)
class InvoiceSubitem(JsonModel):
    """Movement of money within an invoice."""

    subitem_id: str | None = None
    """Movement, at most 36 characters."""
    subitem_type: str | None = None
    """Type of the movement, e.g. ``user_recipient_virtual``."""
    invoice_id: str | None = None
    """Invoice, at most 36 characters."""
    invoice_reference: str | None = None
    """Place on the invoice: ``pm_<id>`` or ``li_<id>``."""
    exchange_id: str | None = None
    """Token exchange that moved the money, if one did."""
    amount: int | None = None
    """Amount in the smallest unit of ``currency``."""
    amount_usd: int | None = None
    """Amount in US cents; 0 for tokens."""
    currency: str | None = None
    """Currency code.

    ISO 4217, or the three characters of your token.
    """
    display_amount: str | None = None
    """Amount as Tilia displays it, e.g. ``USD 0.06``."""
    reference_type: str | None = None
    """Kind of ``reference_id``, as you gave it; may be empty."""
    reference_id: str | None = None
    """Reference of your own; may be empty."""
    description: str | None = None
    """Description, as it was given; may be empty."""
    metadata: JsonValue = attrs.field(default=None, hash=False)
    """Data of your own, as they were given: any JSON."""
    source_account_id: str | None = None
    """Account that pays."""
    source_payment_method_id: str | None = None
    """Payment method that pays; may be empty."""
    source_wallet_id: str | None = None
    """Wallet that pays."""
    destination_account_id: str | None = None
    """Account that receives."""
    destination_payment_method_id: str | None = None
    """Payment method that receives; may be empty."""
    destination_wallet_id: str | None = None
    """Wallet that receives."""
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
class InvoicePaymentMethod(JsonModel):
    """Payment method of an invoice, with its amounts."""

    payment_method_id: str | None = None
    """Payment method, at most 36 characters."""
    invoice_id: str | None = None
    """Invoice, at most 36 characters."""
    exchange_id: str | None = None
    """Token exchange that moved the money, if one did."""
    authorized_amount: int | None = None
    """Amount that was authorized, in the smallest unit of ``currency``."""
    authorized_amount_usd: int | None = None
    """Amount that was authorized, in US cents; 0 for tokens."""
    requested_amount: int | None = None
    """Amount that was asked for.

    In the smallest unit of ``currency``.
    """
    currency: str | None = None
    """Currency code.

    ISO 4217, or the three characters of your token.
    """
    display_amount: str | None = None
    """Amount as Tilia displays it, e.g. ``USD 0.06``."""
    display_string: str | None = None
    """Name that users see, e.g. ``Visa ending in 1111``."""
    provider: str | None = None
    """Provider: ``wallet``, ``rebilly`` (cards), ``paypal``, ``banking``, ``pobo``."""
    payment_id: str | None = None
    """Payment that was made."""
    subitems: tuple[InvoiceSubitem, ...] = ()
    """Movements of money."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none or its zero time.
    """

    @property
    def authorized(self) -> Money | None:
        """Amount that was authorized, with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.authorized_amount, self.currency)

    @property
    def requested(self) -> Money | None:
        """Amount that was asked for, with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.requested_amount, self.currency)


@attrs.frozen(eq=False, repr=False)
class InvoiceRecipient(JsonModel):
    """Recipient of a part of a line item.

    In an authorized invoice.
    """

    amount: int | None = None
    """Amount in the smallest unit of ``currency``."""
    currency: str | None = None
    """Currency code.

    ISO 4217, or the three characters of your token.
    """
    source_wallet_id: str | None = None
    """Wallet that pays."""
    destination_account_id: str | None = None
    """Account that receives."""
    destination_wallet_id: str | None = None
    """Wallet that receives."""
    reference_type: str | None = None
    """Kind of ``reference_id``, as you gave it; may be empty."""
    reference_id: str | None = None
    """Reference of your own; may be empty."""
    description: str | None = None
    """Description, as it was given; may be empty."""
    fee_percentage: float | None = None
    """Your share as a fraction: 0.05 is 5 %."""
    fee_description: str | None = None
    """Text that the fee is shown with."""
    metadata: JsonValue = attrs.field(default=None, hash=False)
    """Data of your own, as they were given: any JSON."""

    @property
    def money(self) -> Money | None:
        """Amount with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.amount, self.currency)


@attrs.frozen(eq=False, repr=False)
class InvoiceLineItem(JsonModel):
    """Line item of an invoice."""

    line_item_id: str | None = None
    """Line item, at most 36 characters."""
    invoice_id: str | None = None
    """Invoice, at most 36 characters."""
    exchange_id: str | None = None
    """Token exchange that moved the money, if one did."""
    product_sku: str | None = None
    """Your stock-keeping unit."""
    product_code: str | None = None
    """Your product code."""
    amount: int | None = None
    """Amount in the smallest unit of ``currency``."""
    amount_usd: int | None = None
    """Amount in US cents; 0 for tokens."""
    amount_refunded: int | None = None
    """Amount that went back, in the smallest unit of ``currency``."""
    currency: str | None = None
    """Currency code.

    ISO 4217, or the three characters of your token.
    """
    display_amount: str | None = None
    """Amount as Tilia displays it, e.g. ``USD 0.06``."""
    reference_type: str | None = None
    """Kind of ``reference_id``, as you gave it; may be empty."""
    reference_id: str | None = None
    """Reference of your own; may be empty."""
    transaction_type: str | None = None
    """Type of the request.

    Often with ``_virtual`` or ``_escrow_virtual`` at its end.
    """
    description: str | None = None
    """Description, as it was given; may be empty."""
    metadata: JsonValue = attrs.field(default=None, hash=False)
    """Data of your own, as they were given: any JSON."""
    sort_order: int | None = None
    """Place on the invoice; lower comes first."""
    recipients: tuple[InvoiceRecipient, ...] = ()
    """Recipients, where the answer names them."""
    subitems: tuple[InvoiceSubitem, ...] = ()
    """Movements of money."""
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

    @property
    def refunded(self) -> Money | None:
        """Amount that went back, with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.amount_refunded, self.currency)


@attrs.frozen(eq=False, repr=False)
class Invoice(JsonModel):
    """An invoice; amounts in the smallest unit of their currency."""

    invoice_id: str
    """Invoice, at most 36 characters."""
    account_id: str | None = None
    """Account of the buyer."""
    invoice_type: str | None = None
    """Type, e.g. ``user_purchase``, ``user_purchase_virtual``, ``commit_escrow``."""
    reference_type: str | None = None
    """Kind of ``reference_id``, as you gave it; may be empty."""
    reference_id: str | None = None
    """Reference of your own; may be empty."""
    state: InvoiceState | str | None = None
    """State of the invoice; Tilia may know more."""
    description: str | None = None
    """Description, as it was given; may be empty."""
    metadata: JsonValue = attrs.field(default=None, hash=False)
    """Data of your own, as they were given: any JSON."""
    summary: Summary | None = None
    """Totals."""
    failure_code: str | None = None
    """Code of a failure; empty while nothing failed."""
    failure_reason: str | None = None
    """Reason of a failure in words; empty while nothing failed."""
    payment_methods: tuple[InvoicePaymentMethod, ...] = ()
    """Payment methods that pay, with their amounts."""
    line_items: tuple[InvoiceLineItem, ...] = ()
    """Line items, in the order of their ``sort_order``."""
    subitems: tuple[InvoiceSubitem, ...] = ()
    """Movements of money."""
    integrator: str | None = None
    """Publisher, i.e. you, by Tilia's name for you."""
    transfer_id: str | None = None
    """Transfer that moved the money; not documented."""
    session_id: str | None = None
    """Session of the payment; not documented."""
    tags: tuple[Tag, ...] = ()
    """Tags that Tilia set."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none or its zero time.
    """

    @staticmethod
    def _reshape(payload: JsonValue) -> JsonValue:
        """Return the line items in order.

        They come as a map by id, whose order says nothing.
        """
        items = payload.get("line_items") if isinstance(payload, dict) else None
        if not isinstance(payload, dict):
            return payload
        if isinstance(items, dict):
            in_order = sorted(items.items(), key=lambda entry: _sort_order(entry[1]))
            return {**payload, "line_items": dict(in_order)}
        return {**payload, "line_items": sorted(items, key=_sort_order)} if isinstance(items, list) else payload


def _sort_order(item: JsonValue) -> int:
    order = item.get("sort_order") if isinstance(item, dict) else None
    # Python refuses to read a number of some thousand digits.
    if isinstance(order, str) and len(order) <= 40 and order.isascii() and order.isdecimal():
        return int(order)
    return order if isinstance(order, int) else 0


@attrs.frozen(eq=False, repr=False)
class InvoicePage(JsonModel):
    """Page of an account's invoices."""

    invoices: tuple[Invoice, ...]
    """Invoices of this page."""
    total: int | None = None
    """Number of invoices in all.

    None if the answer does not say.
    """

    @staticmethod
    def _reshape(payload: JsonValue) -> JsonValue:
        """Return the invoices under one key.

        The page hides it, so any that holds a list or map will do.
        """
        if not isinstance(payload, dict):
            return {} if payload is None else {"invoices": payload}
        # An empty object is not a list of anything.
        lists = [value for value in payload.values() if isinstance(value, list) or (isinstance(value, dict) and value)]
        total = payload.get("total")
        if "invoices" in payload or lists:
            return {"total": total, "invoices": payload.get("invoices", lists[0] if lists else [])}
        # Nothing at all is not the same as no invoices.
        return {"total": total, "invoices": []} if total in (0, "0") and total is not False else {}


@attrs.frozen(eq=False, repr=False)
class AuthorizedInvoice(JsonModel):
    """Invoice that a user pays in Tilia's own pages.

    Its mechanism decides which fields are set. A pickle of it lets its bearer in: keep it as you keep a password.
    """

    authorized_invoice_id: str | None = None
    """Authorized invoice, at most 36 characters."""
    nonce_auth_id: str | None = attrs.field(default=None, repr=False)
    """Nonce that lets its bearer in; not in ``repr``."""
    redirect: str | None = attrs.field(default=None, repr=False)
    """URL that lets its bearer in; not in ``repr``."""
    password_token: str | None = attrs.field(default=None, repr=False)
    """Token that lets its bearer in; not in ``repr``."""


@attrs.frozen(eq=False, repr=False)
class AuthorizedInvoiceDetails(JsonModel):
    """Contents of an authorized invoice."""

    line_items: tuple[InvoiceLineItem, ...] = ()
    """Line items."""
    line_items_total: int | None = None
    """Total of the line items.

    In the smallest unit of ``line_items_currency``.
    """
    line_items_currency: str | None = None
    """Currency code of the total."""
    display_amount: str | None = None
    """Amount as Tilia displays it, e.g. ``USD 0.06``."""
    reference_type: str | None = None
    """Kind of ``reference_id``, as you gave it; may be empty."""
    reference_id: str | None = None
    """Reference of your own; may be empty."""
    description: str | None = None
    """Description, as it was given; may be empty."""
    metadata: JsonValue = attrs.field(default=None, hash=False)
    """Data of your own, as they were given: any JSON."""
    is_escrow: bool | None = None
    """True for an escrow."""
    is_virtual: bool | None = None
    """True if it is paid with tokens."""

    @property
    def total(self) -> Money | None:
        """Total of the line items, with its currency.

        None where Tilia does not tell it.
        """
        return money_or_none(self.line_items_total, self.line_items_currency)


class InvoiceDetails(TypedDict, total=False):
    """Details of an invoice, beside its items and payment methods.

    ``reference_type`` and ``reference_id`` are ids of yours. Give each write a ``reference_id`` that no other has: an
    escrow can be found again by it, and ``reconcile`` knows a write whose answer was lost by nothing else.
    """

    invoice_type: str
    """Type of the invoice; Tilia's default if left out."""
    reference_type: str
    """Kind of ``reference_id``, e.g. ``order``."""
    reference_id: str
    """Reference of your own.

    One that no other write has makes it findable.
    """
    description: str
    """Description for people."""
    metadata: Mapping[str, JsonInput]
    """Data of your own: any JSON; not private."""
    tax_inclusive: bool
    """True if the amounts include taxes."""
    location: Location
    """Place of the buyer, for taxes."""
