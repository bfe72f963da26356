"""Spans and metrics by the real SDK of OpenTelemetry: their names, their tree, and what goes on the wire."""

from __future__ import annotations

import asyncio
import contextvars
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry import context, trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.trace import SpanKind, StatusCode
from support.hostile import Connection, hostile_server
from support.observing import Telemetry

import tilia_sync
from tilia_async import Limits, TiliaClient, errors
from tilia_async.observe import ObservedAttempt, ObservedCall, Observer
from tilia_async.otel import OpenTelemetryObserver, TiliaInstrumentor
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache


@pytest.mark.asyncio
async def test_a_call_is_a_span_and_each_attempt_a_span_of_a_client_in_it(
    make: Callable[..., TiliaClient], sandbox: Sandbox, telemetry: Telemetry
) -> None:
    tilia = make()
    nyx = await tilia.accounts.register("nyx", email="nyx@mail.example")
    sandbox.faults.add("accounts.block", Fault.SERVER_ERROR_HTML)
    telemetry.exporter.clear()
    with telemetry.tracers.get_tracer("mine").start_as_current_span("mine") as mine:
        await tilia.accounts.block(nyx.account_id, reason="chargeback")

    (call,) = telemetry.named("accounts.block")
    assert (call.kind, call.parent.span_id) == (SpanKind.INTERNAL, mine.get_span_context().span_id)
    wait = call.attributes["tilia.token.wait_time"]
    assert dict(call.attributes) == {
        "tilia.operation": "accounts.block", "tilia.attempts": 2, "tilia.took_effect": "true", "tilia.token.wait_time": wait
    }  # fmt: skip
    assert call.status.status_code is StatusCode.UNSET

    first, second = telemetry.named("POST /v1/{account_id}/user-info/block")
    assert {first.kind, second.kind} == {SpanKind.CLIENT}
    assert first.parent.span_id == second.parent.span_id == call.context.span_id
    common = {
        "http.request.method": "POST", "url.template": "/v1/{account_id}/user-info/block",
        "server.address": "127.0.0.1", "server.port": sandbox.port, "tilia.sent": True,
    }  # fmt: skip
    decision = first.attributes["tilia.decision"]
    assert decision.startswith("attempt 2 of 3 follows")
    failed = {"http.response.status_code": 500, "error.type": "500", "tilia.decision": decision}
    assert dict(first.attributes) == {**common, **failed}
    assert dict(second.attributes) == {**common, "http.response.status_code": 200, "http.request.resend_count": 1}
    assert (first.status.status_code, second.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)

    sent = [request.headers["traceparent"] for request in sandbox.requests if request.operation == "accounts.block"]
    assert [each.split("-")[2] for each in sent] == [f"{span.context.span_id:016x}" for span in (first, second)]


@pytest.mark.asyncio
async def test_a_token_has_a_trace_of_its_own_that_is_linked_to_the_call(
    make: Callable[..., TiliaClient], telemetry: Telemetry
) -> None:
    with telemetry.tracers.get_tracer("mine").start_as_current_span("mine"):
        await make().accounts.register("nyx", email="nyx@mail.example")
    (call,), (token,), (request,) = map(telemetry.named, ("accounts.register", "auth.token", "POST /token"))
    assert token.parent is None
    assert token.context.trace_id == request.context.trace_id != call.context.trace_id
    assert request.parent.span_id == token.context.span_id
    assert [link.context.span_id for link in token.links] == [call.context.span_id]


@pytest.mark.asyncio
async def test_a_token_that_nobody_with_a_span_asked_for_has_no_link(
    make: Callable[..., TiliaClient], telemetry: Telemetry
) -> None:
    await make().access_token({"search_accounts"})
    (token,) = telemetry.named("auth.token")
    assert (token.parent, list(token.links)) == (None, [])


@pytest.mark.asyncio
async def test_a_failure_sets_the_status_and_the_class_and_no_words(
    make: Callable[..., TiliaClient], telemetry: Telemetry
) -> None:
    with pytest.raises(errors.NotFoundError):
        await make().accounts.find("nyx-the-first")
    (call,), (attempt,) = telemetry.named("accounts.find"), telemetry.named("GET /v1/user-info/search")
    assert (call.attributes["error.type"], call.status.status_code) == ("NotFoundError", StatusCode.ERROR)
    assert (attempt.attributes["error.type"], attempt.status.status_code) == ("404", StatusCode.ERROR)
    assert call.status.description is attempt.status.description is None
    assert not call.events


