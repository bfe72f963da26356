"""A token request that is closed, cancelled, forked or left lying makes the others start anew."""

import asyncio
import gc
import os
import threading

import pytest
from support.cache_bench import BOTH, NOBODY, READ, WRITE, Bench, Endpoint, Owner, bench

from tilia_async.errors import ClientClosedError, TokenError
from tilia_async.tokens import AccessToken

__all__ = ["bench"]


@pytest.mark.asyncio
async def test_a_client_that_closes_ends_its_flight_and_the_others_start_anew(bench: Bench) -> None:
    slow = Endpoint(bench.clock)
    leaving, staying = Owner(), Owner()
    starter = asyncio.create_task(bench.held.acquire(READ, slow, leaving))
    await bench.settle()
    waiter = asyncio.create_task(bench.acquire(READ, staying))
    await bench.settle()
    leaving.closed = True
    await bench.held.release(leaving)
    assert (await waiter).value == "token-1"
    with pytest.raises(ClientClosedError):
        await starter
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_a_flight_of_a_client_that_closes_tells_nobody_else_that_it_is_closed(bench: Bench) -> None:
    """On another loop a flight may see that its client's pool is closed before the client has ended its flights."""
    seen: list[str] = []

    async def closing(scopes: frozenset[str], generation: int) -> AccessToken:
        seen.append("closing")
        raise ClientClosedError("the client is closed")

    starter = asyncio.create_task(bench.held.acquire(READ, closing, leaving := Owner()))
    waiter = asyncio.create_task(bench.acquire(READ))
    await asyncio.sleep(0)
    leaving.closed = True
    assert (await waiter).value == "token-1"
    with pytest.raises(ClientClosedError):
        await starter
    assert seen == ["closing"]


@pytest.mark.asyncio
async def test_a_client_that_was_closed_meanwhile_starts_no_flight(bench: Bench) -> None:
    class Closing:
        """Closed by another thread once somebody has looked."""

        looks = 0

        @property
        def closed(self) -> bool:
            assert bench.held._lock._locks[os.getpid()]._is_owned(), "a look without the lock may be too early"
            return True

    with pytest.raises(ClientClosedError):
        await bench.held.acquire(READ, bench.endpoint, Closing())
    assert bench.endpoint.asked == []


@pytest.mark.asyncio
async def test_a_close_that_is_cancelled_has_ended_all_flights(bench: Bench) -> None:
    leaving = Owner()
    slow = Endpoint(bench.clock)
    starters = [asyncio.create_task(bench.held.acquire(scopes, slow, leaving)) for scopes in (READ, WRITE)]
    await bench.settle()
    leaving.closed = True
    closing = asyncio.create_task(bench.held.release(leaving))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing, *starters])
    await bench.settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_an_older_flight_of_other_scopes_does_not_replace_a_newer_token(bench: Bench) -> None:
    slow = Endpoint(bench.clock, granted=READ, same="slow")
    late = asyncio.create_task(bench.held.acquire(BOTH, slow, NOBODY))
    await bench.settle()
    newer = await bench.acquire(READ)
    slow.gate.set()
    assert (await late).value == "slow"
    assert bench.held.find(READ) is newer
    assert bench.held.find(BOTH) is newer, "less is granted for both, and this is the newest of it"


@pytest.mark.asyncio
async def test_a_defect_reaches_those_who_wait(bench: Bench) -> None:
    async def broken(scopes: frozenset[str], generation: int) -> AccessToken:
        raise ZeroDivisionError

    with pytest.raises(TokenError, match="ZeroDivisionError"):
        await bench.held.acquire(READ, broken, NOBODY)


def test_threads_share_one_flight(bench: Bench) -> None:
    bench.endpoint.gate.clear()
    arrived = threading.Barrier(9)
    values: list[str] = []

    def work() -> None:
        async def acquire() -> AccessToken:
            arrived.wait()
            return await bench.acquire(READ)

        values.append(asyncio.run(acquire()).value)

    async def open_gate() -> AccessToken:
        first = asyncio.create_task(bench.acquire(READ))
        await asyncio.sleep(0)
        await asyncio.to_thread(arrived.wait)
        await asyncio.sleep(0.05)
        bench.endpoint.gate.set()
        return await first

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    asyncio.run(open_gate())
    for thread in threads:
        thread.join()
    assert values == ["token-1"] * 8
    assert len(bench.endpoint.asked) == 1


def test_a_loop_that_is_closed_with_a_flight_aboard_makes_the_others_start_anew(bench: Bench) -> None:
    bench.endpoint.gate.clear()
    loop = asyncio.new_event_loop()
    stuck = loop.create_task(bench.acquire(READ))
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))

    async def wait_elsewhere() -> AccessToken:
        waiter = asyncio.create_task(bench.held.acquire(READ, other, NOBODY))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        await asyncio.to_thread(loop.run_until_complete, asyncio.sleep(0))
        await asyncio.to_thread(loop.close)
        return await waiter

    other = Endpoint(bench.clock, same="elsewhere")
    other.gate.set()
    assert asyncio.run(wait_elsewhere()).value == "elsewhere"
    assert stuck.done()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_keeps_the_tokens_and_none_of_the_flights(bench: Bench) -> None:
    asyncio.run(bench.acquire(READ))
    bench.endpoint.gate.clear()
    loop = asyncio.new_event_loop()
    flying = loop.create_task(bench.acquire(WRITE))
    loop.run_until_complete(asyncio.sleep(0))
    bench.held._lock.__enter__()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            kept = bench.held.find(READ)
            here = Endpoint(bench.clock, same="child")
            asyncio.events._set_running_loop(None)

            async def acquire() -> AccessToken:
                here.gate.set()
                return await bench.held.acquire(WRITE, here, NOBODY)

            fresh = asyncio.new_event_loop().run_until_complete(acquire())
            status = 0 if kept is not None and fresh.value == "child" else 2
        finally:
            os._exit(status)
    bench.held._lock.__exit__(None, None, None)
    _, status = os.waitpid(child, 0)
    flying.cancel()
    bench.endpoint.gate.set()
    loop.run_until_complete(asyncio.wait([flying, *asyncio.all_tasks(loop)]))
    loop.close()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.asyncio
async def test_a_flight_that_is_cancelled_before_its_first_step_poisons_nothing(bench: Bench) -> None:
    first = asyncio.create_task(bench.acquire(READ))
    await asyncio.sleep(0)
    bench.held._flights[READ].task.cancel()
    assert (await first).value == "token-1"


@pytest.mark.asyncio
async def test_a_flight_that_cannot_start_poisons_nothing(bench: Bench) -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coroutine: asyncio.Task(coroutine, loop=loop))
    try:
        with pytest.raises(TypeError):
            await bench.acquire(READ)
    finally:
        loop.set_task_factory(None)
    gc.collect()
    assert (await bench.acquire(READ)).value == "token-1"


def test_a_flight_on_a_loop_that_was_left_lying_makes_the_others_start_anew(bench: Bench) -> None:
    bench.endpoint.gate.clear()
    loop = asyncio.new_event_loop()
    stuck = loop.create_task(bench.acquire(READ))
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    other = Endpoint(bench.clock, same="elsewhere")
    other.gate.set()
    assert asyncio.run(bench.held.acquire(READ, other, NOBODY)).value == "elsewhere"
    bench.endpoint.gate.set()
    loop.run_until_complete(stuck)
    loop.close()
    assert bench.held.find(READ).value == "elsewhere"
