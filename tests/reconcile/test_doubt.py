"""Answers that could mislead: in doubt ``reconcile`` says doubt, and what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import attrs
import pytest
import pytest_asyncio
from support.lying import Liar, Lie, liar, lost, unzoned, when, zoned

from tilia_async import LineItem, Money, Reconciliation, TiliaClient, TransferItem, Verdict, errors
from tilia_async.api import OPERATIONS
from tilia_async.models.escrow import EscrowStatus
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.payouts import PayoutStatus
from tilia_async.models.token_exchanges import ExchangeStatus

SWORD = LineItem(amount=Money(200, "TOK"), transaction_type="user_to_integrator")
MOVE = TransferItem(source_wallet_id="wal_1", destination_wallet_id="wal_2", amount=1, currency="USD")
CANNOT, NOT_SEEN, TOOK_EFFECT = Verdict.CANNOT_BE_KNOWN, Verdict.NOT_SEEN, Verdict.TOOK_EFFECT
DAY = 86_400


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Liar]:
    async with liar() as running:
        yield running


Write = Callable[[TiliaClient], Awaitable[object]]

WRITES: dict[str, Write] = {
    "accounts.register": lambda t: t.accounts.register("nyx", email="nyx@mail.example"),
    "accounts.block": lambda t: t.accounts.block("acct_1"),
    "accounts.unblock": lambda t: t.accounts.unblock("acct_1"),
    "accounts.block_capability": lambda t: t.accounts.block_capability("acct_1"),
    "accounts.merge": lambda t: t.accounts.merge("acct_1", "acct_2"),
    "payment_methods.create_custom_wallet": lambda t: t.payment_methods.create_custom_wallet("acct_1", "hosted"),
    "token_exchanges.execute_purchase": lambda t: t.token_exchanges.execute_purchase("vtok_1"),
    "token_exchanges.execute_conversion": lambda t: t.token_exchanges.execute_conversion("vtok_1"),
    "invoices.create": lambda t: t.invoices.create("acct_1", [SWORD], reference_type="order", reference_id="order-7"),
    "invoices.pay": lambda t: t.invoices.pay("inv_1"),
    "escrow.create": lambda t: t.escrow.create("acct_1", [SWORD], reference_id="order-7"),
    "escrow.pay": lambda t: t.escrow.pay("esc_1"),
    "escrow.commit": lambda t: t.escrow.commit("esc_1"),
    "escrow.cancel": lambda t: t.escrow.cancel("esc_1"),
    "refunds.refund_invoice": lambda t: t.refunds.refund_invoice("inv_1", "billing"),
    "refunds.refund_line_item": lambda t: t.refunds.refund_line_item("li_1", Money(100, "USD"), ["pm_1"], "billing"),
    "payouts.request": lambda t: t.payouts.request("acct_1", "pm_1", "pm_2", Money(500, "USD")),
    "payouts.cancel": lambda t: t.payouts.cancel("acct_1", "pay_1"),
    "transfers.create": lambda t: t.transfers.create("acct_1", "fund_user", [MOVE], reference_id="order-7"),
}
"""All writes that are looked up."""


async def told(server: Liar, name: str, **settings: object) -> Reconciliation:
    """What is told of a write whose answer is lost."""
    if name == "refunds.refund_line_item":
        settings = {"reference": {"invoice_id": "inv_1"}, **settings}
    found = await server.tilia.reconcile(await lost(WRITES[name](server.tilia)), **settings)
    assert server.asked, "it looked nowhere"
    if found.verdict is NOT_SEEN:
        assert found.decide_from is None or found.decide_from > found.checked_at + timedelta(minutes=2)
        assert "can be taken to have no effect" not in found.reason
        assert not found.done
    assert found.verdict is not TOOK_EFFECT or found.done
    return found


# Refunds


def refund(**fields: object) -> dict[str, object]:
    """The sheet's own sample (D8): 100 USD of a line item, paid with a card in euros."""
    told = {
        "refund_id": "daa77f1b", "refund_invoice_id": "inv_2", "payment_id": "5b942db2", "amount": 95,
        "currency": "EUR", "refund_type": "line_item_refund", "reason": "billing", "status": "REFUND-SUCCESS",
        "line_item_id": "li_1", "created": unzoned(0), "updated": unzoned(0),
    }  # fmt: skip
    return {**told, **fields}


def refunds(*listed: object, state: object = "CAPTURED", **fields: object) -> dict[str, object]:
    payment = {
        "payment_id": "5b942db2", "invoice_id": "inv_1", "state": state, "request_amount": 100,
        "request_currency": "USD", "refunds": list(listed),
    }  # fmt: skip
    told = {"invoice_id": "inv_1", "is_fully_refunded": False, "refund_invoice_ids": [], "refunds": {}}
    return {**told, "payments": {"5b942db2": payment}, "line_item_refunds": {}, **fields}


LISTED_REFUNDS: dict[str, Callable[[], object]] = {
    "in another currency": lambda: refunds(refund()),
    "net of a fee": lambda: refunds(refund(amount=97, currency="USD")),
    "split": lambda: refunds(refund(amount=60, currency="USD"), refund(refund_id="2", amount=40, currency="USD")),
    "split over payments": lambda: refunds(
        refund(amount=60), payments={"a": {"refunds": [refund(amount=40)]}, "b": {}}
    ),
    "of another line item": lambda: refunds(refund(line_item_id="li_9")),
    "of no line item": lambda: refunds(refund(line_item_id=None)),
    "of an empty line item": lambda: refunds(refund(line_item_id="")),
    "of the whole": lambda: refunds(refund(refund_type="full_refund", line_item_id="")),
    "pending": lambda: refunds(refund(status="REFUND-PENDING")),
    "failed": lambda: refunds(refund(status="REFUND-FAILED")),
    "without an amount": lambda: refunds(refund(amount=None, currency=None)),
    "with an amount that is none": lambda: refunds(refund(amount=0.95)),
    "without a time": lambda: refunds(refund(created=None)),
    "at the zero time": lambda: refunds(refund(created="0001-01-01T00:00:00Z")),
    "by a clock in California": lambda: refunds(refund(created=unzoned(0, hours_from_utc=-8))),
    "by a clock in New Zealand": lambda: refunds(refund(created=unzoned(0, hours_from_utc=13))),
    "by a clock that is a minute late": lambda: refunds(refund(created=zoned(-58))),
    "on today's date": lambda: refunds(refund(created=f"{when(0):%Y-%m-%d}")),
    "at the top": lambda: refunds(refunds={"daa77f1b": refund()}),
    "at the top, as a list": lambda: refunds(refunds=[refund()]),
    "among line items": lambda: refunds(line_item_refunds={"daa77f1b": refund()}),
    "among line items, by item": lambda: refunds(line_item_refunds={"li_1": [refund()]}),
    "among line items, by item and id": lambda: refunds(line_item_refunds={"li_1": {"daa77f1b": refund()}}),
    "among line items, without its id": lambda: refunds(line_item_refunds={"li_1": {"amount": 95}}),
    "among line items, as a number": lambda: refunds(line_item_refunds={"li_1": 95}),
    "at the top, as an id": lambda: refunds(refunds=["daa77f1b"]),
    "at the top, as nothing": lambda: refunds(refunds={"daa77f1b": {}}),
    "under a name that nobody knows": lambda: refunds(pending=[refund()]),
    "only as an invoice": lambda: refunds(refund_invoice_ids=["inv_2"]),
    "only as a payment's state": lambda: refunds(state="REFUNDED"),
    "as the whole": lambda: refunds(is_fully_refunded=True),
    "as nobody knows": lambda: refunds(is_fully_refunded=None),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["refunds.refund_line_item", "refunds.refund_invoice"])
