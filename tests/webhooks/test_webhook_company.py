"""Deliveries at once, in several loops and threads, and handlers that take too long."""

import asyncio
import contextlib
import functools
import threading

import pytest
from support.both_receivers import OTHER, Either, Make, confirmed, make
from support.deliveries import BLOCK, delivery

import tilia_sync
from tilia_async import TiliaClient
from tilia_async.errors import ConfigurationError
from tilia_async.webhooks import (
    AccountBlockChanged,
    Event,
    WebhookReceiver,
)

__all__ = ["make"]


@pytest.mark.asyncio
async def test_the_second_of_two_at_once_waits_and_is_then_a_repetition() -> None:
    receiver, started, go = WebhookReceiver(), asyncio.Event(), asyncio.Event()
    seen: list[object] = []

    @receiver.on(AccountBlockChanged)
    async def slow(event: AccountBlockChanged) -> None:
        seen.append(event.account_id)
        if event.account_id != "acct_other":
            started.set()
            await go.wait()

    async with asyncio.TaskGroup() as group:
        both = [group.create_task(receiver.handle(delivery(BLOCK))) for _ in range(2)]
        await started.wait()
        assert await receiver.handle(delivery(OTHER)) == 204, "another entity does not wait"
        assert not any(task.done() for task in both)
        go.set()
    assert [task.result() for task in both] == [204, 204]
    assert seen == [BLOCK["account_id"], "acct_other"]
    assert len(receiver._turns) == 0


@pytest.mark.asyncio
async def test_the_second_of_two_at_once_is_handled_if_the_first_fails() -> None:
    receiver, started, go = WebhookReceiver(), asyncio.Event(), asyncio.Event()
    calls: list[int] = []

    @receiver.on(AccountBlockChanged)
    async def fails_once(_: AccountBlockChanged) -> None:
        calls.append(1)
        started.set()
        await go.wait()
        if len(calls) == 1:
            raise RuntimeError

    tasks = [asyncio.create_task(receiver.handle(delivery(BLOCK))) for _ in range(2)]
    await started.wait()
    go.set()
    assert await asyncio.gather(*tasks) == [500, 204]
    assert len(calls) == 2


@pytest.mark.asyncio
async def test_a_cancelled_delivery_is_not_remembered_and_holds_up_nobody() -> None:
    receiver, started = WebhookReceiver(), asyncio.Event()
    calls: list[int] = []

    @receiver.on(AccountBlockChanged)
    async def waits_at_first(_: AccountBlockChanged) -> None:
        calls.append(1)
        if len(calls) == 1:
            started.set()
            await asyncio.Event().wait()

    first = asyncio.create_task(receiver.handle(delivery(BLOCK)))
    await started.wait()
    second = asyncio.create_task(receiver.handle(delivery(BLOCK)))
    first.cancel()
    assert await second == 204
    assert first.cancelled()
    assert len(calls) == 2
    assert len(receiver._turns) == 0


def test_threads_at_once_call_the_handler_once() -> None:
    receiver, started, go = tilia_sync.WebhookReceiver(), threading.Event(), threading.Event()
    calls: list[threading.Thread] = []
    statuses: list[int] = []

    @receiver.on(AccountBlockChanged)
    def slow(_: AccountBlockChanged) -> None:
        calls.append(threading.current_thread())
        started.set()
        go.wait()

    threads = [threading.Thread(target=lambda: statuses.append(receiver.handle(delivery(BLOCK)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait()
    go.set()
    for thread in threads:
        thread.join()
    assert statuses == [204] * 8
    assert len(calls) == 1
    assert calls[0] in threads, "the handler runs in the thread of the request"
    assert len(receiver._turns) == 0


@pytest.mark.asyncio
async def test_one_receiver_serves_in_several_loops() -> None:
    receiver, seen = WebhookReceiver(), list[object]()

    @receiver.on(Event)
    async def keep(event: Event) -> None:
        await asyncio.sleep(0)
        seen.append(event)

    async def burst() -> list[int]:
        return await asyncio.gather(*(receiver.handle(delivery({**BLOCK, "n": n})) for n in range(20)))

    elsewhere = asyncio.to_thread(asyncio.run, burst())
    assert [status for each in await asyncio.gather(burst(), elsewhere) for status in each] == [204] * 40


@pytest.mark.asyncio
async def test_a_handler_that_takes_too_long_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    receiver, ended = WebhookReceiver(handler_timeout=0.01), asyncio.Event()

    @receiver.on(Event)
    async def endless(_: Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    assert await receiver.handle(delivery(BLOCK)) == 500
    assert ended.is_set()


@pytest.mark.asyncio
async def test_a_handler_that_hides_that_it_took_too_long_has_failed_too() -> None:
    receiver = WebhookReceiver(handler_timeout=0.01)

    @receiver.on(Event)
    async def stubborn(_: Event) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    assert await receiver.handle(delivery(BLOCK)) == 500


@pytest.mark.asyncio
async def test_a_handler_that_meets_a_cancellation_of_something_else_has_failed(make: Make) -> None:
    receiver, calls = make(), list[int]()

    def fails_once(_: Event) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise asyncio.CancelledError

    receiver.on(Event, fails_once)
    assert [await receiver.handle(delivery(BLOCK)) for _ in range(3)] == [500, 204, 204]
    assert len(calls) == 2


@pytest.mark.asyncio
async def test_a_look_up_that_meets_a_cancellation_of_something_else_has_failed(
    tilia: TiliaClient, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, seen = await confirmed(tilia, make, Event)

    async def cancelled(*_: object) -> Event:
        raise asyncio.CancelledError

    monkeypatch.setattr(receiver.receiver, "_confirm", cancelled)
    if isinstance(receiver.receiver, tilia_sync.WebhookReceiver):
        monkeypatch.setattr(receiver.receiver, "_confirm", lambda _: asyncio.run(cancelled()))
    assert await receiver.handle(delivery(BLOCK)) == 500
    assert seen.events == []


@pytest.mark.asyncio
async def test_a_handler_of_the_other_kind_is_refused(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    receiver = make().receiver

    class Hidden:
        def handle(self, event: Event) -> object:
            return self.later(event)

        async def later(self, _: Event) -> None: ...

    class Later:
        async def __call__(self, _: Event) -> None: ...

    later = functools.partial(Hidden().later)
    if isinstance(receiver, WebhookReceiver):
        for plain in (lambda _: None, Hidden().handle, functools.partial(lambda _: None), print, 5):
            with pytest.raises(ConfigurationError, match="coroutine function"):
                receiver.on(Event)(plain)  # type: ignore[arg-type] - on purpose
        for fine in (later, Later(), functools.partial(Later())):
            assert receiver.on(Event)(fine) is fine
        assert await receiver.handle(delivery(BLOCK)) == 204
        return
    for coroutine in (later, Later(), functools.partial(Later())):
        with pytest.raises(ConfigurationError, match="plain function"):
            receiver.on(Event)(coroutine)
    receiver.on(Event)(Hidden().handle)
    assert await Either(receiver).handle(delivery(BLOCK)) == 500
    assert "coroutine function" in caplog.text
