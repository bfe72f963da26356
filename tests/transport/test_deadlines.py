"""A call ends with its deadline, and a cancelled one leaves nothing."""

import asyncio
import gc
import os
import random
import re
import time

import pytest
from support.counts import count
from support.hostile import Connection, HostileServer, hostile_server
from support.machine_lag import machine_lag, within
from support.quick import QUICK
from support.things import READ, WRITE, client, hanging

from tilia_async import Limits, Operation, RequestOptions, RetryPolicy, TiliaClient, errors
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache

__all__ = ["hanging"]


SLACK = 0.25


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("operation", "error_class", "effect"),
    [(READ, errors.DeadlineExceededError, False), (WRITE, errors.OutcomeUnknownError, None)],
)
async def test_a_call_ends_with_its_deadline(
    hanging: HostileServer, operation: Operation[object], error_class: type[errors.TransportError], effect: bool | None
) -> None:
    async with client(hanging, timeout=0.3) as tilia:
        with machine_lag() as lag:
            started = time.monotonic()
            with pytest.raises(error_class) as caught:
                await tilia.send(operation)
            took = time.monotonic() - started
    assert 0.3 <= took < 0.3 + SLACK + lag.seconds
    assert caught.value.took_effect is effect
    assert "0.3 s" in str(caught.value)


@pytest.mark.asyncio
async def test_a_hanging_token_endpoint_is_inside_the_deadline() -> None:
    async def no_token(connection: Connection) -> None:
        await connection.request()
        await asyncio.Event().wait()

    async with hostile_server(no_token) as server, client(server) as tilia:
        with machine_lag() as lag:
            started = time.monotonic()
            with pytest.raises(errors.DeadlineExceededError, match="waiting for a token") as caught:
                await tilia.send(WRITE, options=RequestOptions(timeout=0.2))
            took = time.monotonic() - started
        assert took < 0.2 + SLACK + lag.seconds
        assert caught.value.took_effect is False
    async with hostile_server(no_token) as server, client(server, timeout=0.2) as tilia:
        with pytest.raises(errors.DeadlineExceededError, match="waiting for a token"):
            await tilia.access_token(["x"])


