"""Nothing that leaves a call carries a frame in which a token, a client's secret or a password stands."""

from __future__ import annotations

import asyncio
import itertools
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import orjson
import pytest
import uvloop
from support.counts import count
from support.hostile import Connection, HostileServer
from support.interruption import Interrupted, elsewhere
from support.quick import QUICK
from support.shown_frames import PASSWORD, SECRET, TOKEN, USER, assert_nothing_is_shown

from tilia_async import TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.tokens import FileTokenStore, TokenCache
from tilia_async.webhooks import parse_event
from tilia_async.webhooks.confirm import confirm


class Thrown(Awaitable[object]):
    """Awaits a call, and throws something into it at its n-th suspension."""

    def __init__(self, call: Coroutine[Any, Any, object], at: int, error: BaseException) -> None:
        self._call, self._at, self._error = call, at, error
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, object]:
        resume = partial(self._call.send, None)
        while True:
            try:
                waits_for = resume()
            except StopIteration as end:
                return end.value
            self.suspensions += 1
            if self.suspensions == self._at:
                if isinstance(waits_for, asyncio.Future):
                    waits_for.cancel()
                resume = partial(self._call.throw, self._error)
                continue
            try:
                resume = partial(self._call.send, (yield waits_for))
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the call's
                resume = partial(self._call.throw, error)


async def answer_slowly(connection: Connection) -> None:
    """Token, refusal of the token, error, and an answer in pieces; each repeats what was sent."""
    number = 0
    while (line := await connection.request()) is not None:
        if "/token" in line:
            await connection.answer(b'{"access_token":"%b","expires_in":3600}' % TOKEN.encode())
            continue
        number += 1
        told = f"{TOKEN} {PASSWORD}".encode()
        if number == 1 and line.startswith("GET"):
            connection.writer.write(b"HTTP/1.1 503 X\r\nContent-Length: %d\r\n\r\n" % len(told) + told)
            continue
        connection.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (
            b'{"status":"Success","message":["',
            told,
            b'"],"payload":{"registration_id":"',
            b'r","account_id":"acct_1","is_blocked":true}}',
        ):
            connection.writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await connection.writer.drain()
            await asyncio.sleep(0.001)
        connection.writer.write(b"0\r\n\r\n")


Call = Callable[[TiliaClient], Coroutine[Any, Any, object]]


async def check(tilia: TiliaClient) -> object:
    told = {
        "event_name": None,
        "message": {"account_id": "acct_1", "is_blocked": True, "blocks": {"account_id": "acct_1"}},
    }
    return await confirm(tilia, parse_event(orjson.dumps(told)))


async def look_up(tilia: TiliaClient) -> object:
    error = errors.OutcomeUnknownError(
        "x", operation="accounts.block", took_effect=None, reference={"account_id": "acct_1"}
    )
    return await tilia.reconcile(error)


async def block_many(tilia: TiliaClient) -> object:
    return await tilia.bulk.block(["acct_1", "acct_2"], reason="x")


CALLS: dict[str, Call] = {
    "a call with a password": lambda tilia: tilia.registration.start(USER, PASSWORD, USER),
    "a body of the caller's own": lambda tilia: tilia.send(
        OPERATIONS["registration.start"], body={"username": USER, "password": PASSWORD, "email": USER}
    ),
    "a look-up": look_up,
    "a notification to confirm": check,
    "a bulk job": block_many,
    "a read": lambda tilia: tilia.accounts.get("acct_1"),
}


class StrangeError(Exception):
    pass


class StrangeInterruption(BaseException):
    pass


async def cancelled(call: Coroutine[Any, Any, object], at: int) -> tuple[int, BaseException | None]:
    task = asyncio.current_task()
    assert task is not None
    return await outcome(Interrupted(call, at, task.cancel))


async def out_of_time(call: Coroutine[Any, Any, object], at: int) -> tuple[int, BaseException | None]:
    loop = asyncio.get_running_loop()
    interrupted: Interrupted[object] | None = None
    try:
        async with asyncio.timeout(30) as timeout:
            interrupted = Interrupted(call, at, lambda: timeout.reschedule(loop.time()))
            await interrupted
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is looked at
        return interrupted.suspensions, error
    return interrupted.suspensions, None


