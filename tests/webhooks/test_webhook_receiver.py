"""What a receiver does with deliveries: order, repetitions, failures, confirmation. Two packages, one behaviour."""

import asyncio
import contextlib
import functools
import inspect
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import attrs
import pytest
from support import deliveries
from support.canaries import frames, places, search
from support.deliveries import BLOCK, UNBLOCK, basic, delivery
from support.quick import QUICK

import tilia_sync
from tilia_async import TiliaClient
from tilia_async.errors import ConfigurationError
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.secret import Secret
from tilia_async.tokens import TokenCache
from tilia_async.webhooks import (
    AccountBlockChanged,
    EscrowTransactionUpdated,
    Event,
    KycStateChanged,
    PaymentMethodUpdated,
    RegistrationCompleted,
    UnknownEvent,
    WalletBalanceAlert,
    WebhookReceiver,
)

OTHER = {**BLOCK, "account_id": "acct_other"}


@attrs.define
class Seen:
    """Handlers that keep what they got, and fail as often as they should."""

    events: list[object] = attrs.field(factory=list)
    failures: int = 0

    def take(self, event: object) -> None:
        self.events.append(event)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the handler failed")


@attrs.define
class Either:
    """A receiver of one of the packages, behind one face."""

    receiver: WebhookReceiver | tilia_sync.WebhookReceiver

    def on(self, kind: type[Event], handle: Callable[[Event], object]) -> None:
        if isinstance(self.receiver, tilia_sync.WebhookReceiver):
            self.receiver.on(kind)(handle)
            return

        async def handle_async(event: Event) -> None:
            handle(event)

        self.receiver.on(kind)(handle_async)

    async def handle(self, body: bytes, **request: str) -> int:
        if isinstance(self.receiver, WebhookReceiver):
            return await self.receiver.handle(body, **request)
        return await asyncio.to_thread(self.receiver.handle, body, **request)


Make = Callable[..., Either]


