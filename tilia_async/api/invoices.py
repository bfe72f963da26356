"""Invoices: everything that is bought (fact sheet "money", D1 to D6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

import attrs

from tilia_async.api.line_items import (
    LineItem,
    Location,
    PaymentSource,
    listed,
    of_kind,
    problems_of,
    problems_of_sources,
)
from tilia_async.api.paging import DEFAULT_PAGE, Page, Pages
from tilia_async.api.summary import Summary
from tilia_async.api.tag import Tag
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput, JsonValue
from tilia_async.scopes import Scope
from tilia_async.wire import checks
from tilia_async.wire.operation import Evidence, Operation, Repeat

if TYPE_CHECKING:
    from tilia_async.transport.caller import Caller


class InvoiceState(StrEnum):
    """How far an invoice is. ``CANCELED`` has one L here and two in an escrow."""

    OPEN = "OPEN"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class InvoiceMechanism(StrEnum):
    """Where an authorized invoice is paid."""

    API = "api"
    WIDGET = "widget"
    TILIA_HOSTED = "tilia_hosted"


@attrs.frozen
class InvoiceSubitem:
    """One movement of money within an invoice; ``amount_usd`` in cents."""

    subitem_id: str | None = None
    subitem_type: str | None = None
    invoice_id: str | None = None
    invoice_reference: str | None = None
    exchange_id: str | None = None
    amount: int | None = None
    amount_usd: int | None = None
    currency: str | None = None
    display_amount: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    description: str | None = None
    metadata: JsonValue = attrs.field(default=None, hash=False)
    source_account_id: str | None = None
    source_payment_method_id: str | None = None
    source_wallet_id: str | None = None
    destination_account_id: str | None = None
    destination_payment_method_id: str | None = None
    destination_wallet_id: str | None = None
    created: datetime | None = None
    updated: datetime | None = None


@attrs.frozen
class InvoicePaymentMethod:
    """What an invoice is paid with; ``authorized_amount_usd`` in cents."""

    payment_method_id: str | None = None
    invoice_id: str | None = None
    exchange_id: str | None = None
    authorized_amount: int | None = None
    authorized_amount_usd: int | None = None
    requested_amount: int | None = None
    currency: str | None = None
    display_amount: str | None = None
    display_string: str | None = None
    provider: str | None = None
    payment_id: str | None = None
    subitems: tuple[InvoiceSubitem, ...] = ()
    created: datetime | None = None
    updated: datetime | None = None


@attrs.frozen
class InvoiceRecipient:
    """Who receives a part of a line item, as an authorized invoice tells it."""

    amount: int | None = None
    currency: str | None = None
    source_wallet_id: str | None = None
    destination_account_id: str | None = None
    destination_wallet_id: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    description: str | None = None
    fee_percentage: float | None = None
    fee_description: str | None = None
    metadata: JsonValue = attrs.field(default=None, hash=False)


@attrs.frozen
class InvoiceLineItem:
    """One thing on an invoice.

    Attributes:
        transaction_type: that of the request, often with ``_virtual`` or ``_escrow_virtual`` at its end.
        amount_refunded: in the smallest unit of the currency.
        sort_order: its place.
    """

    line_item_id: str | None = None
    invoice_id: str | None = None
    exchange_id: str | None = None
    product_sku: str | None = None
    product_code: str | None = None
    amount: int | None = None
    amount_usd: int | None = None
    amount_refunded: int | None = None
    currency: str | None = None
    display_amount: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    transaction_type: str | None = None
    description: str | None = None
    metadata: JsonValue = attrs.field(default=None, hash=False)
    sort_order: int | None = None
    recipients: tuple[InvoiceRecipient, ...] = ()
    subitems: tuple[InvoiceSubitem, ...] = ()
    created: datetime | None = None
    updated: datetime | None = None


@attrs.frozen
class Invoice:
    """An invoice; amounts in the smallest unit of their currency.

    Attributes:
        created, updated: None where Tilia sends the zero time, as it does in answers to create, pay and get.
        failure_code, failure_reason: empty while nothing failed.
        line_items: in the order of their ``sort_order``.
    """

    invoice_id: str
    account_id: str | None = None
    invoice_type: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    state: InvoiceState | str | None = None
    description: str | None = None
    metadata: JsonValue = attrs.field(default=None, hash=False)
    summary: Summary | None = None
    failure_code: str | None = None
    failure_reason: str | None = None
    payment_methods: tuple[InvoicePaymentMethod, ...] = ()
    line_items: tuple[InvoiceLineItem, ...] = ()
    subitems: tuple[InvoiceSubitem, ...] = ()
    integrator: str | None = None
    transfer_id: str | None = None
    session_id: str | None = None
    tags: tuple[Tag, ...] = ()
    created: datetime | None = None
    updated: datetime | None = None

    @staticmethod
    def reshape(payload: JsonValue) -> JsonValue:
        """Line items come as a map by id, whose order says nothing; their ``sort_order`` does."""
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


@attrs.frozen
class InvoicePage:
    """One page of an account's invoices."""

    invoices: tuple[Invoice, ...]
    total: int | None = None

    @staticmethod
    def reshape(payload: JsonValue) -> JsonValue:
        """The page hides the key of the list, so whatever key holds a list or map of objects is taken."""
        if not isinstance(payload, dict):
            return {} if payload is None else {"invoices": payload}
        # An empty object is no list of anything.
        lists = [value for value in payload.values() if isinstance(value, list) or (isinstance(value, dict) and value)]
        total = payload.get("total")
        if "invoices" in payload or lists:
            return {"total": total, "invoices": payload.get("invoices", lists[0] if lists else [])}
        # Nothing at all is not the same as no invoices.
        return {"total": total, "invoices": []} if total in (0, "0") and total is not False else {}