async def waited_for(call: Coroutine[Any, Any, object], at: int) -> tuple[int, BaseException | None]:
    struck = asyncio.Event()
    interrupted = Interrupted(call, at, struck.set)

    async def inside() -> object:
        return await interrupted

    task = asyncio.ensure_future(inside())
    striking = asyncio.ensure_future(struck.wait())
    await asyncio.wait([task, striking], return_when=asyncio.FIRST_COMPLETED)
    striking.cancel()
    try:
        await asyncio.wait_for(task, 0)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is looked at
        return interrupted.suspensions, error
    return interrupted.suspensions, None


async def in_a_group(call: Coroutine[Any, Any, object], at: int) -> tuple[int, BaseException | None]:
    struck = asyncio.Event()
    interrupted = Interrupted(call, at, struck.set)
    error: list[BaseException] = []

    async def inside() -> None:
        try:
            await interrupted
        except BaseException as caught:  # whatever strikes; it is raised again
            error.append(caught)
            raise
        finally:
            struck.set()

    async def fail() -> None:
        await struck.wait()
        raise LookupError

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(inside())
            group.create_task(fail())
    except* LookupError:
        pass
    except* BaseException as group_of:  # noqa: BLE001 - whatever it is, it is looked at
        error.append(group_of)
    return interrupted.suspensions, error[0] if error else None


async def in_a_scope(call: Coroutine[Any, Any, object], at: int) -> tuple[int, BaseException | None]:
    with anyio.CancelScope() as scope:
        interrupted = Interrupted(call, at, scope.cancel)
        try:
            await interrupted
        except errors.TiliaError as error:
            return interrupted.suspensions, error
        except BaseException as error:  # whatever strikes; it is raised again
            assert_nothing_is_shown(error)
            raise
    return interrupted.suspensions, None


def thrown(
    error: BaseException,
) -> Callable[[Coroutine[Any, Any, object], int], Awaitable[tuple[int, BaseException | None]]]:
    async def throw(call: Coroutine[Any, Any, object], at: int) -> tuple[int, BaseException | None]:
        return await outcome(Thrown(call, at, type(error)(*error.args)))

    return throw


async def outcome(awaitable: Any) -> tuple[int, BaseException | None]:
    try:
        await awaitable
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is looked at
        return awaitable.suspensions, error
    return awaitable.suspensions, None


