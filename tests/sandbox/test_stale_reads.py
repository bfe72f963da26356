"""Replicas that lag, and states that are shown late."""

from __future__ import annotations

import aiohttp
import pytest
from support.shop import Shop, shop

from tilia_async.sandbox import Fault

__all__ = ["shop"]


@pytest.mark.asyncio
async def test_a_look_up_lags_behind_a_write_that_was_dropped(shop: Shop) -> None:
    await shop.invoice("before")
    faults = shop.http.sandbox.faults
    faults.add("*", Fault.STALE_READ, times=2)
    faults.add("invoices.create", Fault.DROP_AFTER_COMMIT)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await shop.invoice("lost")
    assert [await shop.listed() for _ in range(3)] == [["before"], ["before"], ["lost", "before"]]
    assert faults.pending == 0


@pytest.mark.asyncio
async def test_what_is_not_there_yet_is_not_found(shop: Shop) -> None:
    shop.http.sandbox.faults.add("*", Fault.STALE_READ, times=None, seconds=30)
    invoice = await shop.invoice()
    path = f"invoicing/v2/invoice/{invoice['invoice_id']}"
    told = await shop.told("GET", path, status=404)
    assert (told["status"], told["codes"]) == ("Failure", ["INVOICE_NOT_FOUND"])
    # A write is never stale.
    assert (await shop.told("POST", f"{path}/pay", {}))["payload"]["state"] == "SUCCESS"
    await shop.told("GET", path, status=404)
    shop.http.sandbox.clock.advance(31)
    assert (await shop.told("GET", path))["payload"]["state"] == "SUCCESS"


@pytest.mark.asyncio
async def test_a_replica_shows_what_was_so_many_seconds_ago(shop: Shop) -> None:
    path = f"accounts/v1/{shop.buyer}/user-info"
    shop.http.sandbox.faults.add("accounts.get", Fault.STALE_READ, times=None, seconds=10)

    async def is_blocked() -> object:
        return (await shop.told("GET", path))["payload"]["is_blocked"]

    assert await is_blocked() is False
    await shop.told("POST", f"{path}/block")
    shop.http.sandbox.clock.advance(6)
    await shop.told("POST", f"{path}/unblock")
    assert await is_blocked() is False
    shop.http.sandbox.clock.advance(6)
    assert await is_blocked() is True
    shop.http.sandbox.clock.advance(6)
    assert await is_blocked() is False
    shop.http.sandbox.faults.clear()
    await shop.told("POST", f"{path}/block")
    assert await is_blocked() is True


@pytest.mark.asyncio
async def test_a_replica_that_lags_for_long_keeps_few_states(shop: Shop) -> None:
    sandbox = shop.http.sandbox
    sandbox.faults.add("accounts.get", Fault.STALE_READ, times=None, seconds=1000)
    path = f"accounts/v1/{shop.buyer}/user-info"
    for _ in range(5):
        for _ in range(30):
            await shop.told("POST", f"{path}/block")
        sandbox.clock.advance(400)
    await shop.told("POST", f"{path}/unblock")
    assert len(sandbox._handler._past) <= 5
    sandbox.clock.advance(999)
    assert (await shop.told("GET", path))["payload"]["is_blocked"] is True
    sandbox.clock.advance(20)
    assert (await shop.told("GET", path))["payload"]["is_blocked"] is False


@pytest.mark.asyncio
async def test_nothing_from_before_the_fault_is_hidden(shop: Shop) -> None:
    faults = shop.http.sandbox.faults
    faults.add("invoices.list", Fault.STALE_READ)
    await shop.invoice("first")
    assert await shop.listed() == []
    await shop.invoice("second")
    faults.add("invoices.list", Fault.STALE_READ)
    assert await shop.listed() == ["second", "first"]


@pytest.mark.asyncio
async def test_a_stale_answer_leaves_the_state_alone(shop: Shop) -> None:
    before = shop.http.sandbox._world.wallets.entered
    shop.http.sandbox.faults.add("*", Fault.STALE_READ, times=None)
    payout = await shop.payout()
    assert await shop.payouts() == []
    assert await shop.http.balance(shop.buyer) == 1_000, "it was so before the payout"
    shop.http.sandbox.faults.clear()
    assert await shop.http.balance(shop.buyer) == 600
    assert [each["payout_status_id"] for each in await shop.payouts()] == [payout["payout_status_id"]]
    assert before == shop.http.sandbox._world.wallets.entered
