"""Each call tells its observers from start to end, in both packages, and none of them can fail it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import pytest
from support.hostile import Connection, hostile_server
from support.observing import Kept
from support.quick import QUICK

import tilia_sync
from tilia_async import Limits, Operation, Repeat, RequestOptions, Service, TiliaClient, errors
from tilia_async.observe import ObservedAttempt, ObservedCall, Observer
from tilia_async.observe.hooks import EVERYWHERE, HOOKS
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache

WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)
READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)


def client(template: str, kept: Observer, **settings: object) -> TiliaClient:
    settings = {"retry": QUICK, "token_cache": TokenCache(), **settings}
    return TiliaClient("id", "s3cret", template, observers=[kept], **settings)


async def answered(connection: Connection) -> None:
    while await connection.tokens() is not None:
        await connection.answer()


@pytest.mark.asyncio
async def test_a_call_is_observed_from_its_start_to_its_end(
    make: Callable[..., TiliaClient], sandbox: Sandbox, kept: Kept
) -> None:
    nyx = await make().accounts.register("nyx", email="nyx@mail.example")
    sandbox.faults.add("accounts.get", Fault.SERVER_ERROR_HTML)
    await make(observers=[kept]).accounts.get(nyx.account_id)

    exchange = ["auth.token started", "auth.token attempt 1 started", "auth.token attempt 1 ended", "auth.token ended"]
    attempts = [f"accounts.get attempt {number} {what}" for number in (1, 2) for what in ("started", "ended")]
    assert kept.told == ["accounts.get started", *exchange, *attempts, "accounts.get ended"]

    call, token = kept.of("accounts.get"), kept.of("auth.token")
    assert (call.method, call.template, call.server, call.port) == (
        "GET", "/v1/{account_id}/user-info", "127.0.0.1", sandbox.port
    )  # fmt: skip
    assert (call.attempts, call.error, call.took_effect, call.asked_by) == (2, None, False, None)
    assert 0 < token.elapsed <= call.waited_for_token < call.elapsed
    assert (token.template, token.asked_by) == ("/token", call)

    _, first, second = kept.attempts
    assert (first.number, first.status, first.sent, first.outcome) == (1, 500, True, "ServerError")
    assert first.decision.startswith("attempt 2 of 3 follows in")
    assert first.wait == 0
    assert (second.number, second.status, second.outcome, second.decision, second.wait) == (2, 200, "success", "", None)
    assert 0 < first.elapsed + second.elapsed < call.elapsed


@pytest.mark.asyncio
async def test_a_failure_is_observed_by_its_class_and_without_its_words(
    make: Callable[..., TiliaClient], kept: Kept
) -> None:
    with pytest.raises(errors.NotFoundError):
        await make(observers=[kept]).accounts.find("nyx-the-first")
    call = kept.of("accounts.find")
    assert isinstance(call.error, errors.NotFoundError)
    assert (call.error.operation, call.error.status, call.error.took_effect) == ("accounts.find", 404, False)
    assert (str(call.error), call.error.reference, call.error.messages) == ("accounts.find: 404 Not Found", {}, ())
    assert kept.attempts[-1].outcome == "NotFoundError"
    assert kept.attempts[-1].decision == "status 404 would come again"


@pytest.mark.parametrize(
    "kind", [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.TiliaError)]
)
def test_each_error_can_be_observed_without_its_words(kind: type[errors.TiliaError]) -> None:
    from tilia_async.observe.watched_call import without_words

    error = kind("acct_7 of nyx@mail.example")
    error.took_effect, error.reference = None, {"account_id": "acct_7"}
    bare = without_words("things.write", error)
    assert type(bare) is kind
    assert isinstance(bare, errors.TiliaError)
    assert (bare.operation, bare.took_effect) == ("things.write", None)
    assert "acct_7" not in repr((bare, bare.args, bare.__dict__, bare.explain()))


class Stop(BaseException):
    """An interrupt of the user's own, as a signal handler raises it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)


@pytest.mark.parametrize("interrupt", [Stop(15), BaseExceptionGroup("two", [Stop(15), KeyboardInterrupt()])])
@pytest.mark.asyncio
async def test_an_interrupt_that_wants_arguments_stays_what_it_is(kept: Kept, interrupt: BaseException) -> None:
    async with client("http://127.0.0.1:9/{service}", kept) as tilia:
        calling = tilia.send(READ)
        calling.send(None)
        with pytest.raises(type(interrupt)) as caught:
            calling.throw(interrupt)
    assert caught.value is interrupt
    assert kept.told[-1] == "things.read ended"


@pytest.mark.asyncio
async def test_a_token_that_is_not_to_be_had_ends_both_calls(sandbox: Sandbox, kept: Kept) -> None:
    wrong = TiliaClient(
        sandbox.client_id, "wrong", sandbox.environment, retry=QUICK, token_cache=TokenCache(), observers=[kept]
    )
    async with wrong as tilia:
        with pytest.raises(errors.TokenError) as caught:
            await tilia.accounts.get("acct_1")
    assert [call.operation for call in kept.calls] == ["auth.token", "accounts.get"]
    token, call = kept.calls
    assert isinstance(token.error, errors.TokenError)
    assert isinstance(call.error, errors.TokenError)
    assert (call.attempts, call.error.status) == (0, caught.value.status)
    assert [attempt.decision for attempt in kept.attempts] == ["it would come again"]


