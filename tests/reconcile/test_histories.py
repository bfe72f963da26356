"""Made-up histories of a publisher's writes, with clocks that differ, against what ``reconcile`` makes of them."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import attrs
from hypothesis import given
from hypothesis import strategies as st

from tilia_async import Reconciliation, Response, Verdict, errors
from tilia_async.api import OPERATIONS
from tilia_async.call_record import AttemptRecord, CallRecord
from tilia_async.reconcile import reconciler
from tilia_async.transport.requestor import Requestor
from tilia_async.wire.codec import decode

REFERENCE: dict[str, dict[str, str]] = {
    "invoices.create": {"account_id": "acct_1", "reference_type": "order", "reference_id": "order-7"},
    "escrow.create": {"account_id": "acct_1", "reference_id": "order-7"},
    "transfers.create": {"account_id": "acct_1", "reference_id": "order-7", "idempotency_key": "key"},
    "accounts.register": {"username": "nyx"},
    "payouts.request": {
        "account_id": "acct_1", "destination_payment_method_id": "pm_2", "amount": "500", "currency": "USD",
    },
    "refunds.refund_line_item": {"line_item_id": "li_1", "amount": "500", "invoice_id": "inv_1"},
    "refunds.refund_invoice": {"invoice_id": "inv_1"},
    "invoices.pay": {"invoice_id": "inv_1"},
    "escrow.commit": {"escrow_id": "esc_1"},
    "token_exchanges.execute_purchase": {"token_exchange_id": "vtok_1"},
}  # fmt: skip
ONCE = {"invoices.pay", "escrow.commit", "token_exchanges.execute_purchase", "accounts.register"}
"""Deeds that the first one does and nobody can do again."""


@attrs.frozen
class Did:
    """A write that took effect.

    Attributes:
        mine: it is the one that is asked about.
        at: when, in seconds after the beginning of the call.
        form: in how many parts, in which currency, and where it is listed.
    """

    mine: bool
    at: float
    form: int


@attrs.frozen
class World:
    """A history, and how the clocks go, in seconds.

    Attributes:
        name: of the operation.
        writes: what took effect.
        lasted: how long the call took.
        asked: when it is reconciled, after the call's beginning.
        date_ahead: the clock of the header ``Date``, against ours.
        dated_ahead: the clock that dates things, against ours or against the one before.
        zone: in hours, of times that do not tell it.
        lag: by how much the look-up is behind.
        ascending: the server knows another order than asked for.
    """

    name: str
    writes: tuple[Did, ...]
    lasted: float
    asked: float
    date_ahead: float
    dated_ahead: float
    zone: float
    lag: float
    ascending: bool

    def visible(self) -> list[Did]:
        seen = [did for did in self.writes if did.at <= self.asked - self.lag]
        if self.name in ONCE:
            seen = sorted(seen, key=lambda did: did.at)[:1]
        return sorted(seen, key=lambda did: did.at, reverse=not self.ascending)

    def mine(self) -> bool:
        """True if the write that is asked about took effect."""
        done = sorted(self.writes, key=lambda did: did.at)
        return any(did.mine for did in (done[:1] if self.name in ONCE else done))


seconds = st.floats(-400, 400) | st.floats(-70, 70)
forms = st.integers(0, 6)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    name = draw(st.sampled_from(sorted(REFERENCE)))
    lasted, asked = draw(st.floats(0, 30)), draw(st.floats(0, 600))
    # The same id of the caller's own is used again by nobody who comes later; see the docstring of ``since``.
    latest = 0.0 if "reference_id" in REFERENCE[name] else 400.0
    others = draw(st.lists(seconds.filter(lambda at: at <= latest), max_size=3))
    writes = [Did(False, at, draw(forms)) for at in others]
    if draw(st.booleans()):
        # A request under way commits within two minutes of the call's end.
        writes.append(Did(True, draw(st.floats(0, lasted + 119)), draw(forms)))
    date_ahead = draw(st.floats(-70, 70) | st.floats(-4000, 4000))
    near = draw(st.sampled_from([0.0, date_ahead]))
    return World(
        name, tuple(writes), lasted, max(asked, lasted), date_ahead, near + draw(st.floats(-60, 60)),
        draw(st.sampled_from([0, 0, -8, 5.5, 13])), draw(st.sampled_from([0, 0, 1, 30, 60])), draw(st.booleans()),
    )  # fmt: skip


@attrs.frozen
class Teller:
    """Tells what is seen, by Tilia's clocks."""

    world: World
    began: datetime

    def zoned(self, did: Did) -> str:
        return (self.began + timedelta(seconds=did.at + self.world.dated_ahead)).isoformat()

    def unzoned(self, did: Did) -> str:
        at = self.began + timedelta(seconds=did.at + self.world.dated_ahead, hours=self.world.zone)
        return f"{at:%Y-%m-%d %H:%M:%S}"

    def invoices(self, seen: list[Did]) -> object:
        told = [
            {
                "invoice_id": f"inv{number}", "account_id": "acct_1", "state": "SUCCESS", "created": self.zoned(did),
                "reference_id": "order-7", "reference_type": "order" if did.form % 2 else "",
            }
            for number, did in enumerate(seen)
        ]  # fmt: skip
        return {"total": len(told), "invoices": told}

    def escrows(self, seen: list[Did]) -> object:
        told = [{"id": f"esc{n}", "account_id": "acct_1", "created": self.zoned(did)} for n, did in enumerate(seen)]
        return {"total": str(len(told)), "escrow_transactions": told}

    def account(self, seen: list[Did]) -> object:
        return {"account_id": "acct_1", "username": "nyx", "created": self.zoned(seen[0])} if seen else None

    def payouts(self, seen: list[Did]) -> object:
        of_credits: list[dict[str, object] | None] = [
            {"amount": 500, "currency": "USD"}, {"amount": 462, "currency": "EUR"}, None,
            {"amount": 480, "fee_amount": 20, "currency": "USD"}, {"amount": 250, "currency": "USD"},
            {"destination_payment_method_id": ""}, {"amount": 500},
        ]  # fmt: skip
        told: list[dict[str, object]] = []
        for number, did in enumerate(seen):
            credit = of_credits[did.form]
            whole = None if credit is None else {"destination_payment_method_id": "pm_2", **credit}
            made = {"payout_status_id": f"pay{number}", "account_id": "acct_1", "created": self.unzoned(did)}
            told.append({**made, "credit": whole})
        return told

    def refunds(self, seen: list[Did]) -> object:
        payments: dict[str, object] = {}
        by_id: dict[str, object] = {}
        by_item: dict[str, object] = {}
        invoices: list[str] = []
        for number, did in enumerate(seen):
            key = f"{number}"
            refund = {"refund_id": key, "amount": 500, "currency": "USD", "created": self.unzoned(did)}
            match did.form:
                case 0:
                    payments[key] = {"refunds": [refund]}
                case 1:
                    by_id[key] = {**refund, "amount": 462, "currency": "EUR"}
                case 2:
                    by_item[f"li_{number}"] = [refund]
                case 3:
                    invoices.append(f"inv{number}")
                case 4:
                    by_id[key] = {**refund, "status": "PENDING"}
                case 5:
                    by_item[f"li_{number}"] = 500
                case _:
                    payments[key] = {"state": "REFUNDED"}
        return {
            "invoice_id": "inv_1", "is_fully_refunded": False, "refund_invoice_ids": invoices, "payments": payments,
            "refunds": by_id, "line_item_refunds": by_item,
        }  # fmt: skip

    def told(self) -> object:
        """Answer to the look-up."""
        seen = self.world.visible()
        return {
            "invoices.create": self.invoices,
            "transfers.create": self.invoices,
            "escrow.create": self.escrows,
            "accounts.register": self.account,
            "payouts.request": self.payouts,
            "refunds.refund_invoice": self.refunds,
            "refunds.refund_line_item": self.refunds,
            "invoices.pay": lambda seen: {"invoice_id": "inv_1", "state": "SUCCESS" if seen else "OPEN"},
            "escrow.commit": lambda seen: {"id": "esc_1", "status": "COMMITTED" if seen else "ESCROWED"},
            "token_exchanges.execute_purchase": lambda seen: {
                "token_exchange_id": "vtok_1",
                "status": "SUCCESS" if seen else "OPEN",
            },
        }[self.world.name](seen)