@pytest.mark.parametrize("how", LISTED_REFUNDS)
async def test_whatever_could_be_the_refund_is_a_candidate(server: Liar, name: str, how: str) -> None:
    server.say(LISTED_REFUNDS[how]())
    found = await told(server, name)
    assert (found.verdict, found.done) == (CANNOT, how == "as the whole"), found.reason
    assert found.candidates
    assert "refund" in found.reason
    assert "again" in found.reason


@pytest.mark.asyncio
async def test_the_likeliest_refund_comes_first_and_each_once(server: Liar) -> None:
    other, mine = refund(refund_id="1", line_item_id="li_9"), refund(refund_id="2", amount=100, currency="USD")
    for first, second in ((other, mine), (mine, other)):
        server.say(refunds(first, second, refunds={"1": first, "2": second}, line_item_refunds={"li_1": [mine]}))
        found = await told(server, "refunds.refund_line_item")
        assert [each.refund_id for each in found.candidates] == ["2", "1"]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["refunds.refund_line_item", "refunds.refund_invoice"])
async def test_only_refunds_that_are_older_are_none_and_nobody_says_when_to_refund_again(
    server: Liar, name: str
) -> None:
    for body in (
        refunds(),
        refunds(refund(created=unzoned(-DAY)), refund_invoice_ids=["inv_2"]),
        refunds(refund(created=zoned(-63))),
    ):
        server.say(body)
        found = await told(server, name)
        assert (found.verdict, found.decide_from, found.candidates) == (NOT_SEEN, None, ())
        assert "pending" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["refunds.refund_line_item", "refunds.refund_invoice"])
async def test_an_answer_that_tells_no_refunds_proves_nothing(server: Liar, name: str) -> None:
    for body in ({}, None, [], refunds(invoice_id=None), refunds(refund(), invoice_id="inv_9"), b'{"is_ok": true}'):
        server.say(body)
        found = await told(server, name)
        assert (found.verdict, found.candidates) == (CANNOT, ()), found.reason


# Payouts


def payout(seconds: float = 0, **fields: object) -> dict[str, object]:
    credit = {"destination_payment_method_id": "pm_2", "amount": 500, "currency": "USD", "status": "CREATED"}
    credit.update({name: value for name, value in fields.items() if name in {*credit, "fee_amount"}})
    told = {
        "payout_status_id": f"pay{seconds}", "account_id": "acct_1", "status": "ESCROW-TRANSFER-INITIATED",
        "created": f"{when(seconds):%Y-%m-%d %H:%M:%S.%f}", "credit": credit,
    }  # fmt: skip
    return {**told, **{name: value for name, value in fields.items() if name not in {*credit, "fee_amount"}}}


LISTED_PAYOUTS: dict[str, Callable[[], dict[str, object]]] = {
    "the same": payout,
    "another worker's, later": lambda: payout(40),
    "another worker's, much later": lambda: payout(40, created=zoned(180)),
    "in another currency": lambda: payout(amount=462, currency="EUR"),
    "net of a fee": lambda: payout(amount=480, fee_amount=20),
    "net of a fee that is not told": lambda: payout(amount=480),
    "a part of it": lambda: payout(amount=250),
    "to nowhere": lambda: payout(destination_payment_method_id=""),
    "of nothing": lambda: payout(credit=None),
    "without an amount": lambda: payout(amount=None, currency=None),
    "without a time": lambda: payout(created=None),
    "by a clock in California": lambda: payout(-8 * 3600),
    "by a clock in New Zealand": lambda: payout(13 * 3600),
    "by a clock that is a minute late": lambda: payout(created=zoned(-58)),
    "of nobody": lambda: payout(account_id=None),
    "cancelled": lambda: payout(status="USER-CANCELED"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("how", LISTED_PAYOUTS)
async def test_whatever_could_be_the_payout_is_a_candidate(server: Liar, how: str) -> None:
    server.say([payout(-3 * DAY), LISTED_PAYOUTS[how]()])
    found = await told(server, "payouts.request")
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, False), found.reason
    assert "Tilia takes no reference" in found.reason
    assert "reference_id" not in found.reason


@pytest.mark.asyncio
async def test_only_what_is_older_or_goes_elsewhere_is_no_payout_of_this_call(server: Liar) -> None:
    server.say([payout(-DAY), payout(created=zoned(-63)), payout(destination_payment_method_id="pm_9")])
    found = await told(server, "payouts.request")
    assert (found.verdict, found.candidates) == (NOT_SEEN, ())
    assert "2 made before" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("amount", "fee", "fits"), [(500, None, True), (500, 20, True), (480, 20, True), (480, 19, False), (520, 20, False)]
)
async def test_the_payout_that_comes_to_the_amount_with_its_fee_or_without_is_the_likeliest(
    server: Liar, amount: int, fee: int | None, fits: bool
) -> None:
    others = [payout(1, amount=470, fee_amount=10), payout(2, amount=500, currency="EUR"), payout(3, credit=None)]
    server.say([*others, payout(4, amount=amount, fee_amount=fee)])
    found = await told(server, "payouts.request")
    assert len(found.candidates) == 4
    assert (found.candidates[0].payout_status_id == "pay4") == fits


# What is made anew


def invoice(seconds: float, **fields: object) -> dict[str, object]:
    told = {
        "invoice_id": f"inv{seconds}", "account_id": "acct_1", "invoice_type": "user_purchase", "state": "OPEN",
        "reference_type": "order", "reference_id": "order-7", "created": zoned(seconds),
    }  # fmt: skip
    return {**told, **fields}


def listed(*invoices: object) -> dict[str, object]:
    return {"total": len(invoices), "account_id": "acct_1", "invoices": list(invoices)}


