"""The connections of a client: who waits for one, who gets it, and what a full pool says."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest
from support.counts import count
from support.hostile import Connection, hostile_server
from support.interruption import assert_no_slot_is_held
from support.machine_lag import machine_lag

from tilia_async import Limits, Operation, Repeat, RequestOptions, Service, TiliaClient, errors
from tilia_async.tokens import TokenCache

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
HOLD = Operation("things.hold", "GET", Service.ACCOUNTS, "/v1/hold", dict[str, str], scopes=(), repeat=Repeat.SAFE)


async def hold_or_answer(connection: Connection) -> None:
    while (line := await connection.tokens()) is not None:
        if "hold" in line:
            await asyncio.Event().wait()
        await connection.answer()


async def turns(number: int = 20) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.asyncio
@pytest.mark.parametrize("theirs", [False, True], ids=["its own connections", "those of the user's session"])
@pytest.mark.parametrize("turn", range(6))
async def test_a_waiter_that_is_cancelled_as_its_connection_comes_passes_it_on(turn: int, theirs: bool) -> None:
    async with hostile_server(hold_or_answer) as server:
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) if theirs else None
        limits = Limits(connections=1, per_host=1)
        async with TiliaClient(
            "id", "secret", server.template, limits=limits, token_cache=TokenCache(), session=session
        ) as tilia:
            await tilia.access_token(())
            holder = asyncio.create_task(tilia.send(HOLD))
            await server.arrived.wait()
            first, second = (asyncio.create_task(tilia.send(READ)) for _ in range(2))
            await turns()
            assert tilia._pool.waiting == 2
            holder.cancel()
            # The turns that the connection needs to get from one to the other.
            await turns(turn)
            first.cancel()
            count("cancellations injected", 2)
            assert (await asyncio.wait_for(second, 5)).value == {}
            await asyncio.wait([first, holder])
            assert_no_slot_is_held(tilia)
        if session is not None:
            await session.close()


@pytest.mark.asyncio
async def test_a_full_pool_says_how_long_and_how_many_waited() -> None:
    async with hostile_server(hold_or_answer) as server:
        async with TiliaClient(
            "id", "secret", server.template, limits=Limits(connections=3, per_host=2), token_cache=TokenCache()
        ) as tilia:
            await tilia.access_token(())
            holders = [asyncio.create_task(tilia.send(HOLD)) for _ in range(2)]
            while len(server.requests) < 2:
                server.arrived.clear()
                await server.arrived.wait()
            waits = [0.2, 0.3, 0.4]
            waiters = [
                asyncio.create_task(tilia.send(READ, options=RequestOptions(timeout=seconds))) for seconds in waits
            ]
            with machine_lag() as lag:
                said = await asyncio.gather(*waiters, return_exceptions=True)
            for holder in holders:
                holder.cancel()
            await asyncio.wait(holders)
            assert_no_slot_is_held(tilia)
    for error, seconds, more in zip(said, waits, (2, 1, 0), strict=True):
        assert isinstance(error, errors.DeadlineExceededError)
        assert error.took_effect is False
        told = re.fullmatch(
            rf"things\.read: {seconds} s are over after (\d\.\d\d) s of waiting for a connection, with {more} more "
            r"waiting and 2 in use \(Limits: 3 in all, 2 per host\)",
            str(error),
        )
        assert told, error
        assert seconds - 0.1 <= float(told[1]) < seconds + 0.25 + lag.seconds


@pytest.mark.asyncio
async def test_the_wait_for_a_connection_is_counted_from_where_it_began() -> None:
    async def slow_tokens(connection: Connection) -> None:
        while (line := await connection.request()) is not None:
            if "/token" not in line:
                await asyncio.Event().wait()
            await asyncio.sleep(0.3)
            await connection.answer(b'{"access_token":"t"}')

    async with hostile_server(slow_tokens) as server:
        async with TiliaClient(
            "id", "secret", server.template, limits=Limits(connections=1, per_host=1), token_cache=TokenCache()
        ) as tilia:
            holder = asyncio.create_task(tilia.send(HOLD))
            await turns(1)
            with pytest.raises(errors.DeadlineExceededError) as caught:
                await tilia.send(READ, options=RequestOptions(timeout=0.6))
            holder.cancel()
            await asyncio.wait([holder])
    waited = re.search(
        r"after (\d\.\d\d) s of waiting for a connection, with 0 more waiting and 1 in use", str(caught.value)
    )
    assert waited
    assert float(waited[1]) <= 0.35
