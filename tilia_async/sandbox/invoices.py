"""Invoices (fact sheet "money", D1 to D6)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import partial
from operator import attrgetter

from tilia_async.api import invoices
from tilia_async.json_value import JsonObject
from tilia_async.models.invoices import InvoiceMechanism, InvoiceState
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

_DEFAULT_TYPES = f"{Kind.PURCHASE},{Kind.PURCHASE.in_tokens(virtual=True)}"


def create(call: SandboxRequest) -> SandboxResponse:
    bill = draft(call, Kind.PURCHASE)
    return success(to_json(call.world, bill), status=201)


def pay(call: SandboxRequest) -> SandboxResponse:
    world = call.world
    bill = world.bills.by_id.get(call.path["invoice_id"])
    if bill is None:
        # Captured on staging; the reference says 404.
        return failure(500, None, message=("encountered an unexpected error",), codes=("SERVER_ERROR",))
    if bill.kind is not Kind.PURCHASE or bill.state is not InvoiceState.OPEN:
        return error(400, f"invoice is not open ({bill.invoice_id}). the request is invalid")
    refuse_blocked(call, (bill.account_id, *bill.recipients))
    charge(call, bill, bill.distribute(world.publisher_wallet(bill.currency)))
    return success(to_json(world, bill))


def get(call: SandboxRequest) -> SandboxResponse:
    bill = call.world.bills.by_id.get(call.path["invoice_id"])
    if bill is None:
        return failure(404, "invoice_id not found", message=("",), codes=("INVOICE_NOT_FOUND",))
    return success(to_json(call.world, bill))


def list_of_account(call: SandboxRequest) -> SandboxResponse:
    account_id, states = call.path["account_id"], _words(call.query.get("states", ""))
    types = _words(call.query.get("invoice_types", "") or _DEFAULT_TYPES)
    received = call.query.get("include_recipient_transactions", "false") == "true"
    found = [
        bill
        for bill in call.world.bills.of(account_id, received=received)
        if bill.type in types and (not states or bill.state in states)
    ]
    page = page_of(call, found, "sort_field", {"created": attrgetter("number"), "updated": attrgetter("turn")})
    tell = partial(to_json, call.world, clock=call.world.clock)
    # Inferred: the keys, after the list of escrows, since the page hides them; there "total" is a string.
    return success(
        {"total": len(found), "account_id": account_id, "invoices": [tell(bill) for bill in page]}, texts=call.texts()
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
    bill = read_invoice(call, body, Kind.ESCROW if is_escrow else Kind.PURCHASE, unpaid=True)
    world.authorized[bill.invoice_id] = Authorized(bill.invoice_id, body, bill, is_escrow)
    answer: JsonObject = {"authorized_invoice_id": bill.invoice_id}
    if mechanism in (InvoiceMechanism.API, "direct"):
        return success({**answer, "password_token": f"user.{world.new_uuid()}"})
    nonce = world.new_uuid()
    url = f"https://web.staging.tilia-inc.com/ui/appauth/{nonce}"
    if mechanism == InvoiceMechanism.TILIA_HOSTED:
        # Inferred after the other hosted pages; the guide's sample is cut off.
        url = f"https://pub.staging.tilia-inc.com/{INTEGRATOR}/checkout/{nonce}"
    query = f"authorized_invoice_id={bill.invoice_id}&escrow={str(is_escrow).lower()}&integrator={INTEGRATOR}"
    return success({**answer, "nonce_auth_id": nonce, "redirect": f"{url}?{query}"})


def get_authorized(call: SandboxRequest) -> SandboxResponse:
    authorized = call.world.authorized.get(call.path["authorized_invoice_id"])
    if authorized is None:
        # Inferred: the number of this status cannot be read on the page.
        return not_found("authorized_invoice_id")
    bill = authorized.bill
    return success(
        {
            # A list here, although the invoice itself has a map.
            "line_items": [authorized_item(call.world, bill, item, order) for order, item in enumerate(bill.items)],
            "line_items_total": bill.total,
            "line_items_currency": bill.currency,
            "display_amount": display(call.world, bill.total, bill.currency),
            "reference_type": bill.wording.reference_type,
            "reference_id": bill.wording.reference_id,
            "description": bill.wording.description,
            "metadata": bill.wording.metadata,
            "is_escrow": authorized.is_escrow,
            "is_virtual": bill.virtual,
        }
    )


def draft(call: SandboxRequest, kind: Kind) -> SandboxInvoice:
    """Draft an open invoice.

    It is made of the body or of what was authorized, with the payment methods of the body.

    Raises:
        Refused: Tilia would refuse it; 400: there is no such authorized invoice for this, or it was used before.
    """
    world, body = call.world, call.json()
    authorized_id = body.get("authorized_invoice_id")
    if authorized_id is None:
        return world.bills.add(read_invoice(call, body, kind))
    authorized = world.authorized.get(str(authorized_id))
    problem = "not found" if authorized is None else _unusable(authorized, kind)
    if authorized is None or problem:
        raise ErrorResponse(invalid({"authorized_invoice_id": [problem]}))
    metadata: JsonObject = {"authorized_invoice_id": authorized.invoice_id}
    asked: JsonObject = {"metadata": metadata, **authorized.asked, "payment_methods": body.get("payment_methods")}
    bill = world.bills.add(read_invoice(call, asked, kind))
    # Only now: what is refused uses nothing up.
    authorized.used = True
    return bill


def charge(call: SandboxRequest, bill: SandboxInvoice, then: Iterable[Movement] = ()) -> None:
    """Charge the buyer, and move the money.

    Makes the movements that follow from it: all together, or the invoice fails. Notifies.

    Raises:
        Refused: 403. That the invoice ends as FAILED, and cannot be paid any more, is inferred.
    """
    world = call.world
    if not bill.chosen:
        bill.payments = draw_tokens(world, bill)
    too_much = any(over_card_limit(each.method, each.amount, bill.currency) for each in bill.payments)
    state = InvoiceState.FAILED
    if bill.payments and not too_much:
        with contextlib.suppress(OverdrawnError):
            world.ledger.move((*bill.charge(), *then))
            state = InvoiceState.SUCCESS
    world.bills.settle(bill, state, world.clock.now())
    notify(world, bill)
    if state is InvoiceState.FAILED:
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