@pytest.mark.asyncio
@pytest.mark.parametrize(("operation", "effect"), [(WRITE, None), (READ, False)])
async def test_a_cancelled_call_ends_for_its_observers(
    operation: Operation[dict[str, str]], effect: bool | None, kept: Kept
) -> None:
    async def silent(connection: Connection) -> None:
        await connection.tokens()
        await asyncio.Event().wait()

    async with hostile_server(silent) as server, client(server.template, kept) as tilia:
        call = asyncio.create_task(tilia.send(operation))
        await server.arrived.wait()
        call.cancel()
        await asyncio.wait([call])
    seen = kept.of(operation.name)
    assert isinstance(seen.error, asyncio.CancelledError)
    assert seen.took_effect is effect
    assert seen.elapsed > 0
    assert kept.told[-2:] == [f"{operation.name} attempt 1 ended", f"{operation.name} ended"]
    last = kept.attempts[-1]
    assert (last.status, last.sent, last.outcome) == (None, True, "CancelledError")


@pytest.mark.asyncio
async def test_a_call_whose_time_is_over_ends_with_what_is_known(kept: Kept) -> None:
    async def silent(connection: Connection) -> None:
        await connection.tokens()
        await asyncio.Event().wait()

    async with hostile_server(silent) as server, client(server.template, kept) as tilia:
        await tilia.access_token(())
        with pytest.raises(errors.OutcomeUnknownError):
            await tilia.send(WRITE, options=RequestOptions(timeout=0.1))
    call = kept.of("things.write")
    assert isinstance(call.error, errors.OutcomeUnknownError)
    assert call.took_effect is None
    last = kept.attempts[-1]
    assert (last.sent, last.outcome, last.decision) == (True, "OutcomeUnknownError", "the call's time is over")


@pytest.mark.asyncio
async def test_no_connection_is_an_attempt_that_was_not_sent(unused_tcp_port: int, kept: Kept) -> None:
    async with client(f"http://127.0.0.1:{unused_tcp_port}/{{service}}", kept) as tilia:
        with pytest.raises(errors.ConnectError):
            await tilia.send(WRITE)
    assert {attempt.outcome for attempt in kept.attempts} == {"ConnectError"}
    assert not any(attempt.sent for attempt in kept.attempts)


