"""Invoices (fact sheet "money", D1 to D6)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import partial
from operator import attrgetter

from tilia_async.api import invoices
from tilia_async.json_value import JsonObject
from tilia_async.models.invoices import InvoiceMechanism
from tilia_async.models.requests import PayAuthorizedBody
from tilia_async.sandbox.account_guards import refuse_blocked
from tilia_async.sandbox.fields import Fields
from tilia_async.sandbox.invoice_json import authorized_item, display, notify, to_json
from tilia_async.sandbox.invoice_requests import draw_tokens, over_card_limit, read_invoice
from tilia_async.sandbox.paging import page_of
from tilia_async.sandbox.requests import ErrorResponse, Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, error, failure, invalid, not_found, rejected, success
from tilia_async.sandbox.state.accounts import INTEGRATOR
from tilia_async.sandbox.state.invoices import Authorized, Kind, SandboxInvoice
from tilia_async.sandbox.state.wallets import Movement, OverdrawnError
from tilia_async.sandbox.transitions import PAY_INVOICE

_DEFAULT_TYPES = f"{Kind.PURCHASE},{Kind.PURCHASE.in_tokens(virtual=True)}"


def create(call: SandboxRequest) -> SandboxResponse:
    invoice = draft(call, Kind.PURCHASE)
    return success(to_json(call.world, invoice), status=201)


def pay(call: SandboxRequest) -> SandboxResponse:
    world = call.world
    invoice = world.invoices.by_id.get(call.path["invoice_id"])
    if invoice is None:
        # Captured on staging; the reference says 404.
        return failure(500, None, message=("encountered an unexpected error",), codes=("SERVER_ERROR",))
    if invoice.kind is not Kind.PURCHASE or invoice.state not in PAY_INVOICE.before:
        return error(400, f"invoice is not open ({invoice.invoice_id}). the request is invalid")
    refuse_blocked(call, (invoice.account_id, *invoice.recipient_ids))
    charge(call, invoice, invoice.distribute(world.publisher_wallet(invoice.currency)))
    return success(to_json(world, invoice))


def get(call: SandboxRequest) -> SandboxResponse:
    invoice = call.world.invoices.by_id.get(call.path["invoice_id"])
    if invoice is None:
        return failure(404, "invoice_id not found", message=("",), codes=("INVOICE_NOT_FOUND",))
    return success(to_json(call.world, invoice))


def list_of_account(call: SandboxRequest) -> SandboxResponse:
    account_id, states = call.path["account_id"], _words(call.query.get("states", ""))
    types = _words(call.query.get("invoice_types", "") or _DEFAULT_TYPES)
    received = call.query.get("include_recipient_transactions", "false") == "true"
    found = [
        invoice
        for invoice in call.world.invoices.of(account_id, received=received)
        if invoice.type in types and (not states or invoice.state in states)
    ]
    page = page_of(call, found, "sort_field", {"created": attrgetter("number"), "updated": attrgetter("turn")})
    shown = partial(to_json, call.world, real_times=True)
    # Inferred: the keys, after the list of escrows, since the page hides them; there "total" is a string.
    return success(
        {"total": len(found), "account_id": account_id, "invoices": [shown(invoice) for invoice in page]},
        texts=call.texts(),
    )


def authorize(call: SandboxRequest) -> SandboxResponse:
    body = call.json()
    fields = Fields(body)
    mechanism, is_escrow = fields.required("invoice_mechanism"), fields.flag("is_escrow") or False
    # "direct" stands in a comment of Tilia's Node SDK only.
    if mechanism not in {*InvoiceMechanism, "direct"}:
        fields.refuse("invoice_mechanism", "is not known")
    fields.check()
    world = call.world
    invoice = read_invoice(call, body, Kind.ESCROW if is_escrow else Kind.PURCHASE, unpaid=True)
    world.authorized[invoice.invoice_id] = Authorized(invoice.invoice_id, body, invoice, is_escrow)
    answer: JsonObject = {"authorized_invoice_id": invoice.invoice_id}
    if mechanism in (InvoiceMechanism.API, "direct"):
        return success({**answer, "password_token": f"user.{world.new_uuid()}"})
    nonce = world.new_uuid()
    url = f"https://web.staging.tilia-inc.com/ui/appauth/{nonce}"
    if mechanism == InvoiceMechanism.TILIA_HOSTED:
        # Inferred after the other hosted pages; the guide's sample is cut off.
        url = f"https://pub.staging.tilia-inc.com/{INTEGRATOR}/checkout/{nonce}"
    query = f"authorized_invoice_id={invoice.invoice_id}&escrow={str(is_escrow).lower()}&integrator={INTEGRATOR}"
    return success({**answer, "nonce_auth_id": nonce, "redirect": f"{url}?{query}"})


def get_authorized(call: SandboxRequest) -> SandboxResponse:
    authorized = call.world.authorized.get(call.path["authorized_invoice_id"])
    if authorized is None:
        # Inferred: the number of this status cannot be read on the page.
        return not_found("authorized_invoice_id")
    invoice = authorized.invoice
    return success(
        {
            # A list here, although the invoice itself has a map.
            "line_items": [
                authorized_item(call.world, invoice, item, order) for order, item in enumerate(invoice.items)
            ],
            "line_items_total": invoice.total,
            "line_items_currency": invoice.currency,
            "display_amount": display(call.world, invoice.total, invoice.currency),
            "reference_type": invoice.reference.reference_type,
            "reference_id": invoice.reference.reference_id,
            "description": invoice.reference.description,
            "metadata": invoice.reference.metadata,
            "is_escrow": authorized.is_escrow,
            "is_virtual": invoice.virtual,
        }
    )


def draft(call: SandboxRequest, kind: Kind) -> SandboxInvoice:
    """Draft an open invoice.

    It is made of the body or of what was authorized, with the payment methods of the body.

    Raises:
        ErrorResponse: Tilia would refuse it; 400: there is no such authorized invoice for this, or it was used before.
    """
    world, body = call.world, call.json()
    authorized_id = body.get("authorized_invoice_id")
    if authorized_id is None:
        return world.invoices.add(read_invoice(call, body, kind))
    authorized = world.authorized.get(str(authorized_id))
    problem = "not found" if authorized is None else _unusable(authorized, kind)
    if authorized is None or problem:
        raise ErrorResponse(invalid({"authorized_invoice_id": [problem]}))
    metadata: JsonObject = {"authorized_invoice_id": authorized.invoice_id}
    asked: JsonObject = {"metadata": metadata, **authorized.asked, "payment_methods": body.get("payment_methods")}
    invoice = world.invoices.add(read_invoice(call, asked, kind))
    # Only now: what is refused uses nothing up.
    authorized.used = True
    return invoice


def charge(call: SandboxRequest, invoice: SandboxInvoice, then: Iterable[Movement] = ()) -> None:
    """Charge the buyer, and move the money.

    Makes the movements that follow from it: all together, or the invoice fails. Notifies.

    Raises:
        ErrorResponse: 403. That the invoice ends as FAILED, and cannot be paid any more, is inferred.
    """
    world = call.world
    if not invoice.chosen:
        invoice.payments = draw_tokens(world, invoice)
    too_much = any(over_card_limit(each.method, each.amount, invoice.currency) for each in invoice.payments)
    state = PAY_INVOICE.failed or invoice.state
    if invoice.payments and not too_much:
        with contextlib.suppress(OverdrawnError):
            world.wallets.move((*invoice.charge(), *then))
            state = PAY_INVOICE.after
    world.invoices.settle(invoice, state, world.clock.now())
    notify(world, invoice)
    if state is not PAY_INVOICE.after:
        raise ErrorResponse(rejected())


ROUTES = (
    Route(invoices.CREATE, create, other_bodies=(PayAuthorizedBody,)),
    Route(invoices.PAY, pay),
    Route(invoices.GET, get),
    Route(invoices.LIST, list_of_account),
    Route(invoices.AUTHORIZE, authorize),
    Route(invoices.GET_AUTHORIZED, get_authorized),
)


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in text.split(",") if word)


def _unusable(authorized: Authorized, kind: Kind) -> str:
    """Return why an authorized invoice is unusable.

    Why nothing can be made of it; empty if it can.
    """
    if authorized.is_escrow is not (kind is Kind.ESCROW):
        return "is for an escrow" if authorized.is_escrow else "is not for an escrow"
    return "was used before" if authorized.used else ""