@attrs.frozen
class AuthorizedInvoice:
    """An invoice that a user pays in Tilia's own pages; which fields are set depends on the mechanism.

    Attributes:
        redirect, nonce_auth_id, password_token: let their bearer in, so ``repr`` does not show them; keep a pickle of
            them as you keep a password.
    """

    authorized_invoice_id: str | None = None
    nonce_auth_id: str | None = attrs.field(default=None, repr=False)
    redirect: str | None = attrs.field(default=None, repr=False)
    password_token: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class AuthorizedInvoiceDetails:
    """What an authorized invoice is about.

    Attributes:
        line_items_total: in the smallest unit of ``line_items_currency``.
        is_virtual: it is paid with tokens.
    """

    line_items: tuple[InvoiceLineItem, ...] = ()
    line_items_total: int | None = None
    line_items_currency: str | None = None
    display_amount: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    description: str | None = None
    metadata: JsonValue = attrs.field(default=None, hash=False)
    is_escrow: bool | None = None
    is_virtual: bool | None = None


class InvoiceDetails(TypedDict, total=False):
    """What an invoice may say beside what is bought and with what.

    ``reference_type`` and ``reference_id`` are ids of yours. Give each write a ``reference_id`` that no other has: an
    escrow can be found again by it, and ``reconcile`` knows a write whose answer was lost by nothing else.
    """

    invoice_type: str
    reference_type: str
    reference_id: str
    description: str
    metadata: Mapping[str, JsonInput]
    tax_inclusive: bool
    location: Location


CREATE = Operation(
    "invoices.create",
    "POST",
    Service.INVOICING,
    "/v2/invoice",
    Invoice,
    scopes={Scope.WRITE_INVOICES},
    repeat=Repeat.NEVER,
    success={201},
    reference=("account_id", "invoice_type", "reference_type", "reference_id"),
    parts="line_items",
    echoes={"account_id": "account_id"},
)
PAY = Operation(
    "invoices.pay",
    "POST",
    Service.INVOICING,
    "/v2/invoice/{invoice_id}/pay",
    Invoice,
    scopes={Scope.WRITE_INVOICES},
    repeat=Repeat.NEVER,
    reference=("invoice_id",),
    echoes={"invoice_id": "invoice_id"},
    # A payment that failed is an answer; of these two nothing was charged.
    denials={"state": {InvoiceState.OPEN, InvoiceState.CANCELED}},
)
GET = Operation(
    "invoices.get",
    "GET",
    Service.INVOICING,
    "/v2/invoice/{invoice_id}",
    Invoice,
    scopes={Scope.READ_INVOICES},
    repeat=Repeat.SAFE,
    echoes={"invoice_id": "invoice_id"},
)
LIST = Operation(
    "invoices.list",
    "GET",
    Service.INVOICING,
    "/v2/invoice/account/{account_id}",
    InvoicePage,
    scopes={Scope.READ_INVOICES},
    repeat=Repeat.SAFE,
    echoes={"account_id": "account_id"},
    evidence=Evidence({"answer"}, "the page hides the payload; that of the escrow list is expected"),
)
AUTHORIZE = Operation(
    "invoices.authorize",
    "POST",
    Service.INVOICING,
    "/v2/authorize/invoice",
    AuthorizedInvoice,
    scopes={Scope.WRITE_USER_TOKENS, Scope.WRITE_INVOICES},
    repeat=Repeat.NEVER,
    reference=("account_id", "reference_type", "reference_id"),
    confidential=True,
    # The guide to hosted checkout names other scopes (read_invoice, write_invoice, …); these are the Node SDK's.
    essential={"authorized_invoice_id", "nonce_auth_id", "redirect", "password_token"},
)
GET_AUTHORIZED = Operation(
    "invoices.get_authorized",
    "GET",
    Service.INVOICING,
    "/v2/authorize/invoice/{authorized_invoice_id}",
    AuthorizedInvoiceDetails,
    scopes={Scope.READ_INVOICES},
    repeat=Repeat.SAFE,
    essential={"line_items", "line_items_total", "is_escrow", "is_virtual"},
)