@pytest.mark.asyncio
async def test_all_attempts_share_one_deadline() -> None:
    async def slow_error(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await asyncio.sleep(0.15)
            connection.writer.write(b"HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n")

    async with hostile_server(slow_error) as server:
        async with client(server, timeout=0.4, retry=RetryPolicy(attempts=100, initial=0)) as tilia:
            with machine_lag() as lag:
                started = time.monotonic()
                with pytest.raises(errors.TiliaError):
                    await tilia.send(READ)
                took = time.monotonic() - started
        assert took < 0.4 + SLACK + lag.seconds
        assert (1 if lag.seconds > 0.1 else 2) <= len(server.requests) <= 3


@pytest.mark.asyncio
async def test_a_wait_that_would_pass_the_deadline_is_not_begun(tilia: TiliaClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("accounts.get", Fault.RATE_LIMITED, retry_after=20)
    with within(1.0), pytest.raises(errors.RateLimitedError) as caught:
        await tilia.accounts.get("acct_1", options=RequestOptions(timeout=5))
    assert (caught.value.retry_after, caught.value.retryable) == (20, True)


@pytest.mark.asyncio
async def test_a_full_pool_is_an_error_that_says_so(hanging: HostileServer) -> None:
    async with client(hanging, limits=Limits(connections=2, per_host=1), timeout=5) as tilia:
        await tilia.access_token(())
        first = asyncio.create_task(tilia.send(WRITE))
        await hanging.arrived.wait()
        others = [asyncio.create_task(tilia.send(READ)) for _ in range(3)]
        with machine_lag() as lag, pytest.raises(errors.DeadlineExceededError) as caught:
            await tilia.send(WRITE, options=RequestOptions(timeout=0.2))
        assert caught.value.took_effect is False
        told = re.search(
            r"after ([0-9.]+) s of waiting for a connection, with (\d+) more waiting and (\d+) in use",
            str(caught.value),
        )
        assert told is not None, str(caught.value)
        assert 0.1 < float(told[1]) < 0.2 + SLACK + lag.seconds
        assert told.groups()[1:] == ("3", "1")
        assert "2 in all, 1 per host" in str(caught.value)
        (attempt,) = caught.value.call.attempts
        assert not attempt.sent
        for other in others:
            other.cancel()
        await asyncio.wait(others)
        first.cancel()
        await asyncio.wait([first])


@pytest.mark.asyncio
async def test_cancelling_a_call_frees_its_connection_and_leaves_nothing(hanging: HostileServer) -> None:
    async with client(hanging, limits=Limits(connections=1, per_host=1)) as tilia:
        for _ in range(3):
            hanging.arrived.clear()
            call = asyncio.create_task(tilia.send(WRITE))
            await hanging.arrived.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
    assert asyncio.all_tasks() - {asyncio.current_task()} <= {
        task for task in asyncio.all_tasks() if "listening" in repr(task.get_coro())
    }


@pytest.mark.asyncio
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files as Linux shows them")
@pytest.mark.parametrize("calls", [600, pytest.param(10_000, marks=pytest.mark.nightly)])
async def test_many_calls_with_cancellations_leave_no_file_descriptor_and_no_task(sandbox: Sandbox, calls: int) -> None:
    chance = random.Random(calls)
    descriptors = len(os.listdir("/proc/self/fd"))
    cancelled = came_through = failed = 0
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache(), retry=QUICK
    ) as tilia:
        account = await tilia.accounts.register("nyx", email="nyx@mail.example")

        async def cancel_at_random(task: asyncio.Task[object]) -> None:
            for _ in range(chance.randrange(25)):
                await asyncio.sleep(0)
            task.cancel()

        for _ in range(0, calls, 50):
            for fault in chance.sample([Fault.DROP_AFTER_COMMIT, Fault.SLOW_BODY, Fault.TOKEN_REVOKED], 2):
                sandbox.faults.add("accounts.get", fault, seconds=0.01)
            tasks = [asyncio.create_task(tilia.accounts.get(account.account_id)) for _ in range(50)]
            # The first is left alone, whatever the speed of the machine.
            await asyncio.gather(*(cancel_at_random(task) for task in tasks[1:] if chance.random() < 0.8))
            results = await asyncio.gather(*tasks, return_exceptions=True)
            cancelled += sum(isinstance(result, asyncio.CancelledError) for result in results)
            came_through += sum(not isinstance(result, BaseException) for result in results)
            failed += sum(isinstance(result, errors.TiliaError) for result in results)
        assert cancelled > calls / 20
        assert came_through >= calls / 50
        assert cancelled + came_through + failed == calls
        sandbox.faults.clear()
        # A token's exchange belongs to nobody who waited for it, so it may still be under way until here.
        assert (await tilia.accounts.get(account.account_id)).username == "nyx"
        assert (tilia._pool.waiting, tilia._pool.busy) == (0, 0)
    await sandbox.aclose()
    gc.collect()
    for _ in range(100):
        if len(os.listdir("/proc/self/fd")) <= descriptors:
            break
        await asyncio.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert asyncio.all_tasks() == {asyncio.current_task()}
    count("calls cancelled at random", cancelled)


@pytest.mark.asyncio
async def test_what_is_left_of_the_deadline_bounds_the_waits() -> None:
    async def slow_and_busy(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await asyncio.sleep(0.5)
            connection.writer.write(b"HTTP/1.1 429 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")

    async with hostile_server(slow_and_busy) as server, client(server) as tilia:
        # 1 s of waiting does not fit into what 0.5 s have left of 1.2 s.
        with within(1.0), pytest.raises(errors.RateLimitedError):
            await tilia.send(READ, options=RequestOptions(timeout=1.2))
