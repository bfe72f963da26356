"""Connections' places and who gets them, and when a deadline that shares its timer ends."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from support.hostile import Connection, hostile_server

from tilia_async import Limits, Operation, Repeat, Service, TiliaClient
from tilia_async.tokens import TokenCache
from tilia_async.transport.connection_limiter import ConnectionLimiter
from tilia_async.transport.deadlines import Deadline, Deadlines
from tilia_async.transport.sessions import SessionPool

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)


async def come_for(places: ConnectionLimiter, host: str, name: str, order: list[str]) -> None:
    if not places.try_acquire(host):
        await places.acquire(host)
    order.append(name)


def waiters(places: ConnectionLimiter, *wanted: tuple[str, str]) -> tuple[list[str], list[asyncio.Task[None]]]:
    order: list[str] = []
    return order, [asyncio.create_task(come_for(places, host, name, order)) for name, host in wanted]


@pytest.mark.asyncio
async def test_who_has_waited_longest_is_next_unless_the_host_has_no_more() -> None:
    places = ConnectionLimiter(3, 2)
    assert [places.try_acquire(host) for host in ("a", "a", "b")] == [True, True, True]
    order, tasks = waiters(places, ("first", "a"), ("second", "b"), ("third", "a"))
    await asyncio.sleep(0)
    assert places.waiting == 3
    places.release("b")
    await asyncio.wait(tasks, timeout=0.01)
    assert order == ["second"]
    places.release("a")
    places.release("a")
    await asyncio.gather(*tasks)
    assert order == ["second", "first", "third"]
    assert (places.in_use, places.waiting, places.try_acquire("c")) == (3, 0, False)


@pytest.mark.asyncio
async def test_a_full_host_does_not_keep_others_waiting_and_nobody_overtakes() -> None:
    places = ConnectionLimiter(10, 1)
    assert places.try_acquire("a")
    order, tasks = waiters(places, ("first", "a"), ("other", "b"), ("second", "a"))
    await asyncio.wait(tasks[1:2])
    assert order == ["other"]
    places.release("a")
    # It is the first one's already, although that has not run yet.
    assert not places.try_acquire("a")
    await tasks[0]
    places.release("a")
    await tasks[2]
    assert order == ["other", "first", "second"]


@pytest.mark.asyncio
@pytest.mark.parametrize("handed", [False, True], ids=["while waiting", "with the place in hand"])
async def test_who_is_cancelled_leaves_the_place_to_the_next(handed: bool) -> None:
    places = ConnectionLimiter(1, 1)
    assert places.try_acquire("a")
    order, tasks = waiters(places, ("first", "a"), ("second", "a"))
    await asyncio.sleep(0)
    if handed:
        places.release("a")
    tasks[0].cancel()
    if not handed:
        places.release("a")
    await asyncio.wait(tasks)
    assert (order, tasks[0].cancelled(), places.in_use, places.waiting) == (["second"], True, 1, 0)


@pytest.mark.asyncio
async def test_a_users_connector_keeps_its_own_limits() -> None:
    most = 0

    async def slow(connection: Connection) -> None:
        nonlocal most
        while await connection.tokens() is not None:
            most = max(most, tilia._pool.busy)
            await connection.answer()

    async with (
        hostile_server(slow) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, limit_per_host=2)) as session,
        TiliaClient("id", "secret", server.template, token_cache=TokenCache(), session=session) as tilia,
    ):
        await asyncio.gather(*(tilia.send(READ) for _ in range(20)))
        assert most == 2


@pytest.mark.asyncio
async def test_deadlines_end_in_their_own_order_whatever_was_set_first() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    order: list[str] = []

    async def hang(name: str, seconds: float) -> None:
        with pytest.raises(TimeoutError):
            with Deadline(deadlines, seconds):
                await asyncio.Event().wait()
        order.append(name)

    with Deadline(deadlines, 0.01):
        """Gone before the timer rings, which then has to be set for the others."""
    names = {"third": 0.12, "first": 0.04, "second": 0.08}
    await asyncio.wait_for(asyncio.gather(*(hang(name, seconds) for name, seconds in names.items())), 5)
    assert order == ["first", "second", "third"]
    assert len(deadlines) == 0


@pytest.mark.asyncio
async def test_a_deadline_that_ends_with_a_cancellation_lets_that_one_pass() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())

    async def hang() -> None:
        with Deadline(deadlines, 60):
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await asyncio.sleep(0)
    deadlines.end_all()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def test_a_pool_keeps_no_loop_that_has_ended() -> None:
    pool = SessionPool(Limits())

    async def look_for_a_token() -> None:
        with pool.for_running_loop().deadline(60):
            """Give a token at hand, so that no session is opened."""

    for _ in range(3):
        asyncio.run(look_for_a_token())
    assert len(pool._parts) == 1