@pytest.mark.asyncio
@pytest.mark.parametrize("ahead", [-70, -40, -3, -1, 0, 1, 3, 40, 70])
@pytest.mark.parametrize("made", [-55, -1, 0, 1, 55])
async def test_clocks_that_differ_by_up_to_a_minute_decide_nothing(server: Liar, ahead: float, made: float) -> None:
    """Whichever clock is wrong, the one of ``Date`` or the one that dates invoices."""
    server.say(listed(invoice(made)), ahead=ahead)
    found = await told(server, "invoices.create")
    assert (found.verdict, len(found.candidates)) == (CANNOT, 1), found.reason
    assert "do not make another" in found.reason
    server.say(listed(invoice(ahead + made)), ahead=ahead)
    found = await told(server, "invoices.create")
    assert (found.verdict, len(found.candidates)) == (CANNOT, 1), found.reason


@pytest.mark.asyncio
async def test_several_dates_that_disagree_are_all_believed(server: Liar) -> None:
    answers = iter([Lie({"invoices": [invoice(-100)]}, ahead=-90), Lie({"invoices": []}, ahead=+90)])
    server.answer = lambda _: next(answers)
    found = await told(server, "invoices.create")
    assert (found.verdict, len(found.candidates)) == (CANNOT, 1)


@pytest.mark.asyncio
async def test_without_a_date_nobody_knows_what_is_older(server: Liar) -> None:
    server.say(listed(invoice(-DAY)), ahead=None)
    assert (await told(server, "invoices.create")).verdict is CANNOT


@pytest.mark.asyncio
@pytest.mark.parametrize("hours", [-11, 14])
async def test_times_without_a_zone_are_nobodys(server: Liar, hours: float) -> None:
    for created in (unzoned(0, hours_from_utc=hours), unzoned(0, hours_from_utc=hours).replace(" ", "T") + ".25"):
        server.say(listed(invoice(0, created=created)))
        assert (await told(server, "invoices.create")).verdict is CANNOT


@pytest.mark.asyncio
@pytest.mark.parametrize("zone", ["Z", "z", "+00:00", " +0000 UTC", " UTC", "+0000"])
async def test_times_with_a_zone_are_compared(server: Liar, zone: str) -> None:
    created = f"{when(-3600):%Y-%m-%dT%H:%M:%S.%f}{zone}"
    server.say(listed(invoice(0, created=created)))
    found = await told(server, "invoices.create")
    assert found.verdict is NOT_SEEN or zone == "z", found.reason


@pytest.mark.asyncio
async def test_what_is_older_by_more_than_a_minute_is_another_s(server: Liar) -> None:
    server.say(listed(invoice(-63), invoice(-DAY)))
    found = await told(server, "invoices.create")
    assert (found.verdict, found.candidates) == (NOT_SEEN, ())
    assert "look again from" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
async def test_an_earlier_since_settles_it_for_a_reference_id_of_ones_own(server: Liar, name: str) -> None:
    kind = {"invoice_type": "balance_transfer"} if name == "transfers.create" else {}
    body = listed(invoice(1, state="SUCCESS", reference_type="", **kind), invoice(-3700))
    escrows = [{"id": "esc_1", "account_id": "acct_1", "status": "OPEN", "created": zoned(1)}]
    server.say({"total": 1, "escrow_transactions": escrows} if name == "escrow.create" else body)
    found = await told(server, name)
    assert (found.verdict, found.resource) == (CANNOT, None)
    assert "since= may settle it" in found.reason
    found = await told(server, name, since=when(-3600))
    assert (found.verdict, found.candidates, found.done) == (TOOK_EFFECT, (), True), found.reason
    assert found.resource is not None


@pytest.mark.asyncio
@pytest.mark.parametrize("other", [-600, -3590, None])
async def test_an_earlier_since_does_not_choose_between_two(server: Liar, other: float | None) -> None:
    """The other was made since then as well, or so near to it, or nobody knows when."""
    created = None if other is None else zoned(other)
    server.say(listed(invoice(1), invoice(0, invoice_id="inv_2", created=created)))
    found = await told(server, "invoices.create", since=when(-3600))
    assert (found.verdict, len(found.candidates)) == (CANNOT, 2)


@pytest.mark.asyncio
async def test_a_later_since_than_the_call_s_own_is_not_believed(server: Liar) -> None:
    server.say(listed(invoice(0)))
    assert (await told(server, "invoices.create", since=when(+600))).verdict is CANNOT


@pytest.mark.asyncio
async def test_an_earlier_since_does_not_make_the_call_end_earlier(server: Liar) -> None:
    server.say(listed())
    found = await told(server, "invoices.create", since=when(-3600))
    assert found.verdict is NOT_SEEN


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "may_be"),
    [
        ({"reference_type": ""}, True),
        ({"reference_type": None, "reference_id": None}, True),
        ({"reference_id": ""}, True),
        ({"reference_id": "order-8"}, False),
        ({"reference_type": "cart"}, False),
        ({"account_id": None, "invoice_type": "anything"}, True),
    ],
)
async def test_an_invoice_that_leaves_out_its_reference_may_be_it(
    server: Liar, fields: dict[str, object], may_be: bool
) -> None:
    server.say(listed(invoice(1, **fields)))
    assert (await told(server, "invoices.create")).verdict is (CANNOT if may_be else NOT_SEEN)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "transfers.create"])
