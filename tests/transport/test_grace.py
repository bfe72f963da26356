"""Closing with a grace, attempts that end early, and writes that are cut off."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.hostile import Connection, HostileServer, hostile_server
from support.interruption import assert_no_slot_is_held, elsewhere

import tilia_sync
from tilia_async import Operation, Repeat, RequestOptions, RetryPolicy, Service, TiliaClient, errors
from tilia_async.tokens import TokenCache

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
SAFE = Operation("things.put", "PUT", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)
OF_ONE = Operation(
    "things.of_one", "POST", Service.ACCOUNTS, "/v1/{account_id}/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER
)  # fmt: skip


class Gate:
    """A server that answers when it is told to."""

    def __init__(self, silent: int = 1_000_000) -> None:
        self.open = asyncio.Event()
        self.silent = silent

    async def __call__(self, connection: Connection) -> None:
        while await connection.tokens() is not None:
            if len(connection.server.requests) <= self.silent:
                await self.open.wait()
            await connection.answer()


@asynccontextmanager
async def begun(
    operation: Operation[Any], **settings: Any
) -> AsyncIterator[tuple[TiliaClient, Gate, asyncio.Task[Any]]]:
    gate = Gate()
    async with hostile_server(gate) as server:
        tilia = TiliaClient("id", "s3cret", server.template, token_cache=TokenCache(), **settings)
        call = asyncio.create_task(tilia.send(operation))
        await server.arrived.wait()
        yield tilia, gate, call
        await tilia.aclose()


@pytest.mark.asyncio
async def test_calls_under_way_end_and_new_ones_are_refused() -> None:
    async with begun(WRITE) as (tilia, gate, call):
        closing = asyncio.create_task(tilia.aclose(grace=30))
        await asyncio.sleep(0)
        with pytest.raises(errors.ClientClosedError):
            await tilia.send(READ)
        with pytest.raises(errors.ClientClosedError):
            await tilia.access_token(())
        assert not closing.done()
        gate.open.set()
        await closing
        assert (await call).value == {}
        assert_no_slot_is_held(tilia)


@pytest.mark.asyncio
async def test_a_call_may_still_fetch_its_token_and_open_its_connection() -> None:
    async def slow_token(connection: Connection) -> None:
        while (line := await connection.request()) is not None:
            if "/token" in line:
                asked.set()
                await go_on.wait()
            await connection.answer(
                b'{"access_token":"t"}' if "/token" in line else b'{"status":"Success","payload":{}}'
            )

    asked, go_on = asyncio.Event(), asyncio.Event()
    async with hostile_server(slow_token) as server:
        tilia = TiliaClient("id", "s3cret", server.template, token_cache=TokenCache())
        call = asyncio.create_task(tilia.send(WRITE))
        await asked.wait()
        closing = asyncio.create_task(tilia.aclose(grace=30))
        await asyncio.sleep(0)
        go_on.set()
        assert (await call).value == {}
        await closing


@pytest.mark.asyncio
async def test_a_grace_ends() -> None:
    async with begun(WRITE) as (tilia, _gate, call):
        started = time.monotonic()
        await tilia.aclose(grace=0.1)
        assert 0.1 <= time.monotonic() - started < 5
        with pytest.raises(errors.OutcomeUnknownError, match="the client was closed"):
            await call


@pytest.mark.asyncio
async def test_a_close_that_is_cancelled_closes_at_once() -> None:
    async with begun(WRITE) as (tilia, _gate, call):
        closing = asyncio.create_task(tilia.aclose(grace=30))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(errors.OutcomeUnknownError, match="the client was closed"):
            await call


@pytest.mark.asyncio
@pytest.mark.parametrize("grace", [-1, float("nan"), "10", None, True])
async def test_a_grace_that_is_none(grace: Any) -> None:
    tilia = TiliaClient("id", "s3cret", "staging")
    with pytest.raises(errors.ConfigurationError, match="grace"):
        await tilia.aclose(grace=grace)
    with pytest.raises(errors.ConfigurationError, match="grace"):
        tilia_sync.TiliaClient("id", "s3cret", "staging").close(grace=grace)


@pytest.mark.asyncio
async def test_a_deadline_within_the_grace_is_the_calls_own() -> None:
    gate = Gate()
    async with hostile_server(gate) as server:
        tilia = TiliaClient("id", "s3cret", server.template, token_cache=TokenCache())
        call = asyncio.create_task(tilia.send(WRITE, options=RequestOptions(timeout=0.2)))
        await server.arrived.wait()
        await tilia.aclose(grace=30)
        with pytest.raises(errors.OutcomeUnknownError, match=r"0\.2 s are over"):
            await call


def in_thread(server: HostileServer, tilia: tilia_sync.TiliaClient) -> tuple[threading.Thread, list[object]]:
    came: list[object] = []

    def call() -> None:
        try:
            came.append(tilia.send(WRITE).value)
        except errors.TiliaError as error:
            came.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not server.requests:
        time.sleep(0.001)
    return thread, came


def test_the_synchronous_client_waits_for_other_threads() -> None:
    release = threading.Event()

    async def held(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await asyncio.to_thread(release.wait)
            await connection.answer()

    with elsewhere(held) as server:
        tilia = tilia_sync.TiliaClient("id", "s3cret", server.template, token_cache=TokenCache())
        thread, came = in_thread(server, tilia)
        threading.Timer(0.1, release.set).start()
        tilia.close(grace=30)
        thread.join()
    assert came == [{}]


def test_a_signal_handler_lets_the_call_below_it_end() -> None:
    async def held(connection: Connection) -> None:
        while await connection.tokens() is not None:
            signal.raise_signal(signal.SIGUSR1)
            await asyncio.sleep(0.1)
            await connection.answer()

    closed: list[bool] = []
    with elsewhere(held) as server:
        tilia = tilia_sync.TiliaClient("id", "s3cret", server.template, token_cache=TokenCache())

        def leave(*_: object) -> None:
            tilia.close(grace=30)
            closed.append(True)

        before = signal.signal(signal.SIGUSR1, leave)
        try:
            assert tilia.send(WRITE).value == {}
        finally:
            signal.signal(signal.SIGUSR1, before)
    assert closed == [True]


async def attempts(operation: Operation[Any], silent: int, **policy: Any) -> tuple[object, int]:
    async with hostile_server(Gate(silent)) as server:
        retry = RetryPolicy(initial=0, attempt_timeout=0.1, **policy)
        async with TiliaClient(
            "id", "s3cret", server.template, token_cache=TokenCache(), retry=retry, timeout=2
        ) as tilia:
            try:
                came: object = (await tilia.send(operation)).value
            except errors.TiliaError as error:
                came = error
            assert_no_slot_is_held(tilia)
        return came, len(server.requests)


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", [READ, SAFE], ids=["read", "write"])
async def test_an_attempt_that_takes_too_long_is_followed_by_another(operation: Operation[Any]) -> None:
    assert await attempts(operation, 2) == ({}, 3)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("operation", "kind", "effect"),
    [(READ, errors.TransportError, False), (SAFE, errors.OutcomeUnknownError, None)],
    ids=["read", "write"],
)
async def test_the_last_attempt_says_what_is_known(
    operation: Operation[Any], kind: type[errors.TransportError], effect: bool | None
) -> None:
    came, number = await attempts(operation, 9)
    assert number == 3
    assert type(came) is kind
    assert came.took_effect is effect
    assert "the attempt took longer than 0.1 s (attempt_timeout)" in str(came)
    assert came.call is not None
    assert [each.sent for each in came.call.attempts] == [True] * 3


@pytest.mark.asyncio
async def test_what_is_never_repeated_has_the_calls_own_time() -> None:
    came, number = await attempts(WRITE, 9)
    assert number == 1
    assert isinstance(came, errors.OutcomeUnknownError)
    assert "2 s are over" in str(came)


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", [READ, SAFE, WRITE, OF_ONE], ids=lambda operation: operation.name)
async def test_a_write_that_is_cancelled_leaves_a_word(
    operation: Operation[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "tilia_async.calls")
    gate = Gate()
    path = {"account_id": "acct_77"} if operation is OF_ONE else {}
    async with hostile_server(gate) as server:
        async with TiliaClient("id", "s3cret", server.template, token_cache=TokenCache()) as tilia:
            call = asyncio.create_task(
                tilia.send(operation, path=path, body=None if operation is READ else {"a": "v4lue"})
            )
            await server.arrived.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
    if operation is READ:
        assert caplog.records == []
        return
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("tilia_async.calls", logging.WARNING)
    told = record.getMessage()
    assert told.startswith(
        f"{operation.name}: cancelled after it was sent ({operation.method} accounts {operation.path}"
    )
    assert "reconcile" in told
    for hidden in ("acct_77", "v4lue", "s3cret", "Bearer"):
        assert hidden not in f"{told} {record.__dict__}"
    assert record.tilia["took_effect"] is None


@pytest.mark.asyncio
async def test_a_write_that_was_not_sent_leaves_none(caplog: pytest.LogCaptureFixture) -> None:
    async def no_token(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await asyncio.Event().wait()

    asked = asyncio.Event()
    async with hostile_server(no_token) as server:
        async with TiliaClient("id", "s3cret", server.template, token_cache=TokenCache()) as tilia:
            call = asyncio.create_task(tilia.send(WRITE))
            await asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
    assert [each for each in caplog.records if each.name == "tilia_async.calls"] == []
