"""The budget in Redis: one for all, by Redis's clock, and by the rules of the one in PostgreSQL."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from support.fleet_worker import Scene, is_finished
from support.redis_server import SERVER, new_prefix
from support.scripted import ids

from tilia_async.errors import ConfigurationError, LedgerError
from tilia_async.fleet import RedisBudget
from tilia_async.fleet.redis_budget import OpenRedisBudget

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def prefix() -> AsyncIterator[str]:
    async with new_prefix() as prefix:
        yield prefix


@pytest_asyncio.fixture
async def budget(prefix: str) -> AsyncIterator[OpenRedisBudget]:
    async with RedisBudget(SERVER, prefix=prefix).opened("tilia") as opened:
        yield opened


async def test_workers_that_lease_at_once_share_what_there_is(budget: OpenRedisBudget, prefix: str) -> None:
    async with RedisBudget(SERVER, prefix=prefix).opened("tilia") as other:
        await budget.lease(1)
        _, _, before = await budget._read()
        leased = await asyncio.gather(*(each.lease(5) for each in (budget, other) for _ in range(6)))
        _, _, after = await budget._read()
    given = sum(each.number for each in leased)
    assert given >= 20
    # Each has a time of its own.
    assert after.free_at - before.free_at >= given / after.rate * 0.999


async def test_what_one_is_refused_holds_all_of_that_name(budget: OpenRedisBudget, prefix: str) -> None:
    first = await budget.lease(1)
    await budget.report(first.epoch, 30.0)
    async with RedisBudget(SERVER, prefix=prefix).opened("tilia") as there:
        await there.report(first.epoch, 0.0)
        held = await there.lease(1)
    assert (held.number, held.epoch) == (0, first.epoch + 1), "one cut for both"
    assert 20 < held.begins_in <= 30
    async with RedisBudget(SERVER, prefix=prefix).opened("elsewhere") as other:
        assert (await other.lease(1)).number == 1


async def test_workers_of_a_fleet_share_it(fleet: Scene, prefix: str) -> None:
    shared = fleet.tilia.fleet.with_budget(RedisBudget(SERVER, prefix=prefix))
    await shared.submit(ids(60), job_id="wave")
    await asyncio.gather(*(shared.work(concurrency=4, until_idle=True) for _ in range(2)))
    assert is_finished(await fleet.tilia.fleet.status("wave"))
    assert Counter(fleet.scripted.arrived) == Counter(ids(60))
    async with Redis.from_url(SERVER) as redis:
        (kept,) = [name async for name in redis.scan_iter(f"{prefix}budget:*")]
        assert await redis.pttl(kept) > 0
    assert await fleet.rows("SELECT to_regclass('tilia_fleet_budgets')") == [(None,)]


async def test_what_is_not_its_own_is_not_read(budget: OpenRedisBudget, prefix: str) -> None:
    async with Redis.from_url(SERVER) as redis:
        for other in ("[]", '{"rate": "fast"}', "?"):
            await redis.set(f"{prefix}budget:tilia", other)
            with pytest.raises(LedgerError, match="holds something else"):
                await budget.lease(1)
        await redis.delete(f"{prefix}budget:tilia")
        await redis.lpush(f"{prefix}budget:tilia", "1")
        with pytest.raises(LedgerError, match="WRONGTYPE"):
            await budget.lease(1)


async def test_a_redis_that_is_away_is_said_without_its_password() -> None:
    with pytest.raises(LedgerError, match="cannot be reached") as refusal:
        async with RedisBudget("redis://user:canary-secret@127.0.0.1:1/0").opened("tilia"):
            pass
    shown = traceback.TracebackException(refusal.type, refusal.value, refusal.tb.tb_next, capture_locals=True)
    assert "canary-secret" not in "".join(shown.format())
    with pytest.raises(ConfigurationError, match="redis://"):
        RedisBudget("postgresql://nobody:canary-secret@127.0.0.1/0")