@pytest.mark.parametrize("reference_type", ["order", None])
async def test_what_leaves_out_its_reference_id_is_never_told_as_this_write(
    server: Liar, name: str, reference_type: str | None
) -> None:
    """Another worker's write to the account, which gave none, looks the same."""
    server.say(listed(invoice(1, state="SUCCESS", reference_type=reference_type, reference_id=None)))
    found = await told(server, name, since=when(-3600))
    assert (found.verdict, len(found.candidates)) == (CANNOT, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
async def test_where_a_reference_id_would_have_made_it_knowable_the_reason_says_so(server: Liar, name: str) -> None:
    server.say(listed(invoice(1, reference_id="", reference_type="")))
    tilia = server.tilia
    call = {
        "invoices.create": lambda: tilia.invoices.create("acct_1", [SWORD]),
        "escrow.create": lambda: tilia.escrow.create("acct_1", [SWORD]),
        "transfers.create": lambda: tilia.transfers.create("acct_1", "fund_user", [MOVE]),
    }[name]
    found = await tilia.reconcile(await lost(call()))
    assert found.verdict is CANNOT
    assert "a reference_id that no other write has would have made it knowable" in found.reason


@pytest.mark.asyncio
async def test_an_escrow_of_another_account_with_the_reference_id_is_not_taken_for_it(server: Liar) -> None:
    escrows = [{"id": "esc_1", "account_id": "acct_9", "status": "OPEN", "created": zoned(1)}]
    server.say({"total": 1, "escrow_transactions": escrows})
    found = await told(server, "escrow.create", since=when(-3600))
    assert (found.verdict, len(found.candidates)) == (CANNOT, 1)


def summary(total: int | None, currency: str = "TOK", **parts: int) -> dict[str, object]:
    told = {} if total is None else {"total_amount": total, "currency": currency}
    return {"summary": {**told, **{name: {"total_amount": amount} for name, amount in parts.items()}}}


def item(amount: int, currency: str = "TOK") -> dict[str, object]:
    return {"line_item_id": f"li_{amount}", "amount": amount, "currency": currency}


AMOUNTS: list[tuple[dict[str, object], bool]] = [
    # what an invoice tells, and whether it can be one for 200 TOK
    ({}, True),
    (summary(200), True),
    (summary(200, "tok"), False),
    (summary(200, ""), True),
    (summary(7777, "EUR"), False),
    (summary(200, "EUR"), False),
    (summary(5), False),
    (summary(195), False),
    (summary(214, subtotal=200, tax=14), True),
    (summary(214, subtotal=200), False),
    (summary(230, subtotal=200, tax=14), False),
    (summary(None, subtotal=200), True),
    (summary(None, subtotal=5), False),
    ({"line_items": {"a": item(200)}}, True),
    ({"line_items": {"a": item(150), "b": item(50)}}, True),
    ({"line_items": {"a": item(5)}}, False),
    ({"line_items": {"a": item(200, "EUR")}}, False),
    ({**summary(200), "line_items": {"a": item(5)}}, False),
    ({"amount": 5}, False),
    ({"currency": "EUR"}, False),
]


def listing(name: str, **told: object) -> dict[str, object]:
    """A list of the one invoice or escrow that may be an order of 200 TOK."""
    if name == "escrow.create":
        held = {"invoice_id": "inv_1", **told}
        escrows = [{"id": "esc_1", "account_id": "acct_1", "created": zoned(1), "escrow_invoice": held}]
        return {"total": 1, "escrow_transactions": escrows}
    kind = "balance_transfer" if name == "transfers.create" else "user_purchase_virtual"
    return listed(invoice(1, **{"state": "SUCCESS", "reference_type": "", "invoice_type": kind, **told}))


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
@pytest.mark.parametrize(("told_of", "agrees"), AMOUNTS)
async def test_another_amount_than_the_call_s_is_never_told_as_this_write(
    server: Liar, name: str, told_of: dict[str, object], agrees: bool
) -> None:
    """Whatever reference_id it has: it may be net of a fee, split, or another deed."""
    server.say(listing(name, **told_of))
    reference = {"amount": "200", "currency": "TOK"}
    found = await told(server, name, since=when(-3600), reference=reference)
    assert (found.verdict, found.done) == ((TOOK_EFFECT, True) if agrees else (CANNOT, False)), found.reason
    assert len(found.candidates) == (not agrees)
    assert agrees or "another amount" in found.reason or "another currency" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "told_of"),
    [
        ("invoices.create", {"invoice_type": "balance_transfer"}),
        ("invoices.create", {"invoice_type": "refund_invoice"}),
        ("transfers.create", {"invoice_type": "user_purchase"}),
        ("escrow.create", {"reference_id": "order-8"}),
        ("escrow.create", {"account_id": "acct_9"}),
    ],
)
async def test_another_deed_than_the_call_s_is_never_told_as_this_write(
    server: Liar, name: str, told_of: dict[str, object]
) -> None:
    server.say(listing(name, **told_of))
    found = await told(server, name, since=when(-3600))
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, False), found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize("fields", [{"reference_id": "order-8"}, {"reference_type": "cart"}, {"account_id": "acct_9"}])
async def test_an_escrow_that_tells_of_another_order_is_never_told_as_this_write(
    server: Liar, fields: dict[str, object]
) -> None:
    escrow = {"id": "esc_1", "account_id": "acct_1", "created": zoned(1), **fields}
    server.say({"total": 1, "escrow_transactions": {"esc_1": escrow}})
    reference = {"reference_type": "order"}
    found = await told(server, "escrow.create", since=when(-3600), reference=reference)
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, False), found.reason


@pytest.mark.asyncio
async def test_the_reference_of_an_order_tells_what_it_comes_to(server: Liar) -> None:
    for name, amount, currency in (
        ("invoices.create", "200", "TOK"),
        ("escrow.create", "200", "TOK"),
        ("transfers.create", "1", "USD"),
    ):
        reference = (await lost(WRITES[name](server.tilia))).reference
        assert (reference["amount"], reference["currency"]) == (amount, currency)
    other = LineItem(amount=Money(5, "USD"), transaction_type="user_to_integrator")
    error = await lost(server.tilia.invoices.create("acct_1", [SWORD, SWORD]))
    assert (error.reference["amount"], error.reference["currency"]) == ("400", "TOK")
    error = await lost(server.tilia.invoices.create("acct_1", [SWORD, other]))
    assert not {"amount", "currency"} & error.reference.keys()


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
@pytest.mark.parametrize("items", [[], [{}]])
async def test_a_list_about_another_account_proves_nothing(server: Liar, name: str, items: list[object]) -> None:
    key = "escrow_transactions" if name == "escrow.create" else "invoices"
    own = {"id": "esc_1", **invoice(1, account_id=None, reference_type="")}
    for account_id in ("acct_9", 9):
        server.say({"total": len(items), "account_id": account_id, key: [own] * len(items)})
        found = await told(server, name, since=when(-3600))
        assert (found.verdict, found.candidates, found.done) == (CANNOT, (), False), found.reason
        assert "proves nothing" in found.reason
    for account_id in ("acct_1", "", None):
        server.say({"total": 0, "account_id": account_id, key: []})
        assert (await told(server, name)).verdict is NOT_SEEN


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
@pytest.mark.parametrize("total", [0, "0", -1, 99, 100, "page", 150])
@pytest.mark.parametrize("mine", [True, False])
async def test_a_total_that_its_list_contradicts_ends_no_look_up(
    server: Liar, name: str, total: object, mine: bool
) -> None:
    """The newest comes last, on the second page."""
    made = [*(-9000.0 + number for number in range(150)), *([1.0] if mine else [-8000.0])]
    items = [{"id": f"esc{n}", **invoice(at, reference_type="")} for n, at in enumerate(made)]

    def page(line: str) -> Lie:
        offset = int(line.partition("offset=")[2].partition("&")[0].split()[0])
        shown = items[offset : offset + 100]
        said = len(shown) if total == "page" else total
        return Lie({"total": said, "account_id": "acct_1", "invoices": shown, "escrow_transactions": shown})

    server.answer = page
    found = await told(server, name, since=when(-3600))
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, int(mine), False), found.reason
    assert "not whole" in found.reason
    assert len(server.asked) == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("state", ["FAILED", "OPEN", "PROCESSING", "CANCELED", "LIMBO"])
async def test_a_transfer_whose_invoice_is_not_paid_has_not_taken_effect_for_certain(server: Liar, state: str) -> None:
    server.say(listed(invoice(1, reference_type="", invoice_type="balance_transfer", state=state)))
    found = await told(server, "transfers.create", since=when(-3600))
    # Its invoice is its own doing, so one that is open is a transfer under way, and a second one would be paid as well.
    assert found.verdict is (NOT_SEEN if state == "FAILED" else CANNOT)
    assert "sent again soon with the same body and its idempotency key" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
