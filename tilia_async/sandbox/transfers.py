"""Balance transfers (fact sheet "money", A8).

The server looks after their ``Idempotency-Key``.
"""

from __future__ import annotations

import attrs

from tilia_async import event_names
from tilia_async.api import transfers
from tilia_async.json_value import JsonObject
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.transfers import TransferStatus
from tilia_async.sandbox.account_guards import refuse_blocked
from tilia_async.sandbox.fields import MOST, Fields
from tilia_async.sandbox.invoice_json import notify as notify_invoice
from tilia_async.sandbox.requests import Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, success
from tilia_async.sandbox.state.invoices import Kind, LineItem, Recipient, Reference
from tilia_async.sandbox.state.wallets import Movement, OverdrawnError, SandboxWallet
from tilia_async.sandbox.world import World


@attrs.frozen
class _Move:
    """An item of a transfer."""

    source: SandboxWallet
    destination: SandboxWallet
    amount: int
    kind: str
    description: str


def create(call: SandboxRequest) -> SandboxResponse:
    fields, world = Fields(call.json()), call.world
    account_id = fields.required("account_id")
    # Which types are set up for a publisher is not known, so any will do; that is inferred.
    transfer_type = fields.required("balance_transfer_type", longest=255)
    parts, reference = fields.parts("transfer_items"), _reference(fields)
    if not parts:
        fields.refuse("transfer_items", "is required")
    if account_id not in world.accounts.users and account_id != world.publisher.account_id:
        fields.refuse("account_id", "account not found")
    moves = [move for part in parts if (move := _move(world, part, account_id)) is not None]
    if sum(move.amount for move in moves) > MOST:
        fields.refuse("transfer_items", f"must be at most {MOST} together")
    fields.check()
    owners = (wallet.account_id for move in moves for wallet in (move.source, move.destination))
    refuse_blocked(call, (account_id, *owners))
    try:
        world.wallets.move(Movement(move.source, move.destination, move.amount) for move in moves)
        status, reason = TransferStatus.EXECUTED, ""
    except OverdrawnError as error:
        # Inferred: that it is an answer, since the status FAILED is documented; and the text.
        status, reason = TransferStatus.FAILED, f"insufficient funds in wallet {error.wallet.wallet_id}"
    state = InvoiceState.SUCCESS if status is TransferStatus.EXECUTED else InvoiceState.FAILED
    items = [_line_item(world, move) for move in moves]
    invoice = world.invoices.add(
        world.new_invoice(Kind.TRANSFER, account_id, moves[0].source.currency, items, reference)
    )
    world.invoices.settle(invoice, state, world.clock.now())
    payload: JsonObject = {
        "account_id": account_id,
        "balance_transfer_id": world.new_id("bt"),
        "balance_transfer_type": transfer_type,
        "invoice_id": invoice.invoice_id,
        "reference_type": reference.reference_type,
        "reference_id": reference.reference_id,
        "description": reference.description,
        "status": status,
        "failure_reason": reason,
    }
    world.notify(event_names.TRANSFER, {**payload})
    notify_invoice(world, invoice)
    # Inferred: the page hides all of it but the first key; the rest is that of the notification.
    return success(payload, texts=call.texts())


ROUTES = (Route(transfers.CREATE, create),)


def _reference(fields: Fields) -> Reference:
    texts = {name: fields.text(name) for name in ("reference_type", "reference_id", "description")}
    return Reference(metadata=fields.value("metadata"), **texts)


def _move(world: World, part: Fields, account_id: str) -> _Move | None:
    """Return one item.

    None if it has problems, which are on record then.
    """
    amount, currency = part.amount(), part.currency()
    kind, description = part.text("transfer_item_type"), part.text("description")
    wallets = [_wallet(world, part, name, currency) for name in ("source_wallet_id", "destination_wallet_id")]
    source, destination = wallets
    if source is None or destination is None:
        return None
    if source is destination:
        part.refuse("destination_wallet_id", "must be another wallet")
    if account_id not in (source.account_id, destination.account_id):
        part.refuse("source_wallet_id", "source or destination must belong to the primary account")
    return _Move(source, destination, amount, kind, description)


def _wallet(world: World, part: Fields, name: str, currency: str) -> SandboxWallet | None:
    wallet_id = part.required(name)
    wallet = world.wallet(wallet_id)
    if wallet is None or wallet.account_id == world.tilia.account_id:
        # What lies with Tilia belongs to somebody: an escrow, a payout.
        part.refuse(name, f"wallet ({wallet_id}) not found")
        return None
    if wallet.currency != currency:
        part.refuse(name, f"does not hold {currency}")
    return wallet


def _line_item(world: World, move: _Move) -> LineItem:
    item = world.new_item(move.amount, move.source.currency, move.kind, Reference(description=move.description))
    item.recipients = (Recipient(world.new_uuid(), move.amount, 0, "", move.destination, Reference(), move.source),)
    return item