@attrs.frozen(eq=False)
class Invoices:
    """``tilia.invoices``: sell things. An invoice is created, then paid."""

    _caller: Caller

    async def create(
        self,
        account_id: str,
        line_items: Sequence[LineItem],
        payment_methods: Sequence[PaymentSource] = (),
        *,
        options: RequestOptions | None = None,
        **details: Unpack[InvoiceDetails],
    ) -> Invoice:
        """Draft an invoice. Nothing is charged until :meth:`pay`.

        Args:
            account_id: the buyer, at most 36 characters.
            line_items: what is bought, at least one.
            payment_methods: what to pay with; left out for tokens. Of several exactly one has amount 0, the remainder.
            details: references of yours, description and the like, see :class:`InvoiceDetails`.

        Raises:
            InvalidRequestError: a field breaks one of these rules; its name says where.
            BadRequestError: Tilia refuses, e.g. an unknown payment method.

        Source: fact sheet "money", D1; scope ``write_invoices``; success is 201.
        """
        body = invoice_body(CREATE.name, account_id, line_items, payment_methods, details)
        return await self._caller.value(CREATE, body=body, options=options)

    async def pay(self, invoice_id: str, *, options: RequestOptions | None = None) -> Invoice:
        """Charge what an invoice says. It may still be ``PROCESSING`` afterwards.

        A payment that failed is an answer, not an error: look at ``state``.

        Args:
            invoice_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            ForbiddenError: the transaction was rejected.
            NotFoundError: there is no such invoice; staging has answered that with a ServerError.

        Source: fact sheet "money", D2 (operationId payInvoice); scope ``write_invoices``.
        """
        return await self._caller.value(PAY, path={"invoice_id": invoice_id}, options=options)

    async def get(self, invoice_id: str, *, options: RequestOptions | None = None) -> Invoice:
        """Look an invoice up by its id.

        Args:
            invoice_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            NotFoundError: there is no such invoice; ``codes`` holds ``INVOICE_NOT_FOUND``.

        Source: fact sheet "money", D3; scope ``read_invoices``.
        """
        return await self._caller.value(GET, path={"invoice_id": invoice_id}, options=options)

    def list(
        self,
        account_id: str,
        states: Iterable[InvoiceState | str] = (),
        invoice_types: Iterable[str] = (),
        include_recipient_transactions: bool = False,
        sort_field: Literal["created", "updated"] | None = None,
        sort: Literal["asc", "desc"] | None = None,
        page_size: int = DEFAULT_PAGE,
        *,
        options: RequestOptions | None = None,
    ) -> AsyncIterator[Invoice]:
        """Iterate over an account's invoices. Pages are fetched as they are needed.

        A list that changes while it is read lets invoices slip past: who pays each ``OPEN`` one of a list of those
        takes it out of the list. Collect first, then change: ``[invoice async for invoice in …]``.

        Args:
            account_id: at most 36 characters.
            states: only these; none: all.
            invoice_types: only these; none: Tilia's default, ``user_purchase`` and ``user_purchase_virtual``.
            include_recipient_transactions: also the successful ones that the account received from.
            sort_field: None: Tilia's default, ``updated``.
            sort: None: Tilia's default, ``desc``.
            page_size: at least 1. Tilia's default is 100; its maximum is not documented.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            TransportError: after the last one, if its total has fallen meanwhile or is smaller than what came, or if
                some came twice: others may be missing. A change that none of these tells of is not noticed.

        Source: fact sheet "money", D4 (operationId getInvoicesByAccountIDV2); scope ``read_invoices``.
        """
        states = listed(LIST.name, "states", states, str)
        invoice_types = listed(LIST.name, "invoice_types", invoice_types, str)
        checks.refuse(
            LIST.name,
            {
                "account_id": checks.identifier(account_id),
                "include_recipient_transactions": checks.flag(include_recipient_transactions),
                **checks.paging(page_size, sort_field, sort),
            },
        )
        query: dict[str, str | int] = {"limit": page_size}
        if states:
            query["states"] = ",".join(map(checks.plain, states))
        if invoice_types:
            query["invoice_types"] = ",".join(map(checks.plain, invoice_types))
        if include_recipient_transactions:
            query["include_recipient_transactions"] = "true"
        if sort_field is not None:
            query["sort_field"] = sort_field
        if sort is not None:
            query["sort"] = sort

        asked = LIST
        if not include_recipient_transactions:
            # Each is the account's own, unless those that it received from are asked for.
            asked = attrs.evolve(LIST, echoes=(*LIST.echoes, ("account_id", ("invoices.account_id",))))

        async def fetch(offset: int) -> Page[Invoice]:
            page = await self._caller.value(
                asked, path={"account_id": account_id}, query={**query, "offset": offset}, options=options
            )
            return Page(page.invoices, page.total)

        return Pages(LIST.name, fetch, lambda invoice: invoice.invoice_id, page_size)

    async def authorize(
        self,
        account_id: str,
        line_items: Sequence[LineItem],
        invoice_mechanism: InvoiceMechanism | str,
        is_escrow: bool | None = None,
        *,
        options: RequestOptions | None = None,
        **details: Unpack[InvoiceDetails],
    ) -> AuthorizedInvoice:
        """Draft an invoice that the user pays in Tilia's own pages.

        Args:
            account_id: the buyer, at most 36 characters.
            line_items: what is bought, at least one.
            invoice_mechanism: where it is paid: ``api`` (mobile SDKs), ``widget`` or ``tilia_hosted``.
            is_escrow: the money is held until the escrow is committed.
            details: references of yours, description and the like, see :class:`InvoiceDetails`.

        Raises:
            InvalidRequestError: a field breaks one of these rules; its name says where.
            BadRequestError: Tilia refuses.
            ForbiddenError: the account may not transact.
            NotFoundError: a wallet is unknown.

        Source: fact sheet "money", D5 (operationId authorizeInvoice); scopes ``write_user_tokens``, ``write_invoices``.
        """
        checks.refuse(
            AUTHORIZE.name,
            {"invoice_mechanism": checks.text(invoice_mechanism), "is_escrow": checks.flag(is_escrow)},
        )
        body = invoice_body(AUTHORIZE.name, account_id, line_items, (), details)
        body["invoice_mechanism"] = checks.plain(invoice_mechanism)
        if is_escrow is not None:
            body["is_escrow"] = is_escrow
        return await self._caller.value(AUTHORIZE, body=body, options=options)

    async def get_authorized(
        self, authorized_invoice_id: str, *, options: RequestOptions | None = None
    ) -> AuthorizedInvoiceDetails:
        """Look up what an authorized invoice is about, while it is valid.

        Args:
            authorized_invoice_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            ApiError: it is not valid any more; Tilia does not document the status.

        Source: fact sheet "money", D6 (operationId getAuthorizedInvoice); scope ``read_invoices``.
        """
        return await self._caller.value(
            GET_AUTHORIZED, path={"authorized_invoice_id": authorized_invoice_id}, options=options
        )