@pytest.fixture(params=["async", "sync"])
def make(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Make]:
    clients: list[tilia_sync.TiliaClient] = []

    def build(*, tilia: TiliaClient | None = None, **settings: object) -> Either:
        if request.param == "async":
            return Either(WebhookReceiver(tilia, **settings))
        if tilia is None:
            return Either(tilia_sync.WebhookReceiver(**settings))
        credentials = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        clients.append(tilia_sync.TiliaClient(*credentials, retry=QUICK, token_cache=TokenCache()))
        return Either(tilia_sync.WebhookReceiver(clients[-1], **settings))

    yield build
    for client in clients:
        client.close()


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
async def test_who_waits_too_long_for_an_earlier_one_is_told_to_come_again(
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


@attrs.define
class Ledger:
    entries: list[object] = attrs.field(factory=list)

    async def apply(self, event: AccountBlockChanged) -> None:
        self.entries.append(event.is_blocked)


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


def test_wrong_settings_and_handlers() -> None:
    with pytest.raises(ConfigurationError, match="class of events"):
        WebhookReceiver().on(dict)  # type: ignore[type-var] - on purpose
    with pytest.raises(ConfigurationError, match="class of events"):
        WebhookReceiver().on("account")  # type: ignore[arg-type] - on purpose

    async def coroutine(_: Event) -> None: ...

    with pytest.raises(ConfigurationError, match="plain function"):
        tilia_sync.WebhookReceiver().on(Event)(coroutine)
    for package in (WebhookReceiver, tilia_sync.WebhookReceiver):
        for settings in (
            {"confirm": True},
            {"max_body": 0},
            {"max_body": 1.5},
            {"remembered": 0},
            {"remembered": True},
            {"remembered": None},
            {"max_body": "x"},
            {"path_secret": 5},
            {"basic_auth": 5},
            {"basic_auth": "user:password"},
        ):
            with pytest.raises(ConfigurationError, match=next(iter(settings))):
                package(**settings)
    for handler_timeout in (0, -1, float("nan"), "30", True, []):
        with pytest.raises(ConfigurationError, match="handler_timeout"):
            WebhookReceiver(handler_timeout=handler_timeout)


@pytest.mark.asyncio
async def test_a_receiver_without_a_secret_says_so_loudly(
    make: Make, tilia: TiliaClient, caplog: pytest.LogCaptureFixture
) -> None:
    for settings, why in (({}, "are not true"), ({"tilia": tilia, "confirm": True}, "handled again")):
        caplog.clear()
        make(**settings)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "asks for no secret" in record.getMessage()
        assert why in record.getMessage()
        assert "basic_auth" in record.getMessage()
        caplog.clear()
        make(**settings, basic_auth=("tilia", "canary"))
        make(**settings, path_secret="canary")
        assert caplog.records == []


@pytest.mark.parametrize("package", ["tilia_async.webhooks", "tilia_sync"])
def test_who_has_set_up_no_log_sees_it_too(package: str) -> None:
    script = f"from {package} import WebhookReceiver; WebhookReceiver()"
    ended = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert "asks for no secret" in ended.stderr
    assert ended.stdout == ""


def test_the_secret_that_no_log_shows_is_named_first() -> None:
    for package in (WebhookReceiver, tilia_sync.WebhookReceiver):
        told = " ".join((inspect.getdoc(package) or "").split())
        assert 0 < told.index("basic_auth=(") < told.index("path_secret")
        assert "stands in the access log of each server" in told


@pytest.mark.asyncio
async def test_a_body_in_any_form_is_taken_and_measured_in_bytes(make: Make) -> None:
    body = delivery({**BLOCK, "note": "é" * 50})
    wide = memoryview(body + b" " * (-len(body) % 4)).cast("I")
    for form in (body, bytearray(body), memoryview(body), wide, body.decode()):
        size = len(body) if form is not wide else wide.nbytes
        assert await make(max_body=size).handle(form) == 204  # type: ignore[arg-type] - on purpose
        assert await make(max_body=size - 1).handle(form) == 413  # type: ignore[arg-type] - on purpose
    for none in (None, 5, [], "\ud800"):
        assert await make().handle(none) == 400  # type: ignore[arg-type] - on purpose


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
async def test_a_handler_of_the_other_kind_is_told_so(make: Make, caplog: pytest.LogCaptureFixture) -> None:
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


async def confirmed(tilia: TiliaClient, make: Make, kind: type[Event]) -> tuple[Either, Seen]:
    receiver, seen = make(tilia=tilia, confirm=True), Seen()
    receiver.on(kind, seen.take)
    return receiver, seen


@pytest.mark.asyncio
async def test_a_block_is_confirmed(tilia: TiliaClient, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    blocked = delivery({"account_id": account_id, "is_blocked": True})
    unblocked = delivery({"account_id": account_id, "is_blocked": False})
    assert await receiver.handle(blocked) == 409
    await tilia.accounts.block(account_id)
    assert [await receiver.handle(blocked), await receiver.handle(unblocked)] == [204, 409]
    assert [event.is_blocked for event in seen.events] == [True]
    for untold in ({"account_id": account_id}, {"is_blocked": True}, {"account_id": "nobody", "is_blocked": True},
                   {"account_id": "../x", "is_blocked": True}):  # fmt: skip
        assert await receiver.handle(delivery(untold)) == 409
    assert len(seen.events) == 1


@pytest.mark.asyncio
async def test_a_registration_is_confirmed(tilia: TiliaClient, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, RegistrationCompleted)

    async def status(**message: object) -> int:
        return await receiver.handle(delivery(message, "register-account-completed"))

    assert await status(account_id="nobody") == 409
    assert await status(account_id=account_id, username="rook") == 409
    assert await status(account_id=account_id, email={"address": "thief@mail.example"}) == 409
    assert seen.events == []
    assert await status(account_id=account_id, username="nyx", email={"address": "nyx@mail.example"}) == 204
    assert len(seen.events) == 1


@pytest.mark.asyncio
async def test_a_payment_method_and_a_wallet_are_confirmed(tilia: TiliaClient, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    method = (await tilia.payment_methods.list(account_id))[0]
    receiver, seen = await confirmed(tilia, make, PaymentMethodUpdated)
    receiver.on(WalletBalanceAlert, seen.take)

    async def status(name: str, **message: object) -> int:
        return await receiver.handle(delivery(message, name))

    pm = "payment-method-updated"
    assert await status(pm, account_id=account_id, payment_method_id=method.id, state="INACTIVE") == 409
    assert await status(pm, account_id=account_id, payment_method_id="pm_other", state="ACTIVE") == 409
    assert await status(pm, account_id=account_id, payment_method_id=method.id) == 409
    assert await status("wallet-balance-alert", wallet_id="wal_other", balance=1) == 409
    assert seen.events == []
    assert await status(pm, account_id=account_id, payment_method_id=method.id, state="ACTIVE") == 204
    assert await status("wallet-balance-alert", wallet_id=method.wallet_id, balance=1) == 204
    assert len(seen.events) == 2


@pytest.mark.asyncio
async def test_a_block_of_tilias_is_one_event_and_tilias_whichever_part_of_it_is_posted(
    tilia: TiliaClient, sandbox: Sandbox, make: Make
) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    sandbox.block_as_tilia(account_id)
    least = {"account_id": account_id, "is_blocked": True}
    (block,) = (await tilia.accounts.get_blocks(account_id)).blocks
    whole = {"is_blocked": True, "blocks": attrs.asdict(block), "account_id": account_id}
    for number, message in enumerate((least, whole, {**whole, "note": "x"}, {**least, "blocks": []}, whole)):
        assert await receiver.handle(delivery(message, sent_at=f"2026-07-03T00:00:0{number}Z")) == 204
        assert await receiver.handle(delivery(message, event_name=None)) == 204
    (event,) = seen.events
    assert event.blocks == (block,)
    assert event.blocks[0].issuer == "tilia"


@pytest.mark.asyncio
async def test_blocked_unblocked_blocked_are_three_confirmed_events(tilia: TiliaClient, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    for blocked in (True, False, True):
        await (tilia.accounts.block if blocked else tilia.accounts.unblock)(account_id)
        told = delivery({"account_id": account_id, "is_blocked": blocked})
        denied = delivery({"account_id": account_id, "is_blocked": not blocked})
        assert [await receiver.handle(body) for body in (told, denied, told)] == [204, 409, 204]
    assert [event.is_blocked for event in seen.events] == [True, False, True]


@pytest.mark.asyncio
async def test_a_block_is_not_handled_while_nobody_says_whose_it_is(
    tilia: TiliaClient, sandbox: Sandbox, make: Make
) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    await tilia.accounts.block(account_id)
    told = delivery({"account_id": account_id, "is_blocked": True})
    sandbox.faults.add("accounts.get_blocks", Fault.SERVER_ERROR_EMPTY, times=None)
    assert await receiver.handle(told) == 500
    assert seen.events == []
    sandbox.faults.clear()
    assert await receiver.handle(told) == 204
    assert [block.issuer for event in seen.events for block in event.blocks] == ["publisher"]


@pytest.mark.asyncio
async def test_a_replica_that_lags_makes_no_event(tilia: TiliaClient, sandbox: Sandbox, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    blocked, unblocked = (delivery({"account_id": account_id, "is_blocked": each}) for each in (True, False))

    def lags() -> None:
        sandbox.faults.add("accounts.get", Fault.STALE_READ, times=None, seconds=600)

    lags()
    await tilia.accounts.block(account_id)
    assert await receiver.handle(blocked) == 409
    sandbox.faults.clear()
    assert await receiver.handle(blocked) == 204
    lags()
    await tilia.accounts.unblock(account_id)
    assert await receiver.handle(unblocked) == 409
    sandbox.faults.clear()
    assert await receiver.handle(unblocked) == 204
    assert [(event.is_blocked, len(event.blocks)) for event in seen.events] == [(True, 1), (False, 0)]


@pytest.mark.asyncio
async def test_a_block_that_is_not_listed_yet_is_told_without_its_issuer(
    tilia: TiliaClient, sandbox: Sandbox, make: Make
) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    sandbox.faults.add("accounts.get_blocks", Fault.STALE_READ, times=None, seconds=600)
    await tilia.accounts.block(account_id)
    blocked = delivery({"account_id": account_id, "is_blocked": True})
    assert await receiver.handle(blocked) == 204
    sandbox.faults.clear()
    assert await receiver.handle(blocked) == 204
    assert [[block.issuer for block in event.blocks] for event in seen.events] == [[], ["publisher"]]


@pytest.mark.asyncio
async def test_what_cannot_be_asked_is_not_handled(
    tilia: TiliaClient, sandbox: Sandbox, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, seen = await confirmed(tilia, make, Event)
    assert await receiver.handle(delivery(deliveries.BALANCE_TRANSFER, "balance-transfer-completed-publisher")) == 500
    assert await receiver.handle(delivery({}, "brand-new")) == 500
    assert "BalanceTransferCompleted cannot be confirmed: there is no look-up for it" in caplog.text
    sandbox.faults.add("accounts.get", Fault.SERVER_ERROR_EMPTY, times=None)
    assert await receiver.handle(delivery(BLOCK)) == 500
    assert seen.events == []


@pytest.mark.asyncio
async def test_an_unconfirmed_block_is_not_entered_in_the_ledger(tilia: TiliaClient) -> None:
    ledger = Ledger()
    receiver = WebhookReceiver(tilia, ledger, confirm=True)
    assert await receiver.handle(delivery(BLOCK)) == 409
    assert ledger.entries == []


@pytest.mark.asyncio
async def test_what_nobody_wants_is_not_asked_for(tilia: TiliaClient, sandbox: Sandbox, make: Make) -> None:
    receiver, _ = await confirmed(tilia, make, EscrowTransactionUpdated)
    assert await receiver.handle(delivery(BLOCK)) == 204
    assert sandbox.requests == []


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"event_name":"kyc-webhook","message":1}'])
async def test_no_notification_is_400(make: Make, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert await make().handle(body) == 400
    assert "a notification was refused" in caplog.text


@pytest.mark.asyncio
async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(make: Make) -> None:
    body = delivery(BLOCK)
    assert await make(max_body=len(body)).handle(body) == 204
    assert await make(max_body=len(body) - 1).handle(body) == 413


@pytest.mark.asyncio
async def test_a_path_secret_is_the_last_segment_and_may_be_one_of_several(make: Make) -> None:
    receiver = make(path_secret=["old-secret", "new-sécret"])
    for path in ("old-secret", "/tilia/old-secret", "/tilia/new-sécret/", "/new-sécret"):
        assert await receiver.handle(delivery(BLOCK), path=path) == 204
    for path in ("", "/", "/tilia", "/old-secret/x", "/old-secre", "/old-secrett", "\udcff", "/Old-secret"):
        assert await receiver.handle(delivery(BLOCK), path=path) == 404
    assert await receiver.handle(delivery(BLOCK)) == 404
    assert await make(path_secret="one").handle(delivery(BLOCK), path="/one") == 204


@pytest.mark.asyncio
async def test_basic_credentials_may_be_one_of_several_pairs(make: Make) -> None:
    receiver = make(basic_auth=[("tilia", "old"), ("tilia", "new: sécret")])
    for header in (
        basic("tilia", "old"),
        basic("tilia", "new: sécret"),
        basic("tilia", "old").replace("Basic", "bAsIc "),
    ):
        assert await receiver.handle(delivery(BLOCK), authorization=header) == 204
    wrong = ("", "Basic", "Basic !", "Bearer x", basic("tilia", "wrong"), basic("", "old"), basic("tilia", ""), "tilia:old",
             "Basic \udcff", "Básic é", basic("tilia", "old")[:-1], "Basic " + "A" * 100_001)  # fmt: skip
    for header in wrong:
        assert await receiver.handle(delivery(BLOCK), authorization=header) == 401, header
    assert await receiver.handle(delivery(BLOCK)) == 401
    wrapped = make(basic_auth=(Secret("a"), Secret("b")), path_secret=Secret("c"))
    assert await wrapped.handle(delivery(BLOCK), authorization=basic("a", "b"), path="c") == 204
    assert await make(basic_auth=("a", "b")).handle(delivery(BLOCK), authorization=basic("a", "b")) == 204


@pytest.mark.asyncio
async def test_with_both_a_secret_and_credentials_both_are_asked_for(make: Make) -> None:
    receiver = make(path_secret="s3cret", basic_auth=("a", "b"))
    assert await receiver.handle(delivery(BLOCK), path="/s3cret") == 401
    assert await receiver.handle(delivery(BLOCK), authorization=basic("a", "b")) == 404
    assert await receiver.handle(delivery(BLOCK), path="/s3cret", authorization=basic("a", "b")) == 204


@pytest.mark.asyncio
async def test_who_is_not_known_learns_nothing_of_what_else_is_wrong(make: Make) -> None:
    receiver = make(path_secret="s3cret", max_body=1).receiver
    assert receiver.refusal("GET", "/wrong") == 404
    assert receiver.refusal("GET", "/s3cret") == 405
    assert receiver.refusal("POST", "/s3cret", content_length=2) == 413
    assert receiver.refusal("POST", "/s3cret", content_length=1) is None


@pytest.mark.parametrize("wrong", ["", "a/canary", "/", ".", "..", "canary\n", [], ["fine", ""], [None], [5]])
def test_path_secrets_that_cannot_be_sent(wrong: object) -> None:
    for package in (WebhookReceiver, tilia_sync.WebhookReceiver):
        with pytest.raises(ConfigurationError, match="path_secret") as caught:
            package(path_secret=wrong)
        shows_no_secret(caught.value)


@pytest.mark.parametrize(
    "wrong", [("", "canary"), ("a:b", "canary"), ("a", ""), [], ["a", "canary"], [("a", "canary"), ()], ("a", None)]
)
def test_basic_credentials_that_are_none(wrong: object) -> None:
    for package in (WebhookReceiver, tilia_sync.WebhookReceiver):
        with pytest.raises(ConfigurationError, match="basic_auth") as caught:
            package(basic_auth=wrong)
        shows_no_secret(caught.value)


def shows_no_secret(error: BaseException) -> None:
    assert frames(error)
    search(["canary"], places(error))


@pytest.mark.asyncio
async def test_secrets_are_in_no_repr_and_no_log(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    receiver = make(path_secret="canary-path", basic_auth=("user", "canary-password"))
    receiver.on(Event, Seen(failures=1).take)
    request = {"path": "/canary-path", "authorization": basic("user", "canary-password")}
    for body, expected in ((delivery(BLOCK), 500), (delivery(BLOCK), 204), (delivery(BLOCK), 204), (b"{", 400)):
        assert await receiver.handle(body, **request) == expected
    core = receiver.receiver._core
    shown = caplog.text + repr([receiver.receiver, vars(receiver.receiver), vars(core), vars(core.gate)])
    assert "canary" not in shown
    assert basic("user", "canary-password")[6:] not in shown
    assert caplog.records


@pytest.mark.asyncio
async def test_the_frames_of_a_failed_handler_hold_no_secret(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    receiver = make(path_secret="canary-path", basic_auth=("user", "canary-password"))
    receiver.on(Event, Seen(failures=1).take)
    await receiver.handle(delivery(BLOCK), path="/canary-path", authorization=basic("user", "canary-password"))
    (record,) = [each for each in caplog.records if each.exc_info]
    assert record.exc_info is not None
    assert record.exc_info[1] is not None
    shows_no_secret(record.exc_info[1])
