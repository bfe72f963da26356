"""A call that is interrupted at any of its awaits leaves no task, no socket and no slot, and the next one works."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aiohttp
import anyio
import pytest
import uvloop
from support.counts import count
from support.hostile import Connection, HostileServer
from support.interrupted_calls import (
    READ,
    SCENES,
    WRITE,
    Call,
    Scene,
    answer,
    answer_and_close,
    answer_slowly,
    drop_every_second,
)
from support.interruption import (
    Interrupted,
    assert_no_slot_is_held,
    elsewhere,
    flights_left,
    settled,
    tasks_left,
)
from support.quick import QUICK

from tilia_async import Limits, RequestOptions, TiliaClient, errors
from tilia_async.tokens import TokenCache

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="sees sockets as Linux shows them")


async def hang(connection: Connection) -> None:
    await connection.tokens()
    await connection.reader.read()


async def reset_in_the_body(connection: Connection) -> None:
    if await connection.tokens() is not None:
        connection.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await connection.writer.drain()
        connection.writer.transport.abort()


async def cancel_task(call: Call, at: int, *, late: bool) -> tuple[Interrupted[object], bool]:
    """Cancel the task; the way of ``Task.cancel()`` and of most frameworks."""
    task = asyncio.current_task()
    assert task is not None
    interrupted = Interrupted(call(), at, task.cancel, late)
    try:
        await interrupted
    except asyncio.CancelledError:
        while task.uncancel():
            pass
        return interrupted, True
    assert interrupted.suspensions < at or not task.cancelling(), "the cancellation was swallowed"
    return interrupted, False


async def leave_scope(call: Call, at: int, *, late: bool) -> tuple[Interrupted[object], bool]:
    """Cancel a scope of anyio, which cancels every await until it is left."""
    with anyio.move_on_after(30) as scope:
        interrupted = Interrupted(call(), at, scope.cancel, late)
        await interrupted
    return interrupted, scope.cancelled_caught


async def run_out_of_time(call: Call, at: int, *, late: bool) -> tuple[Interrupted[object], bool]:
    """Let a timeout around the call end."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(30) as timeout:
            interrupted = Interrupted(call(), at, lambda: timeout.reschedule(loop.time()), late)
            await interrupted
    except TimeoutError as error:
        assert not isinstance(error, errors.TiliaError)
        return interrupted, True
    return interrupted, False


WAYS = {"task": cancel_task, "scope": leave_scope, "timeout": run_out_of_time}


