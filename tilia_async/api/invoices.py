"""Invoices: everything that is bought (fact sheet "money", D1 to D6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Literal, Unpack

import attrs

from tilia_async import checks
from tilia_async.api.paging import DEFAULT_PAGE, Page, Pages
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput
from tilia_async.models.invoices import (
    AuthorizedInvoice,
    AuthorizedInvoiceDetails,
    Invoice,
    InvoiceDetails,
    InvoiceMechanism,
    InvoicePage,
    InvoiceState,
)
from tilia_async.models.line_items import LineItem, Location, PaymentSource, problems_of_sources
from tilia_async.models.request_part import body_of, of_kind, problems_of
from tilia_async.models.requests import AuthorizeInvoiceBody, InvoiceBody, InvoicesQuery, NoFields
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Evidence, Operation, Repeat
from tilia_async.wire.refusal import listed, refuse
from tilia_async.wire.sender import Sender

CREATE = Operation(
    "invoices.create",
    "POST",
    Service.INVOICING,
    "/v2/invoice",
    Invoice,
    scopes={Scope.WRITE_INVOICES},
    body=InvoiceBody,
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
    body=NoFields,
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
    query=InvoicesQuery,
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
    body=AuthorizeInvoiceBody,
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
    envelope=None,
    essential={"line_items", "line_items_total", "is_escrow", "is_virtual"},
)


@attrs.frozen(eq=False)
class Invoices:
    """``tilia.invoices``: sell things. An invoice is created, then paid."""

    _sender: Sender

    async def create(
        self,
        account_id: str,
        line_items: Sequence[LineItem],
        payment_methods: Sequence[PaymentSource] = (),
        *,
        options: RequestOptions | None = None,
        **details: Unpack[InvoiceDetails],
    ) -> Invoice:
        """Draft an invoice. Nothing is charged until ``pay``.

        For example::

            ticket = LineItem(amount=Money(300, "USD"), transaction_type="user_to_integrator")
            card = PaymentSource(card_id)
            invoice = await tilia.invoices.create(account_id, [ticket], [card], reference_id="order-8")
            print(invoice.invoice_id, invoice.state)

        Args:
            account_id: the buyer, at most 36 characters.
            line_items: what is bought, at least one.
            payment_methods: what to pay with; left out for tokens. Of several exactly one has amount 0, the remainder.
            details: references of yours, description and the like, see ``InvoiceDetails``.

        Raises:
            InvalidRequestError: a field breaks one of these rules; its name says where.
            BadRequestError: Tilia refuses, e.g. an unknown payment method.

        Source: fact sheet "money", D1; scope ``write_invoices``; success is 201.
        """
        body = invoice_body(CREATE.name, account_id, line_items, payment_methods, details)
        return await self._sender.value(CREATE, body=body, options=options)

    async def pay(self, invoice_id: str, *, options: RequestOptions | None = None) -> Invoice:
        """Charge what an invoice says.

        It may still be ``PROCESSING`` afterwards.

        A payment that failed is an answer, not an error: look at ``state``.

        For example::

            paid = await tilia.invoices.pay(invoice_id)
            print(paid.state)

        Args:
            invoice_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            ForbiddenError: the transaction was rejected.
            NotFoundError: there is no such invoice; staging has answered that with a ServerError.

        Source: fact sheet "money", D2 (operationId payInvoice); scope ``write_invoices``.
        """
        return await self._sender.value(PAY, path={"invoice_id": invoice_id}, options=options)

    async def get(self, invoice_id: str, *, options: RequestOptions | None = None) -> Invoice:
        """Look an invoice up by its id.

        For example::

            invoice = await tilia.invoices.get(invoice_id)
            print(invoice.state, invoice.summary.display_amount)

        Args:
            invoice_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            NotFoundError: there is no such invoice; ``codes`` holds ``INVOICE_NOT_FOUND``.

        Source: fact sheet "money", D3; scope ``read_invoices``.
        """
        return await self._sender.value(GET, path={"invoice_id": invoice_id}, options=options)

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
        """Iterate over an account's invoices.

        Pages are fetched as they are needed.

        A list that changes while it is read lets invoices slip past: who pays each ``OPEN`` one of a list of those
        takes it out of the list. Collect first, then change: ``[invoice async for invoice in …]``.

        For example::

            async for invoice in tilia.invoices.list(account_id, states=["SUCCESS"]):
                print(invoice.invoice_id, invoice.reference_id)

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
        refuse(
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
            page = await self._sender.value(
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
        """Draft an invoice to be paid in Tilia's pages.

        The user pays it there.

        For example::

            ticket = LineItem(amount=Money(300, "USD"), transaction_type="user_to_integrator")
            checkout = await tilia.invoices.authorize(account_id, [ticket], "tilia_hosted")
            print(checkout.redirect)

        Args:
            account_id: the buyer, at most 36 characters.
            line_items: what is bought, at least one.
            invoice_mechanism: where it is paid: ``api`` (mobile SDKs), ``widget`` or ``tilia_hosted``.
            is_escrow: the money is held until the escrow is committed.
            details: references of yours, description and the like, see ``InvoiceDetails``.

        Raises:
            InvalidRequestError: a field breaks one of these rules; its name says where.
            BadRequestError: Tilia refuses.
            ForbiddenError: the account may not transact.
            NotFoundError: a wallet is unknown.

        Source: fact sheet "money", D5 (operationId authorizeInvoice); scopes ``write_user_tokens``, ``write_invoices``.
        """
        refuse(
            AUTHORIZE.name,
            {"invoice_mechanism": checks.text(invoice_mechanism), "is_escrow": checks.flag(is_escrow)},
        )
        body = invoice_body(AUTHORIZE.name, account_id, line_items, (), details)
        body["invoice_mechanism"] = checks.plain(invoice_mechanism)
        if is_escrow is not None:
            body["is_escrow"] = is_escrow
        return await self._sender.value(AUTHORIZE, body=body, options=options)

    async def get_authorized(
        self, authorized_invoice_id: str, *, options: RequestOptions | None = None
    ) -> AuthorizedInvoiceDetails:
        """Get an authorized invoice.

        Looks up what it is about, while it is valid.

        For example::

            checkout = await tilia.invoices.get_authorized(authorized_invoice_id)
            print(checkout.display_amount)

        Args:
            authorized_invoice_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            ApiError: it is not valid any more; Tilia does not document the status.

        Source: fact sheet "money", D6 (operationId getAuthorizedInvoice); scope ``read_invoices``.
        """
        return await self._sender.value(
            GET_AUTHORIZED, path={"authorized_invoice_id": authorized_invoice_id}, options=options
        )


def invoice_body(
    operation: str,
    account_id: str,
    line_items: Sequence[LineItem],
    payment_methods: Sequence[PaymentSource],
    details: InvoiceDetails,
) -> dict[str, JsonInput]:
    """Build the body that invoices and escrows share.

    Raises:
        InvalidRequestError: with all problems of all parts.
    """
    line_items = listed(operation, "line_items", line_items, LineItem)
    payment_methods = listed(operation, "payment_methods", payment_methods, PaymentSource)
    given: dict[str, object] = {**details}
    location = details.get("location")
    if "location" in given:
        refuse(operation, {"location": of_kind(location, Location)})
    texts = ("invoice_type", "reference_type", "reference_id", "description")
    refuse(
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
    body: dict[str, JsonInput] = {"account_id": account_id, "line_items": [body_of(item) for item in line_items]}
    if payment_methods:
        body["payment_methods"] = [body_of(source) for source in payment_methods]
    body |= {field: checks.plain(text) for field in texts if isinstance(text := given.get(field), str)}
    if "metadata" in details:
        body["metadata"] = details["metadata"]
    if "tax_inclusive" in details:
        body["tax_inclusive"] = details["tax_inclusive"]
    if location is not None:
        body["location"] = body_of(location)
    return body


_DETAILS = InvoiceDetails.__optional_keys__