@pytest.mark.parametrize("order", ["ascending", "by something else", "of one moment", "of which one is not told"])
async def test_a_list_in_another_order_than_asked_for_is_read_to_its_end(server: Liar, name: str, order: str) -> None:
    """The one that was made comes last, on the third page."""
    made = [-3600.0 - number for number in range(249)]
    if order == "ascending":
        made.reverse()
    elif order == "by something else":
        made[::2] = sorted(made[::2])
    items: list[dict[str, object]] = [
        {"id": f"esc{number}", "account_id": "acct_1", "status": "OPEN", **invoice(seconds), "reference_type": ""}
        for number, seconds in enumerate([*made, 0.0])
    ]
    if order == "of one moment":
        items = [{**item, "created": items[0]["created"]} for item in items[:-1]] + items[-1:]
    if order == "of which one is not told":
        items[7]["created"] = None

    def page(line: str) -> Lie:
        offset = int(line.partition("offset=")[2].partition("&")[0].split()[0]) if "offset=" in line else 0
        return Lie(
            {
                "total": 250,
                "invoices": items[offset : offset + 100],
                "escrow_transactions": items[offset : offset + 100],
            }
        )

    server.answer = page
    found = await told(server, name)
    assert found.verdict is CANNOT, found.reason
    assert len(found.candidates) == (2 if order == "of which one is not told" else 1)
    assert len(server.asked) == 3


@pytest.mark.asyncio
async def test_a_list_that_is_too_long_to_be_read_is_told(server: Liar) -> None:
    def page(line: str) -> Lie:
        number = len(server.asked)
        others = [invoice(-9000, reference_id="x", invoice_id=f"{number}-{each}") for each in range(99)]
        return Lie({"invoices": [invoice(-7200 + number, reference_id="x"), *others]})

    server.answer = page
    found = await told(server, "invoices.create")
    assert found.verdict is CANNOT
    assert "longer list" in found.reason
    assert len(server.asked) == 10

    # What is found in a part of a list may not be the only one.
    def with_mine(line: str) -> Lie:
        others = page(line).body["invoices"][1:]
        return Lie({"invoices": [invoice(0 if len(server.asked) == 1 else -9000 - len(server.asked)), *others]})

    server.asked.clear()
    server.answer = with_mine
    found = await told(server, "invoices.create", since=when(-3600))
    assert (found.verdict, len(found.candidates)) == (CANNOT, 1)
    assert len(server.asked) == 10


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create", "payouts.request"])
async def test_only_a_list_can_be_empty(server: Liar, name: str) -> None:
    for body in ({}, None, {"invoices": None}, {"status": "ok"}, b'{"status":"Success","message":[],"codes":[]}'):
        server.say(body)
        found = await told(server, name)
        assert (found.verdict, found.candidates) == (CANNOT, ()), found.reason
    empty: dict[str, list[object]] = {
        "payouts.request": [[]],
        "escrow.create": [{"total": "0", "escrow_transactions": None}, {"escrow_transactions": []}],
    }
    for body in empty.get(name, [{"total": 0, "invoices": None}, {"invoices": []}, {"invoices": {}}, []]):
        server.say(body)
        found = await told(server, name)
        assert found.verdict is NOT_SEEN, (body, found.reason)
        assert ("idempotency key" in found.reason) == (name == "transfers.create")


@pytest.mark.asyncio
async def test_a_custom_wallet_may_be_any_that_is_new(server: Liar) -> None:
    def method(kind: str, seconds: float, **fields: object) -> dict[str, object]:
        return {
            "id": f"{kind}{seconds}",
            "provider": "wallet",
            "method_class": kind,
            "created": unzoned(seconds),
            **fields,
        }

    standard = [method(kind, 0) for kind in ("registration", "standard", "convertible")]
    server.say([*standard, method("visa", 0, provider="rebilly"), method("wallet", -DAY)])
    assert (await told(server, "payment_methods.create_custom_wallet")).verdict is NOT_SEEN
    for kind in ("wallet", "hosted"):
        server.say([*standard, method(kind, 0)])
        found = await told(server, "payment_methods.create_custom_wallet")
        assert (found.verdict, len(found.candidates)) == (CANNOT, 1)
    for provider in (None, "", 7):
        server.say([*standard, method("hosted", 0, provider=provider)])
        found = await told(server, "payment_methods.create_custom_wallet")
        assert (found.verdict, len(found.candidates)) == (CANNOT, 1), "it does not say that it is something else"
    # Tilia lists nothing for an account that does not exist.
    server.say([])
    assert (await told(server, "payment_methods.create_custom_wallet")).verdict is CANNOT


# States that another may have brought about

MOVED: dict[str, tuple[dict[str, object], str, list[str], set[str], set[str]]] = {
    # the answer, the name of the state, all states, those in which it is done, those in which it is not
    "invoices.pay": ({"invoice_id": "inv_1"}, "state", [*InvoiceState], {"SUCCESS"}, {"OPEN", "FAILED"}),
    "escrow.pay": (
        {"id": "esc_1"}, "status", [*EscrowStatus],
        {"ESCROWED", "COMMITTED", "COMMIT-REQUESTED", "COMMIT-FAILED"}, {"OPEN", "ESCROW-FAILED"},
    ),
    "escrow.commit": (
        {"id": "esc_1"}, "status", [*EscrowStatus], {"COMMITTED"}, {"OPEN", "ESCROWED", "COMMIT-FAILED"},
    ),
    "escrow.cancel": (
        {"id": "esc_1"}, "status", [*EscrowStatus], {"CANCELLED"}, {"OPEN", "ESCROWED", "CANCEL-FAILED"},
    ),
    "token_exchanges.execute_purchase": (
        {"token_exchange_id": "vtok_1"}, "status", [*ExchangeStatus], {"SUCCESS"}, {"OPEN"},
    ),
    "token_exchanges.execute_conversion": (
        {"token_exchange_id": "vtok_1"}, "status", [*ExchangeStatus], {"SUCCESS"}, {"OPEN"},
    ),
    "payouts.cancel": (
        {"payout_status_id": "pay_1", "account_id": "acct_1"}, "status", [*PayoutStatus],
        {"USER-CANCELED", "USER-REVERSED", "SUPPORT-REJECTED"},
        {"ESCROW-TRANSFER-INITIATED", "FUNDS-IN-ESCROW", "FUNDS-IN-ESCROW-ON-HOLD", "CREDIT-TRANSFER-INITIATED", "SUCCESS"},
    ),
}  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("name", MOVED)
async def test_a_state_tells_that_it_is_done_and_never_by_whom(server: Liar, name: str) -> None:
    body, field, states, done, waiting = MOVED[name]
    assert {*done, *waiting} <= {*states}
    for state in [*states, "LIMBO\n", None]:
        server.say({**body, field: state})
        found = await told(server, name)
        assert found.verdict is (NOT_SEEN if state in waiting else CANNOT), (state, found.reason)
        assert found.done == (state in done), (state, found.reason)
        assert (found.resource is None) == bool(found.candidates), state
        assert "again" in found.reason, (state, found.reason)
        assert found.reason.isprintable()


