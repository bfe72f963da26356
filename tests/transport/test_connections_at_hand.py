"""A connection that stays at hand for a turn of the loop: used by the next call, given back by the next turn."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import aiohttp
import pytest
from support.hostile import Connection, hostile_server
from support.quick import QUICK
from test_ways import GOOD, READ

from tilia_async import Limits, TiliaClient
from tilia_async.tokens import TokenCache
from tilia_async.transport.sessions import LoopState


async def answer(connection: Connection) -> None:
    while await connection.tokens() is not None:
        await connection.answer(GOOD)


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The requests for which aiohttp's pool was asked for a connection."""
    asked: list[object] = []
    connect = aiohttp.TCPConnector.connect

    async def noted(self: Any, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 - aiohttp's own names
        asked.append(req)
        return await connect(self, req, traces, timeout)

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", noted)
    return asked


def state_of(tilia: TiliaClient) -> LoopState:
    return tilia._pool.for_running_loop()


def idle(tilia: TiliaClient) -> int:
    session = state_of(tilia).session
    assert session is not None
    assert session.connector is not None
    return sum(len(each) for each in session.connector._conns.values())


@pytest.mark.asyncio
async def test_one_call_after_the_other_asks_the_pool_once(connects: list[object], way: str) -> None:
    async with hostile_server(answer) as server:
        async with TiliaClient("id", "secret", server.template, retry=QUICK, token_cache=TokenCache()) as tilia:
            await tilia.send(READ)
            del connects[:]
            await asyncio.sleep(0)
            for _ in range(5):
                await tilia.send(READ)
        assert len(connects) == (1 if way == "direct" else 5)


@pytest.mark.asyncio
async def test_a_turn_later_it_is_in_the_pool_where_others_find_it(way: str) -> None:
    async with hostile_server(answer) as server:
        async with TiliaClient(
            "id", "secret", server.template, retry=QUICK, token_cache=TokenCache(), limits=Limits(1, 1)
        ) as tilia:
            await tilia.send(READ)
            assert idle(tilia) == (0 if way == "direct" else 1)
            await asyncio.sleep(0)
            assert idle(tilia) == 1
            await asyncio.gather(*(tilia.send(READ) for _ in range(5)))
            await asyncio.sleep(0)
            assert idle(tilia) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("closing", ["client", "session"])
async def test_what_is_closed_in_the_same_turn_leaves_nothing_open(closing: str) -> None:
    async with hostile_server(answer) as server:
        tilia = TiliaClient("id", "secret", server.template, retry=QUICK, token_cache=TokenCache())
        await tilia.send(READ)
        state = state_of(tilia)
        assert state.session is not None
        await (tilia.aclose() if closing == "client" else state.session.close())
        await asyncio.sleep(0)
        assert state.direct is not None
        assert not any(origin.kept for origin in state.direct._servers.values())
        await tilia.aclose()
    # What was not closed would warn, and warnings are errors.
    gc.collect()


def test_a_loop_that_is_closed_in_the_same_turn_leaves_nothing_open() -> None:
    async def called() -> TiliaClient:
        async with hostile_server(answer) as server:
            tilia = TiliaClient("id", "secret", server.template, retry=QUICK, token_cache=TokenCache())
            await tilia.send(READ)
            return tilia

    loop = asyncio.new_event_loop()
    tilia = loop.run_until_complete(called())
    loop.close()
    asyncio.run(tilia.aclose())
    del tilia
    gc.collect()
