"""Escrows (fact sheet "money", D7).

While one is held, its money lies in a wallet of Tilia's.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from operator import attrgetter

import attrs

from tilia_async import event_names
from tilia_async.api import escrow
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
from tilia_async.sandbox.world import World


def create(call: SandboxRequest) -> SandboxResponse:
    world = call.world
    bill = draft(call, Kind.ESCROW)
    now, number = world.clock.now(), world.bills.next_number()
    deal = SandboxEscrow(world.new_id("esc"), bill, now, now, number, number)
    world.escrows[deal.escrow_id] = deal
    # Captured with an envelope; for all other operations only the bare object of the reference is known.
    return success(_to_json(world, deal, with_invoice=True), status=201)


def pay(call: SandboxRequest) -> SandboxResponse:
    deal = _escrow_of(call, EscrowStatus.OPEN)
    refuse_blocked(call, (deal.escrow.account_id, *deal.escrow.recipients))
    try:
        charge(call, deal.escrow)
    except ErrorResponse:
        _settle(call.world, deal, EscrowStatus.ESCROW_FAILED)
        raise
    _settle(call.world, deal, EscrowStatus.ESCROWED)
    return bare(_to_json(call.world, deal, with_invoice=True))


def commit(call: SandboxRequest) -> SandboxResponse:
    deal, world = _escrow_of(call, EscrowStatus.ESCROWED), call.world
    held = deal.escrow
    refuse_blocked(call, (held.account_id, *held.recipients))
    publisher = world.publisher_wallet(held.currency)
    out_of_escrow = Movement(held.into, publisher, held.total)
    _release(world, deal, [out_of_escrow, *held.distribute(publisher)], EscrowStatus.COMMIT_FAILED)
    deal.commit = _follow_up(world, deal, Kind.COMMIT)
    _settle(world, deal, EscrowStatus.COMMITTED)
    notify_invoice(world, deal.commit)
    return bare(_to_json(world, deal))


def cancel(call: SandboxRequest) -> SandboxResponse:
    deal, world = _escrow_of(call, EscrowStatus.ESCROWED), call.world
    _release(world, deal, deal.escrow.give_back(), EscrowStatus.CANCEL_FAILED)
    deal.cancel = _follow_up(world, deal, Kind.CANCEL)
    _settle(world, deal, EscrowStatus.CANCELLED)
    return bare(_to_json(world, deal))


def get(call: SandboxRequest) -> SandboxResponse:
    return bare(_to_json(call.world, _escrow_of(call)))


def find_by_invoice(call: SandboxRequest) -> SandboxResponse:
    invoice_id = call.path["invoice_id"]
    for deal in call.world.escrows.values():
        if any(bill.invoice_id == invoice_id for bill in deal.bills):
            return bare(_to_json(call.world, deal))
    return not_found("escrow")


def list_by_reference(call: SandboxRequest) -> SandboxResponse:
    reference_id = call.path["reference_id"]
    statuses = {word for word in call.query.get("status", "").split(",") if word}
    found = [
        deal
        for deal in call.world.escrows.values()
        if deal.escrow.wording.reference_id == reference_id and (not statuses or deal.status in statuses)
    ]
    page = page_of(call, found, "sortField", {"created": attrgetter("number"), "updated": attrgetter("turn")})
    tell = partial(_to_json, call.world)
    return bare(
        {
            # A string in the reference's sample; whose account it names is inferred: that of the newest.
            "total": str(len(found)),
            "account_id": found[-1].escrow.account_id if found else "",
            "escrow_transactions": [tell(deal) for deal in page],
        }
    )


ROUTES = (
    Route(escrow.CREATE, create, other_bodies=(PayAuthorizedBody,)),
    Route(escrow.PAY, pay),
    Route(escrow.COMMIT, commit),
    Route(escrow.CANCEL, cancel),
    Route(escrow.GET, get),
    Route(escrow.FIND_BY_INVOICE, find_by_invoice),
    Route(escrow.LIST_BY_REFERENCE, list_by_reference),
)


def _escrow_of(call: SandboxRequest, wanted: EscrowStatus | None = None) -> SandboxEscrow:
    deal = call.world.escrows.get(call.path["escrow_id"])
    if deal is None:
        raise ErrorResponse(not_found("escrow"))
    if wanted is not None and deal.status is not wanted:
        raise ErrorResponse(error(400, f"escrow transaction is {deal.status}, not {wanted}. the request is invalid"))
    return deal


def _release(world: World, deal: SandboxEscrow, movements: Iterable[Movement], failed: EscrowStatus) -> None:
    """Move what is held, all of it or nothing.

    Raises:
        Refused: 403: it is not there. That the escrow ends in the failed status is inferred.
    """
    try:
        world.ledger.move(movements)
    except OverdrawnError:
        _settle(world, deal, failed)
        raise ErrorResponse(rejected()) from None


def _follow_up(world: World, deal: SandboxEscrow, kind: Kind) -> SandboxInvoice:
    """Make the invoice that moves the held money on.

    What becomes of the money; its line items are its own.
    """
    held = deal.escrow
    items = [attrs.evolve(item, line_item_id=world.new_uuid()) for item in held.items]
    bill = world.bills.add(world.new_bill(kind, held.account_id, held.currency, items, held.wording))
    world.bills.settle(bill, InvoiceState.SUCCESS, world.clock.now())
    return bill


def _settle(world: World, deal: SandboxEscrow, status: EscrowStatus) -> None:
    deal.status, deal.updated, deal.turn = status, world.clock.now(), world.bills.next_number()
    message = _to_json(world, deal)
    world.notify(event_names.ESCROW, message)


def _to_json(world: World, deal: SandboxEscrow, *, with_invoice: bool = False) -> JsonObject:
    to_json: JsonObject = {
        "id": deal.escrow_id,
        "account_id": deal.escrow.account_id,
        "escrow_invoice_id": deal.escrow.invoice_id,
        "commit_invoice_id": "" if deal.commit is None else deal.commit.invoice_id,
        "cancel_invoice_id": "" if deal.cancel is None else deal.cancel.invoice_id,
        "status": deal.status,
        "integrator": INTEGRATOR,
        "created": world.clock.rfc3339(deal.created),
        "updated": world.clock.rfc3339(deal.updated),
    }
    if with_invoice:
        to_json["escrow_invoice"] = invoice_to_json(world, deal.escrow, clock=world.clock)
    return to_json