def lost(world: World, began: datetime) -> errors.OutcomeUnknownError:
    error = errors.OutcomeUnknownError(
        "no answer", operation=world.name, took_effect=None, reference=REFERENCE[world.name]
    )
    attempt = AttemptRecord(0.0, world.lasted, True, 1, "no answer", None, "nothing more")
    error.call = CallRecord(world.name, "", began, world.lasted, 30.0, (attempt,))
    return error


def told(world: World, since: float | None) -> tuple[Reconciliation, datetime]:
    """Reconcile now, and return the result and when the call began."""
    began = datetime.now(UTC) - timedelta(seconds=world.asked)

    async def value(self: object, operation: Any, *, details: list[Response[Any]], **_: object) -> Any:
        payload: Any = Teller(world, began).told()
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=world.date_ahead), usegmt=True)
        if payload is None:
            raise errors.NotFoundError(status=404, operation=operation.name, codes=("ACCOUNT_NOT_FOUND",))
        details.append(Response(decode(payload, operation.returns), payload, 200, {"Date": date}, 1, 0.0))
        return details[-1].value

    caller: Any = SimpleNamespace(
        environment=None, pool=None, tokens=None, timeout=30.0, retry=None, corrected={}, begun=False, observers=()
    )
    caller.under_way = lambda _operation: nullcontext(caller)
    with patch.object(Requestor, "value", value):
        found = asyncio.run(
            reconciler.reconcile(
                caller,
                lost(world, began),
                reference=None,
                since=None if since is None else began - timedelta(seconds=since),
                options=None,
            )
        )
    return found, began


