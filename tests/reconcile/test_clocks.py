"""Times and lost writes, when clocks differ and zones are left out."""

from __future__ import annotations

import pytest
from support.lost_writes import CANNOT, DAY, NOT_SEEN, TOOK_EFFECT, invoice, listed, server, told
from support.lying import Liar, Lie, unzoned, when, zoned

__all__ = ["server"]


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
