"""Handlers that are called, and what is remembered of a notification."""

import asyncio
import logging
import threading

import attrs
import pytest
from support import deliveries
from support.both_receivers import OTHER, Ledger, Make, Seen, make
from support.deliveries import BLOCK, UNBLOCK, delivery

from tilia_async.webhooks import (
    AccountBlockChanged,
    Event,
    KycStateChanged,
    UnknownEvent,
    WebhookReceiver,
)

__all__ = ["make"]


@pytest.mark.asyncio
async def test_handlers_are_called_for_their_class_in_the_order_they_were_registered(make: Make) -> None:
    receiver, calls = make(), list[str]()
    receiver.on(Event, lambda event: calls.append(f"all {type(event).__name__}"))
    receiver.on(AccountBlockChanged, lambda event: calls.append(f"block {event.is_blocked}"))
    receiver.on(KycStateChanged, lambda _: calls.append("kyc"))
    receiver.on(AccountBlockChanged, lambda _: calls.append("block again"))
    assert await receiver.handle(delivery(BLOCK)) == 204
    assert calls == ["all AccountBlockChanged", "block True", "block again"]
    assert await receiver.handle(delivery({}, "brand-new")) == 204
    assert calls[3:] == ["all UnknownEvent"]


@pytest.mark.asyncio
async def test_block_unblock_block_are_three_events_and_a_repetition_is_none(make: Make) -> None:
    receiver, seen = make(), Seen()
    receiver.on(AccountBlockChanged, seen.take)
    for message in (BLOCK, BLOCK, UNBLOCK, UNBLOCK, BLOCK, BLOCK):
        assert await receiver.handle(delivery(message)) == 204
    assert [event.is_blocked for event in seen.events] == [True, False, True]


@pytest.mark.asyncio
async def test_a_repetition_is_one_of_the_same_entity_only(make: Make) -> None:
    receiver, seen = make(), Seen()
    receiver.on(Event, seen.take)
    for message in (BLOCK, OTHER, BLOCK, OTHER):
        await receiver.handle(delivery(message))
    assert len(seen.events) == 2
    await receiver.handle(delivery(deliveries.REGISTRATION, "register-account-completed"))
    assert len(seen.events) == 3, "another event about the same account"


@pytest.mark.asyncio
async def test_what_names_no_entity_is_never_a_repetition(make: Make) -> None:
    receiver, seen = make(), Seen()
    receiver.on(Event, seen.take)
    for body in (delivery({"is_blocked": True}), delivery({"a": 1}, "brand-new")):
        assert [await receiver.handle(body), await receiver.handle(body)] == [204, 204]
    assert [type(event) for event in seen.events] == [AccountBlockChanged] * 2 + [UnknownEvent] * 2


