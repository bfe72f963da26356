"""Leftovers of a call, counted; what a call may cost is measured by ``nox -s bench``."""

import asyncio
import gc
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Coroutine

import pytest
import pytest_asyncio
from support.hostile import Connection, HostileServer, hostile_server

from tilia_async import Limits, TiliaClient, errors
from tilia_async.tokens import TokenCache

ACCOUNT = "0b1c3f5a-8d3e-4c55-9a51-2f1f7c1d2e3f"
MISSING = "5e1c3f5a-8d3e-4c55-9a51-2f1f7c1d2e3f"
FOUND = (
    f'{{"status":"Success","message":[],"codes":[],"payload":{{"account_id":"{ACCOUNT}","username":"nyx"}}}}'.encode()
)
NOT_FOUND = b'{"status":"Failure","message":["no such account"],"codes":["NOT_FOUND"],"payload":{}}'
IN_FLIGHT = 16
CALLS = 480
WARM_UP = 4 * IN_FLIGHT
SPARE = 20
"""Objects that may be left of all calls together: the loop and the pool change a few of their own."""


async def answer(connection: Connection) -> None:
    while (line := await connection.tokens()) is not None:
        if MISSING in line:
            connection.writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n")
            connection.writer.write(b"Content-Length: %d\r\n\r\n" % len(NOT_FOUND) + NOT_FOUND)
        else:
            await connection.answer(FOUND)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[HostileServer]:
    async with hostile_server(answer) as running:
        yield running


def client(server: HostileServer) -> TiliaClient:
    limits = Limits(connections=IN_FLIGHT, per_host=IN_FLIGHT)
    return TiliaClient("id", "secret", server.template, limits=limits, token_cache=TokenCache())


async def succeed(tilia: TiliaClient) -> None:
    assert (await tilia.accounts.get(ACCOUNT)).username == "nyx"


async def fail(tilia: TiliaClient) -> None:
    with pytest.raises(errors.NotFoundError):
        await tilia.accounts.get(MISSING)


async def be_cancelled(tilia: TiliaClient) -> None:
    call = asyncio.create_task(tilia.accounts.get(ACCOUNT))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])


async def in_flight(call: object, tilia: TiliaClient, calls: int) -> None:
    async def lane() -> None:
        for _ in range(calls // IN_FLIGHT):
            await call(tilia)

    await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))


def objects() -> Counter[str]:
    gc.collect()
    return Counter(type(each).__qualname__ for each in gc.get_objects())


@pytest.mark.asyncio
@pytest.mark.parametrize("call", [succeed, fail, be_cancelled])
async def test_many_calls_leave_no_object_no_task_and_no_socket(server: HostileServer, call: object) -> None:
    async with client(server) as tilia:
        # The first calls open the connections, build the converter and fill the caches of the libraries.
        await in_flight(succeed, tilia, WARM_UP)
        await in_flight(call, tilia, WARM_UP)
        await in_flight(succeed, tilia, WARM_UP)
        # So do the first steps of the collector and of the counter.
        objects()
        before, tasks = objects(), len(asyncio.all_tasks())
        await in_flight(call, tilia, CALLS)
        await in_flight(succeed, tilia, WARM_UP)
        left = objects() - before
        assert left.total() <= SPARE, left
        for _ in range(100):
            # The server learns a little later that a connection was given up.
            if server.open <= IN_FLIGHT:
                break
            await asyncio.sleep(0.01)
        assert server.open <= IN_FLIGHT
        assert len(asyncio.all_tasks()) <= tasks


@pytest.mark.asyncio
@pytest.mark.parametrize("call", [succeed, fail])
async def test_a_call_leaves_no_circle_to_the_collector(server: HostileServer, call: object) -> None:
    async with client(server) as tilia:
        await in_flight(call, tilia, WARM_UP)
        gc.collect()
        gc.disable()
        try:
            before = len(gc.get_objects())
            for _ in range(100):
                await call(tilia)
            grown = len(gc.get_objects()) - before
        finally:
            gc.enable()
    assert grown <= SPARE


@pytest.mark.asyncio
async def test_a_call_starts_no_task_of_its_own(server: HostileServer) -> None:
    started: list[str] = []

    def note(loop: asyncio.AbstractEventLoop, work: Coroutine[object, object, object], **options: object) -> object:
        started.append(work.__qualname__)
        return asyncio.Task(work, loop=loop, **options)

    async with client(server) as tilia:
        await succeed(tilia)
        asyncio.get_running_loop().set_task_factory(note)
        for _ in range(100):
            await succeed(tilia)
        asyncio.get_running_loop().set_task_factory(None)
    assert started == []


@pytest.mark.asyncio
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files as Linux shows them")
async def test_a_thousand_clients_without_a_call_are_no_more_than_objects(server: HostileServer) -> None:
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    clients = [client(server) for _ in range(1_000)]
    assert len(os.listdir("/proc/self/fd")) == files
    assert threading.active_count() == threads
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for each in clients:
        await each.aclose()