CAPTURED_PAYMENT = {"p": {"payment_method_id": "p", "subitems": {"s": {"subitem_id": "s", "amount": 6}}}}
TRACES: list[tuple[str, dict[str, object], str | None]] = [
    # the operation, what the answer tells, and what it is a trace of; None: of nothing
    ("escrow.commit", {"status": "ESCROWED", "commit_invoice_id": "inv_c"}, "commit_invoice_id"),
    ("escrow.commit", {"status": "ESCROWED", "cancel_invoice_id": "inv_x"}, "cancel_invoice_id"),
    ("escrow.commit", {"status": "OPEN", "commit_invoice_id": "inv_c"}, "commit_invoice_id"),
    ("escrow.commit", {"status": "COMMIT-FAILED", "cancel_invoice_id": "inv_x"}, "cancel_invoice_id"),
    ("escrow.commit", {"status": "COMMIT-FAILED", "commit_invoice_id": "inv_c"}, None),
    ("escrow.commit", {"status": "ESCROWED", "commit_invoice_id": "", "cancel_invoice_id": None}, None),
    ("escrow.cancel", {"status": "ESCROWED", "cancel_invoice_id": "inv_x"}, "cancel_invoice_id"),
    ("escrow.cancel", {"status": "ESCROWED", "commit_invoice_id": "inv_c"}, "commit_invoice_id"),
    ("escrow.cancel", {"status": "CANCEL-FAILED", "commit_invoice_id": "inv_c"}, "commit_invoice_id"),
    ("escrow.cancel", {"status": "CANCEL-FAILED", "cancel_invoice_id": "inv_x"}, None),
    ("escrow.pay", {"status": "OPEN", "commit_invoice_id": "inv_c"}, "commit_invoice_id"),
    ("escrow.pay", {"status": "ESCROW-FAILED", "cancel_invoice_id": "inv_x"}, "cancel_invoice_id"),
    ("escrow.pay", {"status": "OPEN", "escrow_invoice": {"invoice_id": "i", "state": "SUCCESS"}}, "its invoice"),
    ("escrow.pay", {"status": "OPEN", "escrow_invoice": {"invoice_id": "i", "state": "OPEN"}}, None),
    ("escrow.pay", {"status": "OPEN", "escrow_invoice_id": "inv_e"}, None),
    ("payouts.cancel", {"status": "FUNDS-IN-ESCROW", "credit": {"status": "CANCELED"}}, "CANCELED"),
    ("payouts.cancel", {"status": "SUCCESS", "credit": {"status": "CANCELED"}}, "CANCELED"),
    ("payouts.cancel", {"status": "FUNDS-IN-ESCROW", "reverse_invoice_id": "inv_r"}, "reverse_invoice_id"),
    ("payouts.cancel", {"status": "FUNDS-IN-ESCROW", "credit": {"status": "CREATED"}}, None),
    ("payouts.cancel", {"status": "SUCCESS", "credit": {"status": "EXECUTED"}, "reverse_invoice_id": ""}, None),
    ("invoices.pay", {"state": "OPEN", "transfer_id": "tr_1"}, "transfer_id"),
    ("invoices.pay", {"state": "OPEN", "payment_methods": CAPTURED_PAYMENT}, "moved money"),
    ("invoices.pay", {"state": "OPEN", "line_items": {"l": {"amount": 6, "amount_refunded": 6}}}, "refunded"),
    ("invoices.pay", {"state": "OPEN", "transfer_id": "", "line_items": {"l": {"amount_refunded": 0}}}, None),
    ("invoices.pay", {"state": "FAILED", "transfer_id": "tr_1"}, None),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "fields", "trace"), TRACES)
async def test_what_stands_beside_a_state_tells_as_well(
    server: Liar, name: str, fields: dict[str, object], trace: str | None
) -> None:
    server.say({**MOVED[name][0], **fields})
    found = await told(server, name)
    assert (found.verdict, found.done) == (NOT_SEEN if trace is None else CANNOT, False), found.reason
    assert (trace or "") in found.reason
    assert len(found.candidates) == (trace is not None)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", MOVED)
async def test_an_answer_about_another_id_proves_nothing(server: Liar, name: str) -> None:
    body, field, states, _, _ = MOVED[name]
    for wrong in body:
        for state in states:
            server.say({**body, wrong: "other", field: state})
            found = await told(server, name)
            assert (found.verdict, found.candidates, found.resource, found.done) == (CANNOT, (), None, False)
            assert "another" in found.reason or "'other'" in found.reason
            assert "proves nothing" in found.reason


OTHERS: dict[str, object] = {
    "accounts.block": {"account_id": "acct_9", "blocks": []},
    "accounts.block_capability": {"account_id": "acct_1", "blocks": [{"account_id": "acct_9", "issuer": "publisher"}]},
    "accounts.unblock": {"account_id": "acct_9", "blocks": []},
    "accounts.register": {"account_id": "acct_9", "username": "nobody"},
    "accounts.merge": {"account_id": "acct_2", "tags": []},
    "payment_methods.create_custom_wallet": [{"id": "1", "account_id": "acct_9"}],
    "invoices.create": {"total": 1, "invoices": [{"invoice_id": "inv_1", "account_id": "acct_9"}]},
    "transfers.create": {"total": 1, "invoices": [{"invoice_id": "inv_1", "account_id": "acct_9"}]},
    "payouts.request": [{"payout_status_id": "pay_1", "account_id": "acct_9"}],
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OTHERS)
async def test_an_answer_about_another_account_proves_nothing(server: Liar, name: str) -> None:
    server.say(OTHERS[name])
    found = await told(server, name)
    assert (found.verdict, found.resource, found.done) == (CANNOT, None, False), found.reason
    assert name == "accounts.merge" or not found.candidates


# Accounts


@pytest.mark.asyncio
@pytest.mark.parametrize("seconds", [-30, 0, 40, 90])
async def test_an_account_with_the_name_may_be_another_workers(server: Liar, seconds: float) -> None:
    server.say({"account_id": "acct_1", "username": "Nyx", "created": zoned(seconds)})
    found = await told(server, "accounts.register")
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, True)
    assert "get_or_register" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize("seconds", [-DAY, -600, 0])
async def test_a_registration_that_was_begun_before_may_have_dated_its_account(server: Liar, seconds: float) -> None:
    """Nobody says whether an account is made when its registration is begun or when it is completed."""
    server.say({"account_id": "acct_1", "username": "nyx", "created": zoned(seconds)})
    found = await server.tilia.reconcile(
        OPERATIONS["registration.complete"], reference={"username": "nyx"}, since=when(0)
    )
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, True)


