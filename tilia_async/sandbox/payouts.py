"""Payouts (fact sheet "money", E).

They go on by themselves, as the sandbox's clock does.
"""

from __future__ import annotations

from tilia_async import event_names
from tilia_async.api import payouts
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.payouts import PayoutFlow, PayoutStatus
from tilia_async.money import Money
from tilia_async.sandbox.account_guards import account_of_path, refuse_blocked
from tilia_async.sandbox.fields import Fields
from tilia_async.sandbox.invoice_requests import usable_method
from tilia_async.sandbox.requests import ErrorResponse, Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, bare, error, not_found, rejected
from tilia_async.sandbox.state.escrows import SandboxPayout
from tilia_async.sandbox.state.invoices import Kind, Reference
from tilia_async.sandbox.state.wallets import Movement, OverdrawnError
from tilia_async.sandbox.transitions import CANCEL_PAYOUT, HELD, PAYOUT, REQUEST, Transition, by_itself
from tilia_async.sandbox.world import World

_BY_ITSELF = by_itself(PAYOUT)


def request(call: SandboxRequest) -> SandboxResponse:
    account, world, fields = account_of_path(call), call.world, Fields(call.json())
    ids = [fields.required(name) for name in ("source_payment_method_id", "destination_payment_method_id")]
    amount, currency = fields.amount(), fields.currency()
    fields.check()
    refuse_blocked(call, [account.account_id])
    if not account.kyc.payable:
        return error(403, "Disallowed from transacting")
    source, destination = (usable_method(call, each, account.account_id) for each in ids)
    if source.wallet is None or source.currency != currency or currency == world.settings.token_currency:
        # Inferred: tokens are converted first; Tilia may do both in one.
        fields.refuse("source_payment_method_id", f"must be a wallet that has {currency}")
    if "payout" not in destination.capabilities:
        fields.refuse("destination_payment_method_id", "must be a PayPal account")
    fields.check()
    if source.wallet is None:
        return rejected()
    try:
        world.wallets.move([Movement(source.wallet, world.tilia_wallet("payouts", currency), amount)])
    except OverdrawnError:
        return rejected()
    now = world.times.with_microseconds()
    payout = SandboxPayout(
        world.new_uuid(), world.new_uuid(), account.account_id, source.wallet, destination, amount, now, now,
        _moves_at(REQUEST, world.clock.now()), REQUEST.after,
    )  # fmt: skip
    world.payouts[payout.payout_status_id] = payout
    _record(world, payout, Kind.PAYOUT_ESCROW)
    # 201 is inferred after a third party's test; the operation takes 200 as well.
    return _answer(_to_json(payout), 201)


def list_of_account(call: SandboxRequest) -> SandboxResponse:
    account_id = call.path["account_id"]
    return _answer([_to_json(payout) for payout in call.world.payouts.values() if payout.account_id == account_id])


def get(call: SandboxRequest) -> SandboxResponse:
    return _answer(_to_json(_payout(call)))


def cancel(call: SandboxRequest) -> SandboxResponse:
    payout, world = _payout(call), call.world
    if payout.status not in CANCEL_PAYOUT.before:
        return error(400, f"payout is {payout.status}. the request is invalid")
    # Inferred: the user has the money back at once.
    world.wallets.move([Movement(world.tilia_wallet("payouts", payout.source.currency), payout.source, payout.amount)])
    payout.credit_status = "CANCELED"
    _go_on(world, payout, CANCEL_PAYOUT, world.clock.now())
    _record(world, payout, Kind.PAYOUT_REVERSE)
    # A list of one in the guide, and an object to those who read it in Unity.
    return _answer([_to_json(payout)] if call.coin() else _to_json(payout))


def hold(world: World, payout: SandboxPayout) -> None:
    """Keep a payout in escrow until it is cancelled.

    Raises:
        ValueError: its funds are not in escrow.
    """
    settle(world)
    if payout.status not in HELD.before:
        raise ValueError(f"only funds in escrow can be put on hold; the payout is {payout.status}")
    _go_on(world, payout, HELD, world.clock.now())


def settle(world: World) -> None:
    """Let all payouts go on.

    As far as the clock says.
    """
    for payout in world.payouts.values():
        while payout.moves_at is not None and payout.moves_at <= world.clock.now():
            _step(world, payout, payout.moves_at)


def finish(world: World, payout: SandboxPayout) -> None:
    """Let a payout go to its end at once.

    Whatever the clock says.
    """
    while payout.moves_at is not None:
        _step(world, payout, world.clock.now())


ROUTES = (
    Route(payouts.REQUEST, request),
    Route(payouts.LIST, list_of_account),
    Route(payouts.GET, get),
    Route(payouts.CANCEL, cancel),
)


def _step(world: World, payout: SandboxPayout, now: float) -> None:
    step = _BY_ITSELF[payout.status]
    _go_on(world, payout, step, now)
    if step.after is PayoutStatus.SUCCESS:
        world.wallets.move([Movement(world.tilia_wallet("payouts", payout.source.currency), None, payout.amount)])
        payout.credit_status = "EXECUTED"
        _record(world, payout, Kind.PAYOUT_EXECUTE)
    if payout.moves_at is not None:
        return
    world.notify(
        event_names.PAYOUT,
        {
            "failure_code": "",
            "failure_reason": "",
            "payout_flow": PayoutFlow.STANDARD,
            "payout_status": payout.status,
            "payout_status_id": payout.payout_status_id,
        },
    )


def _go_on(world: World, payout: SandboxPayout, step: Transition[PayoutStatus], now: float) -> None:
    payout.status, payout.moves_at = step.after, _moves_at(step, now)
    payout.updated = world.times.with_microseconds()


def _moves_at(step: Transition[PayoutStatus], now: float) -> float | None:
    return None if step.seconds is None else now + step.seconds


def _record(world: World, payout: SandboxPayout, kind: Kind) -> None:
    reference = Reference("invoicing.payout_status.id", payout.payout_status_id)
    world.record(kind, payout.account_id, Money(payout.amount, payout.source.currency), InvoiceState.SUCCESS, reference)


def _payout(call: SandboxRequest) -> SandboxPayout:
    payout = call.world.payouts.get(call.path["payout_status_id"])
    if payout is None or payout.account_id != call.path["account_id"]:
        raise ErrorResponse(not_found("payout"))
    return payout


def _answer(payload: JsonValue, status: int = 200) -> SandboxResponse:
    """Return an answer with the key ``messages``.

    The guides of this part spell it so.
    """
    return bare({"status": "Success", "messages": [], "codes": [], "payload": payload}, status)


def _to_json(payout: SandboxPayout) -> JsonObject:
    return {
        "payout_status_id": payout.payout_status_id,
        "credit_id": payout.credit_id,
        "account_id": payout.account_id,
        "status": payout.status,
        "payout_flow": PayoutFlow.STANDARD,
        "created": payout.created,
        "updated": payout.updated,
        "credit": {
            "destination_payment_method_id": payout.destination.id,
            "amount": payout.amount,
            "currency": payout.source.currency,
            "status": payout.credit_status,
        },
    }
