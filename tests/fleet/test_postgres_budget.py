"""The budget in PostgreSQL: one for all, by the database's clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from support.postgres import connected, new_database, rows, unreachable

from tilia_async.errors import LedgerError
from tilia_async.fleet.leased_pace import LeasedPace
from tilia_async.fleet.postgres_budget import _LOCK, PostgresBudget
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.ledger import journal_of

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def workers(url: str, number: int, name: str = "tilia") -> AsyncIterator[list[PostgresBudget]]:
    """Budgets of several workers, each with connections of its own."""
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(BlockLedger.open(url)) for _ in range(number)]
        budgets = [PostgresBudget((await journal_of(ledger)).database, name) for ledger in ledgers]
        await asyncio.gather(*(budget.open() for budget in budgets))
        yield budgets


async def kept(url: str) -> tuple[float, float]:
    """Up to when its time is given away, and its rate."""
    async with connected(url) as database:
        [(free_at, rate)] = await rows(database, "SELECT free_at, rate FROM tilia_fleet_budgets")
    return free_at, rate


async def test_workers_that_lease_at_once_share_what_there_is() -> None:
    async with new_database() as url, workers(url, 4) as budgets:
        await budgets[0].lease(1)
        before, _ = await kept(url)
        leased = await asyncio.gather(*(budget.lease(5) for budget in budgets for _ in range(3)))
        after, rate = await kept(url)
    given = sum(each.number for each in leased)
    assert given >= 20
    # Each has a time of its own.
    assert after - before >= given / rate * 0.999


async def test_what_one_is_refused_holds_all_of_that_name() -> None:
    async with new_database() as url, workers(url, 2) as (here, there):
        first = await here.lease(1)
        await here.report(first.epoch, 30.0)
        await there.report(first.epoch, 0.0)
        held = await there.lease(1)
        assert held.number == 0
        assert 20 < held.begins_in <= 30
        assert held.epoch == first.epoch + 1, "one cut for both"
        async with workers(url, 1, "elsewhere") as (other,):
            assert (await other.lease(1)).number == 1


async def test_a_budget_outlives_its_workers() -> None:
    async with new_database() as url:
        async with workers(url, 1) as (first,):
            await first.report((await first.lease(1)).epoch, 0.0)
        async with workers(url, 1) as (second,):
            assert (await second.lease(1)).epoch == 1
        assert (await kept(url))[1] < 100


async def test_a_pace_goes_on_when_the_database_is_back() -> None:
    async with new_database() as url, workers(url, 1) as (budget,), LeasedPace(budget) as pace:
        epoch = await pace.acquire()
        async with unreachable(url):
            with pytest.raises(LedgerError):
                await budget.lease(1)
            pace.refused(epoch, 0.0)
            waiting = asyncio.create_task(pace.acquire())
            await asyncio.wait([waiting], timeout=0.1)
            assert not waiting.done()
        assert await waiting >= epoch


async def test_a_lease_ends_its_transaction_if_the_worker_stands_still() -> None:
    async with new_database() as url, workers(url, 1) as (budget,):

        async def limit(connection: AsyncConnection) -> object:
            await connection.execute(_LOCK, {"name": "tilia"})
            return (await connection.execute(text("SHOW idle_in_transaction_session_timeout"))).scalar()

        assert await budget._database.write(limit) == "5s"
