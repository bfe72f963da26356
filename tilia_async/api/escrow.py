"""Escrows: purchases in two phases (fact sheet "money", D7)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Literal, Unpack

import attrs

from tilia_async import checks
from tilia_async.api.invoices import invoice_body
from tilia_async.api.paging import DEFAULT_PAGE, Page, Pages
from tilia_async.config import RequestOptions, Service
from tilia_async.models.escrow import Escrow, EscrowPage, EscrowStatus
from tilia_async.models.invoices import InvoiceDetails
from tilia_async.models.line_items import LineItem, PaymentSource
from tilia_async.models.requests import EscrowsQuery, InvoiceBody, NoFields
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Evidence, Operation, Repeat
from tilia_async.wire.refusal import listed, refuse
from tilia_async.wire.sender import Sender

_READS = Evidence({"scope"}, "the page hides the scope; that of reading invoices is expected")

_UNDECIDED = {EscrowStatus.OPEN, EscrowStatus.ESCROWED}
_COMMITTED = {EscrowStatus.COMMIT_REQUESTED, EscrowStatus.COMMITTED}
_CANCELLED = {
    EscrowStatus.CANCEL_REQUESTED,
    EscrowStatus.CANCELLED,
    EscrowStatus.SYSTEM_CANCEL_REQUESTED,
    EscrowStatus.SYSTEM_CANCELLED,
}

CREATE = Operation(
    "escrow.create",
    "POST",
    Service.INVOICING,
    "/v2/escrow",
    Escrow,
    scopes={Scope.WRITE_INVOICES},
    body=InvoiceBody,
    repeat=Repeat.NEVER,
    envelope=None,
    success={201},
    reference=("account_id", "reference_type", "reference_id"),
    parts="line_items",
    echoes={"account_id": "account_id"},
)
PAY = Operation(
    "escrow.pay",
    "POST",
    Service.INVOICING,
    "/v2/escrow/{escrow_id}/pay",
    Escrow,
    scopes={Scope.WRITE_INVOICES},
    body=NoFields,
    repeat=Repeat.NEVER,
    envelope=False,
    reference=("escrow_id",),
    echoes={"escrow_id": "id"},
    denials={"status": {EscrowStatus.OPEN}},
)
COMMIT = Operation(
    "escrow.commit",
    "POST",
    Service.INVOICING,
    "/v2/escrow/{escrow_id}/commit",
    Escrow,
    scopes={Scope.WRITE_INVOICES},
    body=NoFields,
    repeat=Repeat.NEVER,
    envelope=False,
    reference=("escrow_id",),
    echoes={"escrow_id": "id"},
    denials={"status": _UNDECIDED | _CANCELLED},
)
CANCEL = Operation(
    "escrow.cancel",
    "POST",
    Service.INVOICING,
    "/v2/escrow/{escrow_id}/cancel",
    Escrow,
    scopes={Scope.WRITE_INVOICES},
    body=NoFields,
    repeat=Repeat.NEVER,
    envelope=False,
    reference=("escrow_id",),
    echoes={"escrow_id": "id"},
    denials={"status": _UNDECIDED | _COMMITTED},
)
GET = Operation(
    "escrow.get",
    "GET",
    Service.INVOICING,
    "/v2/escrow/{escrow_id}",
    Escrow,
    scopes={Scope.READ_INVOICES},
    repeat=Repeat.SAFE,
    envelope=False,
    echoes={"escrow_id": "id"},
    evidence=_READS,
)
FIND_BY_INVOICE = Operation(
    "escrow.find_by_invoice",
    "GET",
    Service.INVOICING,
    "/v2/escrow/by_invoice/{invoice_id}",
    Escrow,
    scopes={Scope.READ_INVOICES},
    repeat=Repeat.SAFE,
    envelope=False,
    echoes={"invoice_id": ("escrow_invoice_id", "commit_invoice_id", "cancel_invoice_id")},
    evidence=_READS,
)
LIST_BY_REFERENCE = Operation(
    "escrow.list_by_reference",
    "GET",
    Service.INVOICING,
    "/v2/escrow/reference/{reference_id}",
    EscrowPage,
    scopes={Scope.READ_INVOICES},
    query=EscrowsQuery,
    repeat=Repeat.SAFE,
    envelope=False,
    references={"reference_id"},
    evidence=_READS,
)


@attrs.frozen(eq=False)
class Escrows:
    """``tilia.escrow``: hold the buyer's money until a deal is done.

    Created, paid, then committed or cancelled.
    """

    _sender: Sender

    async def create(
        self,
        account_id: str,
        line_items: Sequence[LineItem],
        payment_methods: Sequence[PaymentSource] = (),
        *,
        options: RequestOptions | None = None,
        **details: Unpack[InvoiceDetails],
    ) -> Escrow:
        """Draft an escrow. Nothing is charged until ``pay``.

        For example::

            share = Recipient(amount=Money(200, "USD"), destination_account_id=other_id)
            sword = LineItem(amount=Money(200, "USD"), transaction_type="user_to_user", recipients=[share])
            escrow = await tilia.escrow.create(account_id, [sword], [PaymentSource(card_id)], reference_id="trade-7")
            print(escrow.id, escrow.status)

        Args:
            account_id: the buyer, at most 36 characters.
            line_items: what is bought, at least one.
            payment_methods: what to pay with; left out for tokens. Of several exactly one has amount 0, the remainder.
            details: references of yours, description and the like, see ``InvoiceDetails``.

        Raises:
            InvalidRequestError: a field breaks one of these rules; its name says where.
            BadRequestError: Tilia refuses.

        Source: fact sheet "money", D7 (operationId createEscrowTransaction); scope ``write_invoices``; success is 201.
        """
        body = invoice_body(CREATE.name, account_id, line_items, payment_methods, details)
        return await self._sender.value(CREATE, body=body, options=options)

    async def pay(self, escrow_id: str, *, options: RequestOptions | None = None) -> Escrow:
        """Charge the buyer; Tilia holds the money.

        A charge that failed is an answer, not an error: see ``status``.

        For example::

            held = await tilia.escrow.pay(escrow_id)
            print(held.status)

        Args:
            escrow_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            BadRequestError: Tilia refuses.
            ForbiddenError: the transaction was rejected.
            NotFoundError: there is no such escrow.

        Source: fact sheet "money", D7 (operationId payEscrowTransaction); scope ``write_invoices``.
        """
        return await self._sender.value(PAY, path={"escrow_id": escrow_id}, options=options)

    async def commit(self, escrow_id: str, *, options: RequestOptions | None = None) -> Escrow:
        """Pay the sellers out of an escrow that was paid.

        It may fail: see ``status``.

        For example::

            done = await tilia.escrow.commit(held_escrow_id)
            print(done.status)

        Args:
            escrow_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            BadRequestError: Tilia refuses.
            ForbiddenError: the transaction was rejected.
            NotFoundError: there is no such escrow.

        Source: fact sheet "money", D7 (operationId commitEscrowTransaction); scope ``write_invoices``.
        """
        return await self._sender.value(COMMIT, path={"escrow_id": escrow_id}, options=options)

    async def cancel(self, escrow_id: str, *, options: RequestOptions | None = None) -> Escrow:
        """Give the buyer the whole sum back.

        It is taken out of an escrow that was paid. It may fail: see ``status``.

        For example::

            off = await tilia.escrow.cancel(held_escrow_id)
            print(off.status)

        Args:
            escrow_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            BadRequestError: Tilia refuses.
            ForbiddenError: the transaction was rejected.
            NotFoundError: there is no such escrow.

        Source: fact sheet "money", D7 (operationId cancelEscrowTransaction); scope ``write_invoices``.
        """
        return await self._sender.value(CANCEL, path={"escrow_id": escrow_id}, options=options)

    async def get(self, escrow_id: str, *, options: RequestOptions | None = None) -> Escrow:
        """Look an escrow up by its id.

        For example::

            escrow = await tilia.escrow.get(escrow_id)
            print(escrow.status)

        Args:
            escrow_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            NotFoundError: there is no such escrow.

        Source: fact sheet "money", D7 (operationId getEscrowTransactionById); scope ``read_invoices`` is inferred.
        """
        return await self._sender.value(GET, path={"escrow_id": escrow_id}, options=options)

    async def find_by_invoice(self, invoice_id: str, *, options: RequestOptions | None = None) -> Escrow:
        """Find an escrow by one of its invoices.

        Its escrow, commit or cancel invoice.

        For example::

            escrow = await tilia.escrow.get(escrow_id)
            same = await tilia.escrow.find_by_invoice(escrow.escrow_invoice_id)
            print(same.id == escrow.id)

        Args:
            invoice_id: any of the three, at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            NotFoundError: no escrow has that invoice.

        Source: fact sheet "money", D7 (operationId getEscrowTransactionByInvoiceId); the scope is inferred.
        """
        return await self._sender.value(FIND_BY_INVOICE, path={"invoice_id": invoice_id}, options=options)

    def list_by_reference(
        self,
        reference_id: str,
        status: Iterable[EscrowStatus | str] = (),
        sort_field: Literal["created", "updated"] | None = None,
        sort: Literal["asc", "desc"] | None = None,
        page_size: int = DEFAULT_PAGE,
        *,
        options: RequestOptions | None = None,
    ) -> AsyncIterator[Escrow]:
        """Iterate over the escrows with a reference of yours.

        Pages are fetched as they are needed.

        A list that changes while it is read lets escrows slip past: who pays each ``OPEN`` one of a list of those
        takes it out of the list. Collect first, then change: ``[escrow async for escrow in …]``.

        For example::

            async for escrow in tilia.escrow.list_by_reference("trade-7"):
                print(escrow.id, escrow.status)

        Args:
            reference_id: as it was given at ``create``. It becomes a part of the URL: no slash, at most 255
                characters.
            status: only these; none: all.
            sort_field: None: Tilia's default, ``updated``.
            sort: None: Tilia's default, ``desc``.
            page_size: at least 1. Tilia's default is 100; its maximum is not documented.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            TransportError: after the last one, if its total has fallen meanwhile or is smaller than what came, or if
                some came twice: others may be missing. A change that none of these tells of is not noticed.

        Source: fact sheet "money", D7 and 0.9 (operationId getEscrowTransactionByReferenceId); the scope is inferred.
        """
        statuses = ",".join(map(checks.plain, listed(LIST_BY_REFERENCE.name, "status", status, str)))
        refuse(
            LIST_BY_REFERENCE.name,
            {
                "reference_id": checks.identifier(reference_id, longest=checks.LONGEST_REFERENCE),
                **checks.paging(page_size, sort_field, sort),
            },
        )
        query: dict[str, str | int] = {"limit": page_size}
        if statuses:
            query["status"] = statuses
        if sort_field is not None:
            # In camel case here, and with an underscore in the list of invoices.
            query["sortField"] = sort_field
        if sort is not None:
            query["sort"] = sort

        async def fetch(offset: int) -> Page[Escrow]:
            page = await self._sender.value(
                LIST_BY_REFERENCE,
                path={"reference_id": reference_id},
                query={**query, "offset": offset},
                options=options,
            )
            return Page(page.escrow_transactions, page.total)

        return Pages(LIST_BY_REFERENCE.name, fetch, lambda escrow: escrow.id, page_size)