@pytest.mark.asyncio
async def test_an_account_that_was_there_before_was_not_registered_by_the_call(server: Liar) -> None:
    server.say({"account_id": "acct_1", "username": "nyx", "created": zoned(-90)})
    found = await told(server, "accounts.register")
    assert (found.verdict, found.resource.account_id, found.done) == (NOT_SEEN, "acct_1", False)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("tag", "verdict", "done"), [("acct_2", CANNOT, True), ("acct_9", CANNOT, False), (None, NOT_SEEN, False)]
)
async def test_a_merger_may_be_another_workers(server: Liar, tag: str | None, verdict: Verdict, done: bool) -> None:
    tags = [] if tag is None else [{"tag": "merged_to", "resource_id": tag}]
    server.say({"account_id": "acct_1", "tags": tags})
    found = await told(server, "accounts.merge")
    assert (found.verdict, found.done) == (verdict, done)


@attrs.frozen
class Blocked:
    """Blocks of an account, and what they mean to a block, to a block of ``cashout``, and to an unblock."""

    blocks: object
    block: tuple[Verdict, bool]
    cashout: tuple[Verdict, bool]
    unblock: tuple[Verdict, bool]


LOGIN = {"capability": "login", "issuer": "publisher"}
CASHOUT = {"capability": "cashout", "issuer": "publisher"}
BLOCKED = [
    Blocked([], (NOT_SEEN, False), (NOT_SEEN, False), (CANNOT, True)),
    Blocked([LOGIN], (CANNOT, True), (CANNOT, True), (NOT_SEEN, False)),
    Blocked([CASHOUT], (CANNOT, False), (CANNOT, True), (CANNOT, False)),
    Blocked([{"capability": "chat", "issuer": "publisher"}], (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked([CASHOUT, LOGIN], (CANNOT, True), (CANNOT, True), (NOT_SEEN, False)),
    Blocked([{"capability": "login", "issuer": "tilia"}], (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked([{"capability": "login"}], (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked([{"issuer": "publisher"}], (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked(None, (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked("login", (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked(["login"], (CANNOT, False), (CANNOT, False), (CANNOT, False)),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("case", BLOCKED)
async def test_a_block_may_be_another_s_and_of_something_else(server: Liar, case: Blocked) -> None:
    server.say({"account_id": "acct_1", "blocks": case.blocks})
    for name, settings, expected in (
        ("accounts.block", {}, case.block),
        ("accounts.block_capability", {"reference": {"block_capability": "cashout"}}, case.cashout),
        ("accounts.unblock", {}, case.unblock),
    ):
        found = await told(server, name, **settings)
        assert (found.verdict, found.done) == expected, (name, found.reason)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("seconds", "verdict"), [(-DAY, NOT_SEEN), (-90, NOT_SEEN), (-30, CANNOT), (0, CANNOT), (70, CANNOT)]
)
async def test_a_block_that_may_be_made_after_an_unblock_does_not_tell_of_it(
    server: Liar, seconds: float, verdict: Verdict
) -> None:
    server.say({"account_id": "acct_1", "blocks": [{**LOGIN, "created": zoned(seconds)}]})
    found = await told(server, "accounts.unblock")
    assert (found.verdict, found.done) == (verdict, False), found.reason
    # One that was there before is not lifted.
    server.say(
        {
            "account_id": "acct_1",
            "blocks": {"1": {**LOGIN, "created": zoned(-DAY)}, "2": {**LOGIN, "created": zoned(seconds)}},
        }
    )
    assert (await told(server, "accounts.unblock")).verdict is NOT_SEEN


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tags": None},
        {"tags": "none"},
        {"tags": [{"tag": "merged_to", "resource_id": ""}]},
        {"tags": ["merged_to acct_2"]},
        {"tags": [], "is_blocked": True},
    ],
)
async def test_an_account_that_does_not_tell_its_tags_may_be_merged(server: Liar, fields: dict[str, object]) -> None:
    server.say({"account_id": "acct_1", **fields})
    found = await told(server, "accounts.merge")
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, False)
    assert "again" in found.reason


# Answers that are none


@pytest.mark.asyncio
@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(
    "page",
    [
        b"<html>nginx: no such route</html>",
        b"",
        b'{"status":"Failure","message":[""],"codes":["INVOICE_NOT_FOUND"],"payload":"not found"}',
        b'{"message":"no Route matched with those values"}',
        b'{"status":"Failure","message":["no Route matched"],"codes":[],"payload":null}',
        b'{"codes":["NO_ROUTE"],"message":"no Route matched"}',
    ],
)
async def test_a_404_is_never_final(server: Liar, name: str, page: bytes) -> None:
    server.say(page, 404)
    found = await told(server, name)
    if name == "accounts.register" and b"NOT_FOUND" in page:
        # A username is for Tilia to look up, and a second registration is refused.
        assert found.verdict is NOT_SEEN
        assert "look-ups may lag behind" in found.reason
        return
    assert (found.verdict, found.candidates, found.decide_from) == (CANNOT, (), None)
    assert "proves nothing" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 403, 405, 410, 422])
async def test_a_look_up_that_is_refused_proves_nothing(server: Liar, status: int) -> None:
    server.say(None, status)
    for name in WRITES:
        assert (await told(server, name)).verdict is CANNOT


@pytest.mark.asyncio
@pytest.mark.parametrize("name", WRITES)
async def test_what_tilia_confirmed_is_done_whatever_the_look_up_comes_to(server: Liar, name: str) -> None:
    reference = dict((await lost(WRITES[name](server.tilia))).reference)
    error = errors.ResponseDecodeError("odd", status=200, operation=name, took_effect=True, reference=reference)
    for status, body in ((404, b"<html>"), (500, b""), (200, b"<html>"), (200, [])):
        server.say(body, status)
        found = await server.tilia.reconcile(error)
        assert (found.verdict, found.done) == (TOOK_EFFECT, True)
        assert "Tilia confirmed it" in found.reason
    error = errors.ResponseDecodeError("x", status=200, operation=name, took_effect=True)
    found = await server.tilia.reconcile(error)
    assert found.verdict is TOOK_EFFECT


@pytest.mark.asyncio
async def test_the_resource_of_what_tilia_confirmed_is_never_another_s(server: Liar) -> None:
    reference = dict((await lost(WRITES["payouts.request"](server.tilia))).reference)
    error = errors.ResponseDecodeError(
        "odd", status=200, operation="payouts.request", took_effect=True, reference=reference
    )
    server.say([payout()])
    found = await server.tilia.reconcile(error)
    assert (found.verdict, found.resource, len(found.candidates)) == (TOOK_EFFECT, None, 1)
    error = errors.ResponseDecodeError(
        "odd", status=200, operation="invoices.pay", took_effect=True, reference={"invoice_id": "inv_1"}
    )
    server.say({"invoice_id": "inv_1", "state": "SUCCESS"})
    found = await server.tilia.reconcile(error)
    assert (found.verdict, found.resource.invoice_id, found.candidates) == (TOOK_EFFECT, "inv_1", ())
    error = errors.ResponseDecodeError(
        "odd",
        status=200,
        operation="refunds.refund_line_item",
        took_effect=True,
        reference={"invoice_id": "inv_1", "line_item_id": "li_1"},
    )
    server.say(refunds(refund(), refund(refund_id="2"), is_fully_refunded=True))
    found = await server.tilia.reconcile(error)
    assert (found.verdict, found.resource, len(found.candidates)) == (TOOK_EFFECT, None, 2)


# Errors that say it themselves

CERTAIN: list[errors.TiliaError] = [
    errors.ConfigurationError("client_id: is empty"),
    errors.InvalidRequestError({"invoice_id": ["is empty"]}, operation="invoices.pay"),
    errors.ClientClosedError("the client is closed"),
    errors.ConnectError("refused", operation="invoices.pay"),
    errors.ConnectError("refused"),
    errors.DeadlineExceededError("1 s are over", operation="invoices.pay"),
    errors.TokenError("refused", status=400, scopes=[], operation="invoices.pay"),
    errors.BadRequestError(status=400, operation="invoices.pay"),
    errors.BadRequestError(status=400),
    errors.ApiError(status=405),
    errors.ForbiddenError(status=403, operation="payouts.request"),
    errors.NotFoundError(status=404, operation="accounts.block"),
    errors.AccountExistsError(status=409, operation="accounts.register"),
    errors.UnprocessableError(status=422, operation="transfers.create"),
    errors.RateLimitedError(status=429, operation="invoices.pay"),
    errors.ServerError(status=500, operation="invoices.get"),
    errors.TransportError("no answer", operation="invoices.get"),
    errors.ResponseDecodeError("odd", status=200, operation="invoices.get"),
    errors.LedgerError("the disk is full"),
    errors.WebhookError("no JSON"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("error", CERTAIN, ids=lambda error: type(error).__name__)
async def test_an_error_that_says_it_itself_is_believed_without_asking_tilia(
    server: Liar, error: errors.TiliaError
) -> None:
    found = await server.tilia.reconcile(error)
    assert (found.verdict, found.resource, found.candidates, found.done) == (Verdict.NO_EFFECT, None, (), False)
    assert str(error) in found.reason
    assert error.remedy in found.reason
    assert not server.asked


@pytest.mark.asyncio
@pytest.mark.parametrize("made", [None, 1])
async def test_a_key_in_use_is_another_call_s_write(server: Liar, made: float | None) -> None:
    """The request itself had no effect; the write that the key stands for may have it yet."""
    reference = {"account_id": "acct_1", "reference_id": "order-7", "idempotency_key": "k"}
    error = errors.ConflictError(status=409, operation="transfers.create", took_effect=False, reference=reference)
    kind = {"invoice_type": "balance_transfer", "state": "SUCCESS"}
    server.say(listed(*([] if made is None else [invoice(made, **kind)])))
    for since in (None, when(-3600)):
        found = await server.tilia.reconcile(error, since=since)
        assert (found.verdict, len(found.candidates), found.resource) == (CANNOT, int(made is not None), None)
        assert found.done == (made is not None and since is not None)
        assert "wait for what comes of that" in found.reason
    assert server.asked
    assert error.took_effect is False
    bare = errors.ConflictError(status=409, operation="transfers.create", took_effect=False)
    with pytest.raises(errors.InvalidRequestError, match="account_id"):
        await server.tilia.reconcile(bare)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "error",
    [
        errors.OutcomeUnknownError("invoices.pay: no answer"),
        errors.TiliaError("invoices.pay: no answer"),
        errors.NotFoundError("invoices.pay: 404 Not Found"),
        errors.TransportError("invoices.pay: no answer"),
        errors.ServerError(status=500),
        errors.ApiError(status=0),
        errors.ResponseDecodeError("odd", status=200),
        errors.OutcomeUnknownError("no answer", took_effect=None),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_that_was_rebuilt_from_its_text_says_what_is_missing(
    server: Liar, error: errors.TiliaError
) -> None:
    with pytest.raises(errors.InvalidRequestError, match="task queue.*OPERATIONS") as caught:
        await server.tilia.reconcile(error, reference={"invoice_id": "inv_1"})
    assert "error" in caught.value.problems
    assert not server.asked


@pytest.mark.asyncio
async def test_an_unknown_outcome_stays_unknown_whatever_its_attributes_say(server: Liar) -> None:
    error = errors.OutcomeUnknownError("no answer", operation="invoices.pay", reference={"invoice_id": "inv_1"})
    server.say({"invoice_id": "inv_1", "state": "SUCCESS"})
    found = await server.tilia.reconcile(error)
    assert (found.verdict, found.done) == (CANNOT, True)


@pytest.mark.asyncio
async def test_a_stopped_job_is_many_writes(server: Liar) -> None:
    error = errors.BulkStoppedError.__new__(errors.BulkStoppedError)
    errors.TiliaError.__init__(error, "stopped", operation="bulk.block", took_effect=None)
    found = await server.tilia.reconcile(error)
    assert found.verdict is CANNOT
    assert "report.failures" in found.reason
    assert "job_id" in found.reason
    error.took_effect = False
    assert (await server.tilia.reconcile(error)).verdict is Verdict.NO_EFFECT
    assert not server.asked


def test_every_write_that_is_looked_up_is_tried_here() -> None:
    from tilia_async.reconcile.lookups import LOOKUPS

    looked_up = {name for name, how in LOOKUPS.items() if not isinstance(how, str)}
    assert looked_up == {*WRITES, "registration.complete"}
    assert looked_up <= OPERATIONS.keys()


@pytest.mark.asyncio
async def test_a_list_of_payouts_that_may_be_a_page_proves_nothing(server: Liar) -> None:
    """Nobody says whether there are pages; if the oldest come first, the newest may be on another one."""
    for number in (10, 25, 50):
        server.say([payout((seconds - 60) * DAY) for seconds in range(number)])
        found = await told(server, "payouts.request")
        assert (found.verdict, found.candidates) == (CANNOT, ())
        assert "look through the rest" in found.reason
        server.say([payout((seconds - 60) * DAY) for seconds in reversed(range(number))])
        assert (await told(server, "payouts.request")).verdict is NOT_SEEN
    server.say([payout((seconds - 60) * DAY) for seconds in range(11)])
    assert (await told(server, "payouts.request")).verdict is NOT_SEEN


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [408, 425, 429, 444, 460, 499, 500, 503])
async def test_a_look_up_that_may_succeed_later_gives_no_verdict(server: Liar, status: int) -> None:
    error = await lost(WRITES["invoices.pay"](server.tilia))
    server.say(None, status)
    with pytest.raises(errors.ApiError):
        await server.tilia.reconcile(error)