@pytest.mark.asyncio
async def test_cancellation_ends_both_spans_and_leaves_the_context_as_it_was(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    async def silent(connection: Connection) -> None:
        await connection.tokens()
        await asyncio.Event().wait()

    async def cancelled(tilia: TiliaClient) -> None:
        before = context.get_current()
        with pytest.raises(asyncio.CancelledError):
            await tilia.accounts.block("acct_1")
        assert context.get_current() is before

    async with hostile_server(silent) as server:
        async with TiliaClient("id", "s3cret", server.template, token_cache=TokenCache()) as tilia:
            task = asyncio.create_task(cancelled(tilia))
            await server.arrived.wait()
            task.cancel()
            await task
    (call,), (attempt,) = telemetry.named("accounts.block"), telemetry.named("POST /v1/{account_id}/user-info/block")
    assert attempt.parent.span_id == call.context.span_id
    assert {call.attributes["error.type"], attempt.attributes["error.type"]} == {"CancelledError"}
    assert (call.attributes["tilia.took_effect"], attempt.attributes["tilia.sent"]) == ("unknown", True)
    assert "detach" not in caplog.text


@pytest.mark.asyncio
async def test_a_call_that_is_thrown_away_ends_its_spans(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    async def silent(connection: Connection) -> None:
        await connection.tokens()
        await asyncio.Event().wait()

    async with hostile_server(silent) as server:
        async with TiliaClient("id", "s3cret", server.template, token_cache=TokenCache()) as tilia:
            await tilia.access_token({"search_accounts"})
            call = tilia.accounts.get("acct_1")
            call.send(None)
            # As the garbage collector does it: in whatever context there is.
            contextvars.Context().run(call.close)
    (span,) = telemetry.named("accounts.get")
    assert span.attributes["error.type"] == "GeneratorExit"
    assert "detach" not in caplog.text


@pytest.mark.asyncio
async def test_metrics_count_requests_calls_retries_tokens_and_waits(sandbox: Sandbox, telemetry: Telemetry) -> None:
    one = Limits(connections=1, per_host=1)
    settings = {"limits": one, "token_cache": TokenCache()}
    async with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment, **settings) as tilia:
        nyx = await tilia.accounts.register("nyx", email="nyx@mail.example")
        sandbox.faults.add("accounts.get", Fault.RATE_LIMITED, retry_after=0)
        sandbox.faults.add("accounts.get", Fault.LATENCY, seconds=0.05)
        await tilia.accounts.get(nyx.account_id)
        await asyncio.gather(*(tilia.accounts.get(nyx.account_id) for _ in range(2)))

    template = "/v1/{account_id}/user-info"
    requests = [
        each for each in telemetry.points("http.client.request.duration") if each.attributes["url.template"] == template
    ]
    assert sorted((each.attributes["http.response.status_code"], each.attributes.get("error.type"), each.count) for each in requests) == [
        (200, None, 3), (429, "429", 1)
    ]  # fmt: skip
    assert requests[0].explicit_bounds[:3] == (0.005, 0.01, 0.025)
    calls = {each.attributes["tilia.operation"]: each.count for each in telemetry.points("tilia.client.call.duration")}
    assert calls == {"accounts.register": 1, "accounts.get": 3}
    (retries,) = telemetry.points("tilia.client.retries")
    assert (dict(retries.attributes), retries.value) == ({"tilia.operation": "accounts.get"}, 1)
    assert sum(each.count for each in telemetry.points("tilia.client.token.exchange.duration")) == 2
    assert sum(each.count for each in telemetry.points("tilia.client.token.wait_time")) == 2
    assert sum(each.count for each in telemetry.points("tilia.client.connection.wait_time")) == 1


@pytest.mark.asyncio
async def test_metrics_count_the_accounts_of_jobs(make: Callable[..., TiliaClient], telemetry: Telemetry) -> None:
    tilia = make()
    nyx = await tilia.accounts.register("nyx", email="nyx@mail.example")
    await tilia.bulk.block([nyx.account_id, "5e1c3f5a-8d3e-4c55-9a51-2f1f7c1d2e3f", "no/id"])
    counted = {
        (each.attributes["tilia.bulk.action"], each.attributes["tilia.bulk.outcome"]): each.value
        for each in telemetry.points("tilia.bulk.accounts")
    }
    assert counted == {("block", "done"): 1, ("block", "not_found"): 1, ("block", "failed"): 1}
    assert [each.value for each in telemetry.points("tilia.bulk.active_jobs")] == [0]


@pytest.mark.asyncio
async def test_the_instrumentation_of_aiohttp_makes_no_second_span(sandbox: Sandbox, telemetry: Telemetry) -> None:
    AioHttpClientInstrumentor().instrument(tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    try:
        async with TiliaClient(
            sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache()
        ) as tilia:
            await tilia.accounts.register("nyx", email="nyx@mail.example")
            names = [span.name for span in telemetry.spans if span.kind is SpanKind.CLIENT]
            assert names == ["POST /token", "POST /register"]
            TiliaInstrumentor().uninstrument()
            telemetry.exporter.clear()
            await tilia.accounts.find("nyx")
            assert "GET" in {span.name for span in telemetry.spans}, "it was there all along"
    finally:
        AioHttpClientInstrumentor().uninstrument()


@pytest.mark.asyncio
async def test_whoever_suppresses_instrumentation_gets_none(
    make: Callable[..., TiliaClient], telemetry: Telemetry
) -> None:
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    tilia = make()
    with suppress_instrumentation():
        await tilia.accounts.register("nyx", email="nyx@mail.example")
    assert [span.name for span in telemetry.spans if not span.name.endswith("token")] == []


@pytest.mark.asyncio
async def test_one_client_alone_can_have_it(sandbox: Sandbox, telemetry: Telemetry) -> None:
    TiliaInstrumentor().uninstrument()
    observer = OpenTelemetryObserver(telemetry.tracers, telemetry.meters)
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, observers=[observer], token_cache=TokenCache()
    ) as tilia:
        await tilia.accounts.register("nyx", email="nyx@mail.example")
    assert len(telemetry.named("accounts.register")) == 1


@pytest.mark.asyncio
async def test_spans_are_current_where_others_look_for_them(sandbox: Sandbox, telemetry: Telemetry) -> None:
    seen: list[tuple[str, str]] = []

    class Looks(Observer):
        def attempt_ended(self, call: ObservedCall, attempt: ObservedAttempt) -> None:
            seen.append((call.operation, trace.get_current_span().name))

        def call_ended(self, call: ObservedCall) -> None:
            seen.append((call.operation, trace.get_current_span().name))

    two = [OpenTelemetryObserver(telemetry.tracers, telemetry.meters), Looks()]
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, observers=two, token_cache=TokenCache()
    ) as tilia:
        with telemetry.tracers.get_tracer("mine").start_as_current_span("mine") as mine:
            await tilia.accounts.register("nyx", email="nyx@mail.example")
            assert trace.get_current_span() is mine
    assert seen == [
        ("auth.token", "POST /token"), ("auth.token", "auth.token"),
        ("accounts.register", "POST /register"), ("accounts.register", "accounts.register"),
    ]  # fmt: skip