@pytest.mark.parametrize(
    "loop_factory",
    [asyncio.new_event_loop, pytest.param(uvloop.new_event_loop, marks=pytest.mark.nightly)],
    ids=["asyncio", "uvloop"],
)
@pytest.mark.parametrize("late", [False, True], ids=["while waiting", "as the answer arrives"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_left_of_a_call_that_is_cancelled_at_any_await(
    scene: str, way: str, late: bool, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def cancelled_at(at: int) -> bool:
        async with SCENES[scene].stage() as stage:
            before = tasks_left()
            interrupted, cancelled = await WAYS[way](stage.call, at, late=late)
            if stage.after is not None:
                await stage.after()
            await flights_landed()
            assert tasks_left() <= before
            await settled(port=stage.port, idle=assert_no_slot_is_held(stage.tilia))
            await asyncio.wait_for(stage.call(), 5)
            assert_no_slot_is_held(stage.tilia)
        await everything_ended(stage.port)
        # A scope of anyio that is left in time has cancelled nothing, also if it was about to.
        assert cancelled or interrupted.suspensions <= at or (way == "scope" and late)
        return interrupted.suspensions >= at

    run_to_the_end(SCENES[scene], loop_factory, cancelled_at)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("late", [False, True], ids=["while waiting", "as the answer arrives"])
def test_a_client_that_is_closed_at_once_ends_the_flight_too(scene: str, late: bool) -> None:
    async def closed_after(at: int) -> bool:
        async with SCENES[scene].stage() as stage:
            interrupted, _ = await cancel_task(stage.call, at, late=late)
        assert flights_left() == set()
        await everything_ended(stage.port)
        return interrupted.suspensions >= at

    run_to_the_end(SCENES[scene], asyncio.new_event_loop, closed_after)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("late", [False, True], ids=["while waiting", "as the answer arrives"])
def test_a_deadline_at_any_await_is_an_error_of_ours_and_leaves_nothing(scene: str, late: bool) -> None:
    async def ended_at(at: int) -> bool:
        async with SCENES[scene].stage() as stage:
            before, loop = tasks_left(), asyncio.get_running_loop()

            def strike() -> None:
                stage.tilia._pool._parts[loop].deadlines.end_all()

            interrupted = Interrupted(stage.call(), at, strike, late)
            try:
                await interrupted
            except errors.TransportError as error:
                assert isinstance(error, errors.DeadlineExceededError | errors.OutcomeUnknownError) or error.operation
            if stage.after is not None:
                await stage.after()
            await flights_landed()
            assert tasks_left() <= before
            await settled(port=stage.port, idle=assert_no_slot_is_held(stage.tilia))
            await asyncio.wait_for(stage.call(), 5)
        await everything_ended(stage.port)
        return interrupted.suspensions >= at

    run_to_the_end(SCENES[scene], asyncio.new_event_loop, ended_at)


class _ThrownAwayError(Exception):
    """End of the test's wait for a call."""


def throw_away() -> None:
    raise _ThrownAwayError


@pytest.mark.parametrize("scene", SCENES)
def test_a_call_that_is_thrown_away_at_any_await_leaves_nothing(scene: str) -> None:
    async def thrown_away_at(at: int) -> bool:
        failures: list[object] = []

        def failed(_loop: object, context: Mapping[str, object]) -> None:
            # The future of aiohttp's that was waited for is nobody's now.
            if not isinstance(context.get("exception"), aiohttp.ClientError):
                failures.append(context)

        asyncio.get_running_loop().set_exception_handler(failed)
        async with SCENES[scene].stage() as stage:
            before, call = tasks_left(), stage.call()
            interrupted = Interrupted(call, at, throw_away)
            try:
                await interrupted
            except _ThrownAwayError:
                # As the garbage collector does it: in whatever context there is.
                contextvars.Context().run(call.close)
            if stage.after is not None:
                await stage.after()
            await flights_landed()
            assert tasks_left() <= before
            await settled(port=stage.port, idle=assert_no_slot_is_held(stage.tilia))
        await everything_ended(stage.port)
        gc.collect()
        assert not failures
        return interrupted.suspensions >= at

    at = 1
    with SCENES[scene].served():
        # Each in a loop of its own: asyncio still watches the socket of a connection that was thrown away half made.
        while asyncio.run(thrown_away_at(at)):
            at += 1
    assert at > 1


@pytest.mark.parametrize("scene", SCENES)
def test_closing_the_client_at_any_await_is_an_error_of_ours_and_leaves_nothing(scene: str) -> None:
    async def closed_at(at: int) -> bool:
        closing: list[asyncio.Task[None]] = []
        async with SCENES[scene].stage() as stage:
            interrupted = Interrupted(
                stage.call(), at, lambda: closing.append(asyncio.create_task(stage.tilia.aclose()))
            )
            try:
                await asyncio.wait_for(interrupted, 5)
            except (errors.ClientClosedError, errors.TransportError) as error:
                assert closing, error
            await asyncio.gather(*closing)
        await everything_ended(stage.port)
        return interrupted.suspensions >= at

    run_to_the_end(SCENES[scene], asyncio.new_event_loop, closed_at)


async def cancelled_somehow(tilia: TiliaClient, way: int) -> str:
    operation = random.choice([READ, WRITE])
    seconds = random.random() * 0.02
    try:
        if way == 0:
            with anyio.move_on_after(seconds) as scope:
                await tilia.send(operation)
            return "cancelled" if scope.cancelled_caught else "value"
        if way == 1:
            await tilia.send(operation, options=RequestOptions(timeout=max(seconds, 0.001)))
            return "value"
        task = asyncio.create_task(tilia.send(operation))
        asyncio.get_running_loop().call_later(seconds, task.cancel)
        await task
    except errors.TiliaError as error:
        return type(error).__name__
    except asyncio.CancelledError:
        return "cancelled"
    return "value"


async def ended_as(tilia: TiliaClient, options: RequestOptions) -> str:
    try:
        await tilia.send(READ, options=options)
    except errors.TransportError as error:
        return type(error).__name__
    return "value"


@pytest.mark.parametrize("calls", [800, pytest.param(10_000, marks=[pytest.mark.nightly, pytest.mark.timeout(600)])])
def test_many_calls_cancelled_at_random_on_a_server_that_fails_at_random(calls: int) -> None:
    """The seed is that of pytest-randomly, which prints it."""
    ends = [answer, answer, answer_slowly, drop_every_second, answer_and_close, hang, reset_in_the_body]

    async def at_random(connection: Connection) -> None:
        await random.choice(ends)(connection)

    async def storm(server: HostileServer) -> None:
        limits = Limits(connections=20, per_host=20)
        template = server.template
        async with TiliaClient("id", "secret", template, retry=QUICK, limits=limits, token_cache=TokenCache()) as tilia:
            ended: Counter[str] = Counter()
            for start in range(0, calls, 50):
                batch = (cancelled_somehow(tilia, number % 3) for number in range(start, min(start + 50, calls)))
                ended.update(await asyncio.gather(*batch))
            await flights_landed()
            await settled(port=server.port, idle=assert_no_slot_is_held(tilia))
            once = RequestOptions(timeout=1)
            while await ended_as(tilia, once) != "value":
                pass
        await everything_ended(server.port)
        assert ended.total() == calls
        assert "cancelled" in ended
        assert ended.keys() <= {
            *("value", "cancelled", "DeadlineExceededError", "OutcomeUnknownError", "ResponseDecodeError"),
            *("ConnectError", "TransportError"),
        }
        count("cancellations injected", ended["cancelled"])

    descriptors = len(os.listdir("/proc/self/fd"))
    with elsewhere(at_random) as server, asyncio.Runner() as runner:
        runner.run(storm(server))
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= descriptors


async def flights_landed() -> None:
    """A flight goes on, with tasks and a connection of its own, for whoever comes next."""
    while flights_left():
        await asyncio.wait(flights_left())


async def everything_ended(port: int) -> None:
    await settled(port=port, idle=0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert tasks_left() == set()


def run_to_the_end(
    scene: Scene,
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    interrupted_at: Callable[[int], Coroutine[Any, Any, bool]],
) -> None:
    """Interrupt at the first await, at the second, and so on, until the call is through before."""
    with scene.served(), asyncio.Runner(loop_factory=loop_factory) as runner:
        at = 1
        while runner.run(interrupted_at(at)):
            at += 1
        assert at > 1
    count("cancellations injected", at - 1)
