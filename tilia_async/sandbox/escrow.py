"""Escrows (fact sheet "money", D7).

While one is held, its money lies in a wallet of Tilia's.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from operator import attrgetter

import attrs

from tilia_async import event_names
from tilia_async.api import escrow as escrow_api
from tilia_async.json_value import JsonObject
from tilia_async.models.escrow import EscrowStatus
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.requests import PayAuthorizedBody
from tilia_async.sandbox.account_guards import refuse_blocked
from tilia_async.sandbox.invoice_json import notify as notify_invoice
from tilia_async.sandbox.invoice_json import to_json as invoice_to_json
from tilia_async.sandbox.invoices import charge, draft
from tilia_async.sandbox.paging import page_of
from tilia_async.sandbox.requests import ErrorResponse, Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, bare, error, not_found, rejected, success
from tilia_async.sandbox.state.accounts import INTEGRATOR
from tilia_async.sandbox.state.escrows import SandboxEscrow
from tilia_async.sandbox.state.invoices import Kind, SandboxInvoice
from tilia_async.sandbox.state.wallets import Movement, OverdrawnError
from tilia_async.sandbox.transitions import CANCEL, COMMIT, PAY_ESCROW, Transition
from tilia_async.sandbox.world import World


def create(call: SandboxRequest) -> SandboxResponse:
    world = call.world
    invoice = draft(call, Kind.ESCROW)
    now, number = world.clock.now(), world.invoices.next_number()
    escrow = SandboxEscrow(world.new_id("esc"), invoice, now, now, number, number)
    world.escrows[escrow.escrow_id] = escrow
    # Captured with an envelope; for all other operations only the bare object of the reference is known.
    return success(_to_json(world, escrow, with_invoice=True), status=201)


def pay(call: SandboxRequest) -> SandboxResponse:
    escrow = _escrow_of(call, PAY_ESCROW)
    refuse_blocked(call, (escrow.escrow_invoice.account_id, *escrow.escrow_invoice.recipient_ids))
    try:
        charge(call, escrow.escrow_invoice)
    except ErrorResponse:
        _fail(call.world, escrow, PAY_ESCROW)
        raise
    _settle(call.world, escrow, PAY_ESCROW.after)
    return bare(_to_json(call.world, escrow, with_invoice=True))


def commit(call: SandboxRequest) -> SandboxResponse:
    escrow, world = _escrow_of(call, COMMIT), call.world
    held = escrow.escrow_invoice
    refuse_blocked(call, (held.account_id, *held.recipient_ids))
    publisher = world.publisher_wallet(held.currency)
    out_of_escrow = Movement(held.into, publisher, held.total)
    _release(world, escrow, [out_of_escrow, *held.distribute(publisher)], COMMIT)
    escrow.commit_invoice = _follow_up(world, escrow, Kind.COMMIT)
    _settle(world, escrow, COMMIT.after)
    notify_invoice(world, escrow.commit_invoice)
    return bare(_to_json(world, escrow))


def cancel(call: SandboxRequest) -> SandboxResponse:
    escrow, world = _escrow_of(call, CANCEL), call.world
    _release(world, escrow, escrow.escrow_invoice.give_back(), CANCEL)
    escrow.cancel_invoice = _follow_up(world, escrow, Kind.CANCEL)
    _settle(world, escrow, CANCEL.after)
    return bare(_to_json(world, escrow))


def get(call: SandboxRequest) -> SandboxResponse:
    return bare(_to_json(call.world, _escrow_of(call)))


def find_by_invoice(call: SandboxRequest) -> SandboxResponse:
    invoice_id = call.path["invoice_id"]
    for escrow in call.world.escrows.values():
        if any(invoice.invoice_id == invoice_id for invoice in escrow.invoices):
            return bare(_to_json(call.world, escrow))
    return not_found("escrow")


def list_by_reference(call: SandboxRequest) -> SandboxResponse:
    reference_id = call.path["reference_id"]
    statuses = {word for word in call.query.get("status", "").split(",") if word}
    found = [
        escrow
        for escrow in call.world.escrows.values()
        if escrow.escrow_invoice.reference.reference_id == reference_id and (not statuses or escrow.status in statuses)
    ]
    page = page_of(call, found, "sortField", {"created": attrgetter("number"), "updated": attrgetter("turn")})
    shown = partial(_to_json, call.world)
    return bare(
        {
            # A string in the reference's sample; whose account it names is inferred: that of the newest.
            "total": str(len(found)),
            "account_id": found[-1].escrow_invoice.account_id if found else "",
            "escrow_transactions": [shown(escrow) for escrow in page],
        }
    )


ROUTES = (
    Route(escrow_api.CREATE, create, other_bodies=(PayAuthorizedBody,)),
    Route(escrow_api.PAY, pay),
    Route(escrow_api.COMMIT, commit),
    Route(escrow_api.CANCEL, cancel),
    Route(escrow_api.GET, get),
    Route(escrow_api.FIND_BY_INVOICE, find_by_invoice),
    Route(escrow_api.LIST_BY_REFERENCE, list_by_reference),
)


def _escrow_of(call: SandboxRequest, step: Transition[EscrowStatus] | None = None) -> SandboxEscrow:
    escrow = call.world.escrows.get(call.path["escrow_id"])
    if escrow is None:
        raise ErrorResponse(not_found("escrow"))
    if step is not None and escrow.status not in step.before:
        wanted = " or ".join(step.before)
        raise ErrorResponse(error(400, f"escrow transaction is {escrow.status}, not {wanted}. the request is invalid"))
    return escrow


def _release(
    world: World, escrow: SandboxEscrow, movements: Iterable[Movement], step: Transition[EscrowStatus]
) -> None:
    """Move what is held, all of it or nothing.

    Raises:
        ErrorResponse: 403: it is not there. That the escrow ends in the failed status is inferred.
    """
    try:
        world.wallets.move(movements)
    except OverdrawnError:
        _fail(world, escrow, step)
        raise ErrorResponse(rejected()) from None


def _follow_up(world: World, escrow: SandboxEscrow, kind: Kind) -> SandboxInvoice:
    """Make the invoice that moves the held money on.

    What becomes of the money; its line items are its own.
    """
    held = escrow.escrow_invoice
    items = [attrs.evolve(item, line_item_id=world.new_uuid()) for item in held.items]
    invoice = world.invoices.add(world.new_invoice(kind, held.account_id, held.currency, items, held.reference))
    world.invoices.settle(invoice, InvoiceState.SUCCESS, world.clock.now())
    return invoice


def _fail(world: World, escrow: SandboxEscrow, step: Transition[EscrowStatus]) -> None:
    if step.failed is not None:
        _settle(world, escrow, step.failed)


def _settle(world: World, escrow: SandboxEscrow, status: EscrowStatus) -> None:
    escrow.status, escrow.updated, escrow.turn = status, world.clock.now(), world.invoices.next_number()
    message = _to_json(world, escrow)
    world.notify(event_names.ESCROW, message)


def _to_json(world: World, escrow: SandboxEscrow, *, with_invoice: bool = False) -> JsonObject:
    payload: JsonObject = {
        "id": escrow.escrow_id,
        "account_id": escrow.escrow_invoice.account_id,
        "escrow_invoice_id": escrow.escrow_invoice.invoice_id,
        "commit_invoice_id": "" if escrow.commit_invoice is None else escrow.commit_invoice.invoice_id,
        "cancel_invoice_id": "" if escrow.cancel_invoice is None else escrow.cancel_invoice.invoice_id,
        "status": escrow.status,
        "integrator": INTEGRATOR,
        "created": world.times.rfc3339(escrow.created),
        "updated": world.times.rfc3339(escrow.updated),
    }
    if with_invoice:
        payload["escrow_invoice"] = invoice_to_json(world, escrow.escrow_invoice, real_times=True)
    return payload