@pytest.mark.asyncio
async def test_the_wait_for_a_connection_is_observed(kept: Kept) -> None:
    go_on = asyncio.Event()

    async def slow(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await go_on.wait()
            await connection.answer()

    one = Limits(connections=1, per_host=1)
    async with hostile_server(slow) as server, client(server.template, kept, limits=one) as tilia:
        await tilia.access_token(())
        calls = [asyncio.create_task(tilia.send(READ)) for _ in range(2)]
        await server.arrived.wait()
        await asyncio.sleep(0.02)
        go_on.set()
        await asyncio.gather(*calls)
    first, second = [attempt for attempt in kept.attempts if attempt.token_generation and attempt.sent][-2:]
    assert first.waited == 0
    assert 0 < second.waited < second.elapsed


@pytest.mark.asyncio
async def test_a_wait_for_a_connection_that_was_in_vain_is_observed_too(kept: Kept) -> None:
    async def silent(connection: Connection) -> None:
        await connection.tokens()
        await asyncio.Event().wait()

    one = Limits(connections=1, per_host=1)
    async with hostile_server(silent) as server, client(server.template, kept, limits=one) as tilia:
        await tilia.access_token(())
        first = asyncio.create_task(tilia.send(WRITE))
        await server.arrived.wait()
        with pytest.raises(errors.DeadlineExceededError):
            await tilia.send(WRITE, options=RequestOptions(timeout=0.1))
        late = kept.attempts[-1]
        assert (late.sent, late.outcome) == (False, "DeadlineExceededError")
        assert 0.05 < late.waited <= late.elapsed
        first.cancel()
        await asyncio.wait([first])


class Failing(Observer):
    """Fails wherever it is asked."""


def _fail(*_: object) -> None:
    raise ZeroDivisionError("an observer's own defect")


def _cancel(*_: object) -> None:
    raise asyncio.CancelledError


@pytest.mark.asyncio
@pytest.mark.parametrize("defect", [_fail, _cancel])
async def test_an_observer_that_fails_fails_no_call(
    make: Callable[..., TiliaClient], kept: Kept, defect: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing()
    for name in HOOKS:
        hook = type(name, (), {"__call__": staticmethod(defect)})()
        hook.__qualname__ = f"Failing.{name} {defect.__name__} {id(failing)}"
        setattr(failing, name, hook)
    tilia = make(observers=[failing, kept])
    for number in range(2):
        await tilia.accounts.register(f"nyx{number}", email="nyx@mail.example")
    assert kept.told[-1] == "accounts.register ended"
    assert [call.error for call in kept.calls] == [None] * 3
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 4, "each hook that was called, once"
    assert all(record.exc_info for record in told)


@pytest.mark.asyncio
async def test_headers_go_with_each_attempt(make: Callable[..., TiliaClient], sandbox: Sandbox, kept: Kept) -> None:
    """Headers that the caller gave stay as they are."""
    kept.headers = {"traceparent": "00-1-2-01", "X-Mine": "observer"}
    nyx = await make().accounts.register("nyx", email="nyx@mail.example")
    sandbox.requests.clear()
    sandbox.faults.add("accounts.get", Fault.RATE_LIMITED, retry_after=0)
    mine = RequestOptions(headers={"x-mine": "caller"})
    await make(observers=[kept]).accounts.get(nyx.account_id, options=mine)
    assert [request.headers["traceparent"] for request in sandbox.requests] == ["00-1-2-01"] * 3
    assert [request.headers.getall("x-mine") for request in sandbox.requests] == [["observer"], ["caller"], ["caller"]]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer mine"}, {"X-Split": "a\r\nb"}, {"X-Number": 7}, ["traceparent"]]
)
async def test_headers_that_cannot_be_sent_are_left_out_and_fail_no_call(
    make: Callable[..., TiliaClient],
    sandbox: Sandbox,
    kept: Kept,
    headers: object,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept.headers = headers
    monkeypatch.setattr("tilia_async.observe.hooks._failed", set())
    await make(observers=[kept]).accounts.register("nyx", email="nyx@mail.example")
    assert caplog.text.count("Kept.attempt_started returns headers that are not sent: ") == 1
    assert not any("X-Split" in request.headers or "X-Number" in request.headers for request in sandbox.requests)


@pytest.mark.asyncio
async def test_a_call_that_was_never_begun_is_not_observed(make: Callable[..., TiliaClient], kept: Kept) -> None:
    tilia = make(observers=[kept])
    with pytest.raises(errors.InvalidRequestError):
        await tilia.accounts.get("no/id")
    await tilia.aclose()
    with pytest.raises(errors.ClientClosedError):
        await tilia.accounts.get("acct_1")
    assert kept.told == []


class Coroutine(Observer):
    async def call_ended(self, call: ObservedCall) -> None:  # type: ignore[override]  # wrong on purpose
        """Never awaited."""


@pytest.mark.parametrize("package", [TiliaClient, tilia_sync.TiliaClient])
@pytest.mark.parametrize(
    ("observers", "problem"),
    [
        ([object()], "an object of a subclass of Observer is wanted, not object"),
        ([Coroutine()], "Coroutine.call_ended is a coroutine function"),
        (Observer(), "a list of Observer objects is wanted, not Observer"),
    ],
)
def test_what_cannot_observe_is_refused(package: type[TiliaClient], observers: object, problem: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=problem):
        package("id", "s3cret", "staging", observers=observers)


def test_observers_of_the_synchronous_client_are_called_in_the_threads_of_the_loop(sandbox_in_thread: Sandbox) -> None:
    threads: set[threading.Thread] = set()

    class Where(Observer):
        def attempt_started(self, call: ObservedCall, attempt: ObservedAttempt) -> None:
            threads.add(threading.current_thread())

    sandbox = sandbox_in_thread
    with tilia_sync.TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, observers=[Where()], token_cache=TokenCache()
    ) as tilia:
        tilia.accounts.register("nyx", email="nyx@mail.example")
    (thread,) = threads
    assert thread is not threading.current_thread()


@pytest.mark.asyncio
async def test_observers_of_the_whole_process_see_clients_that_were_there_before(kept: Kept) -> None:
    async with hostile_server(answered) as server:
        async with TiliaClient("id", "s3cret", server.template, token_cache=TokenCache()) as tilia:
            await tilia.send(READ)
            EVERYWHERE.append(kept)
            try:
                await tilia.send(READ)
            finally:
                EVERYWHERE.remove(kept)
            await tilia.send(READ)
    assert [call.operation for call in kept.calls] == ["things.read"]


@pytest.mark.asyncio
async def test_each_step_of_a_look_up_is_observed(sandbox: Sandbox, kept: Kept) -> None:
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, retry=QUICK, observers=[kept]
    ) as tilia:
        nyx = await tilia.accounts.register("nyx", email="nyx@mail.example")
        sandbox.faults.add("accounts.block", Fault.DROP_AFTER_COMMIT, times=None)
        with pytest.raises(errors.OutcomeUnknownError) as caught:
            await tilia.accounts.block(nyx.account_id)
        since = time.monotonic()
        await tilia.reconcile(caught.value)
        assert time.monotonic() >= since
    operations = [call.operation for call in kept.calls if call.operation != "auth.token"]
    assert operations[:2] == ["accounts.register", "accounts.block"]
    assert len(operations) > 2