WAYS = {
    "Task.cancel": cancelled,
    "asyncio.timeout": out_of_time,
    "wait_for": waited_for,
    "TaskGroup": in_a_group,
    "a scope of anyio": in_a_scope,
    "KeyboardInterrupt": thrown(KeyboardInterrupt()),
    "SystemExit": thrown(SystemExit(3)),
    "GeneratorExit": thrown(GeneratorExit()),
    "RuntimeError": thrown(RuntimeError("x")),
    "a foreign exception": thrown(StrangeError("x")),
    "a foreign interruption": thrown(StrangeInterruption("x")),
}


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("called", "way"),
    # A job settles what is in flight, and a coroutine that is closed may wait for nothing.
    [pair for pair in itertools.product(CALLS, WAYS) if pair != ("a bulk job", "GeneratorExit")],
)
def test_what_ends_a_call_at_any_await_shows_no_secret(
    called: str, way: str, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    left: list[BaseException] = []

    async def ended_at(server: HostileServer, at: int) -> bool:
        async with TiliaClient("id", SECRET, server.template, retry=QUICK, token_cache=TokenCache()) as tilia:
            suspensions, error = await WAYS[way](CALLS[called](tilia), at)
        task = asyncio.current_task()
        while task is not None and task.uncancel():
            pass
        if error is not None:
            left.append(error)
            assert_nothing_is_shown(error)
        return suspensions >= at

    with elsewhere(answer_slowly) as server, asyncio.Runner(loop_factory=loop_factory) as runner:
        at = 1
        while runner.run(ended_at(server, at)):
            at += 1
        # On a busy machine an answer is there before it is waited for.
        assert at > 2
    count("interruptions searched for canaries", at)
    assert left or way == "a scope of anyio"


class Leaky(aiohttp.TCPConnector):
    """Fails with the request's headers in a variable, and so does what led to that."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error
        self._tokens_left = 1

    async def connect(self, req: Any, traces: Any, timeout: Any) -> aiohttp.connector.Connection:  # noqa: ASYNC109 - aiohttp's own names
        if not self._tokens_left:
            return self._fail(dict(req.headers))
        self._tokens_left -= 1
        return await super().connect(req, traces, timeout)

    def _fail(self, held: dict[str, str]) -> aiohttp.connector.Connection:
        try:
            try:
                held["nothing"]
            except KeyError as error:
                raise StrangeError(len(held)) from error
        except StrangeError as error:
            if isinstance(self._error, BaseExceptionGroup):
                raise type(self._error)("together", [*self._error.exceptions, error]) from error
            raise self._error from error


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "failing",
    [
        lambda: RuntimeError("x"),
        KeyboardInterrupt,
        MemoryError,
        lambda: ExceptionGroup("x", [LookupError()]),
        lambda: BaseExceptionGroup("x", [KeyboardInterrupt(), ExceptionGroup("y", [LookupError()])]),
    ],
    ids=["RuntimeError", "KeyboardInterrupt", "MemoryError", "ExceptionGroup", "BaseExceptionGroup"],
)
async def test_what_a_foreign_connector_raises_is_raised_without_its_frames(
    failing: Callable[[], BaseException],
) -> None:
    raised = failing()
    with elsewhere(answer_slowly) as server:
        async with aiohttp.ClientSession(connector=Leaky(raised)) as session:
            async with TiliaClient("id", SECRET, server.template, session=session, token_cache=TokenCache()) as tilia:
                with pytest.raises(type(raised)) as caught:
                    await tilia.registration.start(USER, PASSWORD, USER)
                assert_nothing_is_shown(caught.value)
                assert tilia._pool.busy == 0
    error = caught.value
    shown = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert shown[1:] == ["start", "value"]
    assert (error.__cause__, error.__context__) == (None, None)
    assert [note.startswith(f"raised at {__name__}:") for note in getattr(error, "__notes__", [])] == [
        True
    ] * isinstance(error, Exception)


@pytest.mark.asyncio
async def test_what_the_caller_was_handling_stays_as_it_was() -> None:
    def fail() -> None:
        raise LookupError("the caller's own")

    async def call_while_handling(tilia: TiliaClient) -> None:
        try:
            fail()
        except LookupError:
            await tilia.registration.start(USER, PASSWORD, USER)

    async def hang(connection: Connection) -> None:
        await connection.tokens()
        await connection.reader.read()

    with elsewhere(hang) as server:
        async with TiliaClient("id", SECRET, server.template, token_cache=TokenCache()) as tilia:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.2):
                    await call_while_handling(tilia)
    assert_nothing_is_shown(caught.value)
    cancelled = caught.value.__cause__
    assert isinstance(cancelled, asyncio.CancelledError)
    own = cancelled.__context__
    assert isinstance(own, LookupError)
    assert [frame.f_code.co_name for frame, _ in traceback.walk_tb(own.__traceback__)] == [
        "call_while_handling",
        "fail",
    ]
    assert not hasattr(cancelled, "__notes__")


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), StrangeInterruption()], ids=repr
)
def test_what_ends_the_exchange_of_a_token_shows_no_secret(error: BaseException, tmp_path: Path) -> None:
    """The task of an exchange belongs to no call: what ends it goes through the loop to whoever runs that."""

    async def ended_at(server: HostileServer, at: int) -> bool:
        cache = TokenCache(FileTokenStore(tmp_path / f"{at}"))
        async with TiliaClient("id", SECRET, server.template, retry=QUICK, token_cache=cache) as tilia:
            held, scopes = tilia._tokens.tokens, frozenset({"a"})
            flight = held._fly(scopes, tilia._tokens.fetch, 1, None)
            suspensions, came = await outcome(Thrown(flight, at, type(error)(*error.args)))
        if came is not None:
            assert type(came) is type(error)
            assert_nothing_is_shown(came)
        return suspensions >= at

    with elsewhere(answer_slowly) as server, asyncio.Runner() as runner:
        at = 1
        while runner.run(ended_at(server, at)):
            at += 1
        # On a busy machine an answer is there before it is waited for.
        assert at > 2