@pytest.mark.asyncio
async def test_a_failed_handler_is_called_again_and_only_success_is_remembered(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, first, second = make(), Seen(), Seen(failures=2)
    receiver.on(AccountBlockChanged, first.take)
    receiver.on(AccountBlockChanged, second.take)
    with caplog.at_level(logging.ERROR, "tilia_async"):
        assert [await receiver.handle(delivery(BLOCK)) for _ in range(4)] == [500, 500, 204, 204]
    assert (len(first.events), len(second.events)) == (3, 3)
    assert caplog.text.count("AccountBlockChanged was not handled; Tilia will repeat it") == 2
    assert "the handler failed" in caplog.text
    assert BLOCK["account_id"] not in caplog.text


@pytest.mark.asyncio
async def test_after_a_failure_nothing_is_a_repetition_until_something_succeeds(make: Make) -> None:
    receiver, seen = make(), Seen()
    receiver.on(AccountBlockChanged, seen.take)
    assert await receiver.handle(delivery(UNBLOCK)) == 204
    seen.failures = 1
    assert await receiver.handle(delivery(BLOCK)) == 500
    assert await receiver.handle(delivery(UNBLOCK)) == 204
    assert await receiver.handle(delivery(UNBLOCK)) == 204
    assert await receiver.handle(delivery(BLOCK)) == 204
    assert [event.is_blocked for event in seen.events] == [False, True, False, True]


@pytest.mark.asyncio
async def test_after_a_timeout_the_earlier_state_is_none_that_was_handled() -> None:
    receiver, seen = WebhookReceiver(handler_timeout=0.05), list[bool | None]()
    started = asyncio.Event()

    @receiver.on(AccountBlockChanged)
    async def endless_block(event: AccountBlockChanged) -> None:
        seen.append(event.is_blocked)
        if event.is_blocked:
            started.set()
            await asyncio.Event().wait()

    assert [await receiver.handle(delivery(each)) for each in (UNBLOCK, BLOCK, UNBLOCK)] == [204, 500, 204]
    assert seen == [False, True, False]
    started.clear()
    cancelled = asyncio.create_task(receiver.handle(delivery(BLOCK)))
    await started.wait()
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    assert await receiver.handle(delivery(UNBLOCK)) == 204
    assert seen == [False, True, False, True, False]


@pytest.mark.asyncio
async def test_what_a_handler_does_to_a_message_changes_nothing(make: Make) -> None:
    receiver, seen = make(), Seen()

    def spoil(event: Event) -> None:
        seen.take(event)
        message: dict[str, object] = event.message  # type: ignore[assignment] - on purpose
        for change in (
            lambda: message.update(is_blocked={1, 2}),
            message["blocks"].clear,  # type: ignore[attr-defined] - on purpose
            lambda: message["list"].append(5),  # type: ignore[attr-defined] - on purpose
        ):
            with pytest.raises(TypeError, match="cannot be changed"):
                change()
        dict.update(message, spoilt={1})

    receiver.on(AccountBlockChanged, spoil)
    for _ in range(2):
        assert await receiver.handle(delivery({**BLOCK, "list": [1]})) == 204
    assert len(seen.events) == 1


@pytest.mark.asyncio
async def test_memory_does_not_keep_the_ids_of_others(make: Make) -> None:
    receiver, seen = make(), Seen()
    receiver.on(AccountBlockChanged, seen.take)
    for _ in range(2):
        assert await receiver.handle(delivery({**BLOCK, "account_id": "a" * 100_000})) == 204
    assert len(seen.events) == 1
    assert {len(key) for key in receiver.receiver._core.memory._last} == {32}


@pytest.mark.asyncio
async def test_who_waits_too_long_for_an_earlier_one_has_to_come_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tilia_async.webhooks.receiver.TURN_TIMEOUT", 0.02)
    monkeypatch.setattr("tilia_sync.webhooks.TURN_TIMEOUT", 0.02)
    is_async = isinstance(make().receiver, WebhookReceiver)
    receiver = make(handler_timeout=None) if is_async else make()
    started, go, pause = threading.Event(), threading.Event(), asyncio.Event()
    if isinstance(receiver.receiver, WebhookReceiver):

        @receiver.receiver.on(Event)
        async def slow(_: Event) -> None:
            started.set()
            await pause.wait()
    else:
        receiver.on(Event, lambda _: (started.set(), go.wait()))
    first = asyncio.create_task(receiver.handle(delivery(BLOCK)))
    assert await asyncio.to_thread(started.wait, 5)
    assert await receiver.handle(delivery(BLOCK)) == 503
    go.set()
    pause.set()
    assert await first == 204
    assert len(receiver.receiver._turns) == 0


@pytest.mark.asyncio
async def test_memory_is_bounded_and_forgets_the_least_recent(make: Make) -> None:
    receiver, seen = make(remembered=2), Seen()
    receiver.on(Event, seen.take)

    async def deliver(*names: str) -> int:
        before = len(seen.events)
        for name in names:
            assert await receiver.handle(delivery({**BLOCK, "account_id": name})) == 204
        return len(seen.events) - before

    assert await deliver("a", "b", "c") == 3
    assert await deliver("b", "c") == 0
    assert await deliver("a") == 1
    assert len(receiver.receiver._core.memory) == 2


@pytest.mark.asyncio
async def test_an_entity_that_changes_is_a_recent_one(make: Make) -> None:
    receiver, seen = make(remembered=2), Seen()
    receiver.on(AccountBlockChanged, seen.take)
    changed = {**BLOCK, "account_id": "a", "is_blocked": False}
    for message in ({**BLOCK, "account_id": "a"}, {**BLOCK, "account_id": "b"}, changed, {**BLOCK, "account_id": "c"}):
        await receiver.handle(delivery(message))
    assert len(seen.events) == 4
    await receiver.handle(delivery(changed))
    assert len(seen.events) == 4
    await receiver.handle(delivery({**BLOCK, "account_id": "b"}))
    assert len(seen.events) == 5


@pytest.mark.asyncio
async def test_what_nobody_wants_is_taken_and_not_remembered(make: Make) -> None:
    receiver, seen = make(), Seen()
    assert await receiver.handle(delivery(BLOCK)) == 204
    receiver.on(AccountBlockChanged, seen.take)
    assert await receiver.handle(delivery(BLOCK)) == 204
    assert len(seen.events) == 1


@attrs.define
class SyncLedger:
    entries: list[object] = attrs.field(factory=list)

    def apply(self, event: AccountBlockChanged) -> None:
        self.entries.append(event.is_blocked)


@pytest.mark.asyncio
async def test_a_block_is_entered_in_the_ledger_before_it_is_handled(make: Make) -> None:
    ledger = Ledger() if isinstance(make().receiver, WebhookReceiver) else SyncLedger()
    receiver = make(ledger=ledger)
    receiver.on(AccountBlockChanged, lambda event: ledger.entries.append(f"handled {event.is_blocked}"))
    for message, name in (
        (BLOCK, deliveries.BLOCK_NAME),
        (deliveries.KYC, "kyc-webhook"),
        (BLOCK, deliveries.BLOCK_NAME),
    ):
        assert await receiver.handle(delivery(message, name)) == 204
    assert ledger.entries == [True, "handled True"]