def invoice_body(
    operation: str,
    account_id: str,
    line_items: Sequence[LineItem],
    payment_methods: Sequence[PaymentSource],
    details: InvoiceDetails,
) -> dict[str, JsonInput]:
    """The body that invoices and escrows share.

    Raises:
        InvalidRequestError: with all problems of all parts.
    """
    line_items = listed(operation, "line_items", line_items, LineItem)
    payment_methods = listed(operation, "payment_methods", payment_methods, PaymentSource)
    given: dict[str, object] = {**details}
    location = details.get("location")
    if "location" in given:
        checks.refuse(operation, {"location": of_kind(location, Location)})
    texts = ("invoice_type", "reference_type", "reference_id", "description")
    checks.refuse(
        operation,
        {
            "account_id": checks.identifier(account_id),
            "line_items": [] if line_items else ["is empty"],
            **problems_of("line_items", line_items),
            **problems_of_sources(payment_methods),
            **{field: checks.text(given[field], shortest=0) for field in texts if field in given},
            "tax_inclusive": checks.flag(details.get("tax_inclusive")),
            **({} if location is None else {f"location.{name}": why for name, why in location.problems().items()}),
            **{field: ["is no field of an invoice"] for field in given if field not in _DETAILS},
        },
    )
    body: dict[str, JsonInput] = {"account_id": account_id, "line_items": [item.to_json() for item in line_items]}
    if payment_methods:
        body["payment_methods"] = [source.to_json() for source in payment_methods]
    body |= {field: checks.plain(text) for field in texts if isinstance(text := given.get(field), str)}
    if "metadata" in details:
        body["metadata"] = details["metadata"]
    if "tax_inclusive" in details:
        body["tax_inclusive"] = details["tax_inclusive"]
    if location is not None:
        body["location"] = location.to_json()
    return body


_DETAILS = InvoiceDetails.__optional_keys__
