"""Refunds, in whole or by line item (fact sheet "money", D8).

They come out of the publisher's account.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence

import attrs

from tilia_async import checks
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput, JsonValue
from tilia_async.models.amount import Amount, AmountArgument
from tilia_async.models.refunds import InvoiceRefunds, RefundReason, RefundStatus
from tilia_async.models.requests import RefundInvoiceBody, RefundLineItemBody, RefundsQuery
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Evidence, Operation, Repeat
from tilia_async.wire.refusal import listed, refuse
from tilia_async.wire.sender import Sender

_SCOPE = "the page hides the scope; that of invoices is expected"
# What the answers to the two refunds tell of it is not documented, so it is looked for where a listed refund has it,
# and in the words that other answers have.
_NOT_REFUNDED = {RefundStatus.FAILED, RefundStatus.REJECTED, "FAILED", "REJECTED"}

REFUND_INVOICE = Operation(
    "refunds.refund_invoice",
    "POST",
    Service.INVOICING,
    "/v2/refund",
    type(None),
    scopes={Scope.WRITE_INVOICES},
    body=RefundInvoiceBody,
    repeat=Repeat.NEVER,
    reference=("invoice_id",),
    echoes={"invoice_id": "invoice_id"},
    denials={"status": _NOT_REFUNDED, "is_fully_refunded": {False}},
    evidence=Evidence({"scope"}, _SCOPE),
)
REFUND_LINE_ITEM = Operation(
    "refunds.refund_line_item",
    "POST",
    Service.INVOICING,
    "/v2/line-item/refund",
    dict[str, JsonValue],
    scopes={Scope.WRITE_INVOICES},
    body=RefundLineItemBody,
    repeat=Repeat.NEVER,
    reference=("line_item_id", "amount"),
    echoes={"line_item_id": "line_item_id"},
    denials={"status": _NOT_REFUNDED},
    evidence=Evidence({"scope", "answer"}, f"{_SCOPE}; so is the payload"),
)
LIST = Operation(
    "refunds.list",
    "GET",
    Service.INVOICING,
    "/v2/invoice/{invoice_id}/refunds",
    InvoiceRefunds,
    scopes={Scope.READ_INVOICES},
    query=RefundsQuery,
    repeat=Repeat.SAFE,
    envelope=False,
    echoes={"invoice_id": "invoice_id"},
    essential={"is_fully_refunded", "refund_invoice_ids", "payments", "refunds"},
    evidence=Evidence({"scope"}, _SCOPE),
)


@attrs.frozen(eq=False)
class Refunds:
    """``tilia.refunds``: give money back. It is yours, not the seller's."""

    _sender: Sender

    async def refund_invoice(
        self,
        invoice_id: str,
        reason: RefundReason | str | None = None,
        sub_reason: str | None = None,
        note: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> None:
        """Refund all of an invoice.

        For example::

            await tilia.refunds.refund_invoice(paid_invoice_id, "billing", note="never delivered")

        Args:
            invoice_id: at most 36 characters; of an escrow, its ``escrow_invoice_id``.
            reason: ``billing``, ``fraud``, ``product_related`` or ``other``.
            sub_reason: a text of yours.
            note: a text of yours.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            ForbiddenError: the refund was rejected.
            NotFoundError: there is no such invoice.

        Source: fact sheet "money", D8 (operationId refundFullInvoice); scope ``write_invoices`` is inferred.
        """
        refuse(
            REFUND_INVOICE.name,
            {
                "invoice_id": checks.identifier(invoice_id),
                "reason": [] if reason is None else _reason(reason),
                **_text_problems(sub_reason, note),
            },
        )
        body: dict[str, JsonInput] = {"invoice_id": invoice_id, **_texts(reason, sub_reason, note)}
        await self._sender.value(REFUND_INVOICE, body=body, options=options)

    async def refund_line_item(
        self,
        line_item_id: str,
        amount: Amount,
        payment_methods: Sequence[str],
        reason: RefundReason | str,
        sub_reason: str | None = None,
        note: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> dict[str, JsonValue]:
        """Refund a part of a line item.

        For example::

            invoice = await tilia.invoices.get(paid_invoice_id)
            ticket = invoice.line_items[0].line_item_id
            await tilia.refunds.refund_line_item(ticket, Money(100, "USD"), [card_id], "product_related")

        Args:
            line_item_id: at most 36 characters.
            amount: in the smallest unit of the line item's currency, at least 1, or ``Money``.
            payment_methods: where it goes, by id and in order; they must have been used for the purchase.
            reason: ``billing``, ``fraud``, ``product_related`` or ``other``.
            sub_reason: a text of yours.
            note: a text of yours.

        Returns:
            What Tilia answers; the documentation does not show it.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            BadRequestError: Tilia refuses.

        Source: fact sheet "money", D8 (operationId refundLineItemInvoice); scope ``write_invoices`` is inferred.
        """
        given = AmountArgument(amount, currency_wanted=False)
        payment_methods = listed(REFUND_LINE_ITEM.name, "payment_methods", payment_methods, str)
        wrong = [f"{method!r} {why}" for method in payment_methods for why in checks.identifier(method)]
        refuse(
            REFUND_LINE_ITEM.name,
            {
                "line_item_id": checks.identifier(line_item_id),
                **given.problems(),
                "payment_methods": wrong if payment_methods else ["is empty"],
                "reason": _reason(reason),
                **_text_problems(sub_reason, note),
            },
        )
        body: dict[str, JsonInput] = {
            "line_item_id": line_item_id,
            **given.fields(),
            "payment_methods": list(payment_methods),
            **_texts(reason, sub_reason, note),
        }
        return await self._sender.value(REFUND_LINE_ITEM, body=body, options=options)

    async def list(
        self, invoice_id: str, status: RefundStatus | str | None = None, *, options: RequestOptions | None = None
    ) -> InvoiceRefunds:
        """Say what was refunded of an invoice.

        A refund that is pending is not listed: none seen is not proof of none.

        For example::

            refunds = await tilia.refunds.list(paid_invoice_id)
            print(refunds.is_fully_refunded)

        Args:
            invoice_id: at most 36 characters.
            status: only these; None: Tilia's default, ``REFUND-SUCCESS``.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "money", D8 (operationId getRefundsByInvoiceId); scope ``read_invoices`` is inferred.
        """
        refuse(LIST.name, {"status": [] if status is None else checks.text(status)})
        query: builtins.dict[str, str | int] | None = None if status is None else {"status": status}
        return await self._sender.value(LIST, path={"invoice_id": invoice_id}, query=query, options=options)


def _reason(reason: object) -> builtins.list[str]:
    return checks.one_of(reason, RefundReason)


def _texts(reason: object, sub_reason: str | None, note: str | None) -> dict[str, JsonInput]:
    texts: dict[str, object] = {"reason": reason, "sub_reason": sub_reason, "note": note}
    return {field: checks.plain(text) for field, text in texts.items() if isinstance(text, str)}


def _text_problems(sub_reason: object, note: object) -> dict[str, builtins.list[str]]:
    texts = {"sub_reason": sub_reason, "note": note}
    return {field: checks.text(text, shortest=0) for field, text in texts.items() if text is not None}