@given(worlds(), st.sampled_from([None, None, 0, 60, 500]))
def test_it_never_claims_what_is_not_so(world: World, since: float | None) -> None:
    assert world.name in OPERATIONS
    found, began = told(world, since)
    visible = any(did.mine for did in world.visible())
    if found.verdict is Verdict.TOOK_EFFECT:
        # With an earlier ``since`` the caller says that nobody used the reference_id from then on.
        promised = since is None or not any(-since < did.at and not did.mine for did in world.writes)
        assert world.mine() or not promised, found
    if visible:
        assert found.verdict in {Verdict.CANNOT_BE_KNOWN, Verdict.TOOK_EFFECT}, found
        assert found.candidates or found.resource, found
    if found.verdict is Verdict.NOT_SEEN:
        is_final = found.decide_from is not None and found.decide_from <= found.checked_at
        assert not (is_final and world.mine()), found
        assert is_final == ("can be taken to have no effect" in found.reason)
        assert not found.done
    if found.done:
        assert world.writes, found
    assert found.verdict is not Verdict.NO_EFFECT
    assert "again" in found.reason or "another" in found.reason, found.reason
    assert began < found.checked_at


def test_the_histories_can_tell() -> None:
    """A world in which each verdict is right gets it."""
    plain = World("invoices.create", (), 1.0, 300.0, 0.0, 0.0, 0, 0, False)
    mine, older = Did(True, 1.0, 0), Did(False, -300.0, 0)
    assert told(plain, None)[0].verdict is Verdict.NOT_SEEN
    assert told(attrs.evolve(plain, writes=(older,)), None)[0].verdict is Verdict.NOT_SEEN
    assert told(attrs.evolve(plain, writes=(mine,)), None)[0].verdict is Verdict.CANNOT_BE_KNOWN
    assert told(attrs.evolve(plain, writes=(mine, older)), 100)[0].verdict is Verdict.TOOK_EFFECT
