"""Refunds and payouts that could be the lost one are candidates, and never told as it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.lost_writes import CANNOT, DAY, NOT_SEEN, payout, refund, refunds, server, told
from support.lying import Liar, unzoned, when, zoned

__all__ = ["server"]


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