def test_a_synchronous_call_is_in_the_span_of_its_caller_and_leaves_it_current(
    sandbox_in_thread: tilia_sync.Sandbox, telemetry: Telemetry
) -> None:
    sandbox = sandbox_in_thread
    with tilia_sync.TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache()
    ) as tilia:
        with telemetry.tracers.get_tracer("mine").start_as_current_span("mine") as mine:
            before = context.get_current()
            tilia.accounts.register("nyx", email="nyx@mail.example")
            assert context.get_current() is before
    (call,) = telemetry.named("accounts.register")
    assert call.parent.span_id == mine.get_span_context().span_id


def test_instrumenting_twice_is_once_and_ending_twice_is_nothing(telemetry: Telemetry) -> None:
    from tilia_async.observe.hooks import EVERYWHERE

    TiliaInstrumentor().instrument(skip_dep_check=True)
    assert len(EVERYWHERE) == 1
    assert TiliaInstrumentor().is_instrumented_by_opentelemetry
    TiliaInstrumentor().uninstrument()
    TiliaInstrumentor().uninstrument()
    assert EVERYWHERE == []
    assert not TiliaInstrumentor().is_instrumented_by_opentelemetry


def test_opentelemetry_instrument_finds_it(tmp_path: Path) -> None:
    command = shutil.which("opentelemetry-instrument", path=str(Path(sys.executable).parent))
    assert command is not None
    script = tmp_path / "application.py"
    script.write_text(
        "from tilia_async.otel import TiliaInstrumentor\nprint(TiliaInstrumentor().is_instrumented_by_opentelemetry)\n"
    )
    done = subprocess.run(
        [command, sys.executable, script], capture_output=True, text=True, timeout=50, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout.split()) == (0, ["True"]), done.stderr
