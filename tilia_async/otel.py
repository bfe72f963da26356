"""OpenTelemetry: a span for each call and attempt, and metrics.

It needs the extra ``otel``, which is ``opentelemetry-api`` alone. ``opentelemetry-instrument`` finds it by itself;
without that::

    TiliaInstrumentor().instrument()

Spans and metrics name operations and path templates. No id, address or value of a call is in any of them: so there is
no ``url.full`` either, which the conventions want.
"""

from __future__ import annotations

from contextvars import Token
from typing import ClassVar, Final, TypeAlias

import attrs

from tilia_async.observe.hooks import EVERYWHERE
from tilia_async.observe.observer import ObservedAttempt, ObservedCall, ObservedJob, Observer
from tilia_async.version import __version__

try:
    from opentelemetry import context, metrics, propagate, trace
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, Meter, MeterProvider
    from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"tilia_async.otel needs {_error.name}, which is not installed: pip install 'tilia-sdk[otel]'", name=_error.name
    ) from None

__all__ = ["OpenTelemetryObserver", "TiliaInstrumentor"]

_NAME: Final = "tilia_async"
_EXCHANGE: Final = "auth.token"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Buckets of durations, as the conventions for HTTP advise."""

# The instrumentations of HTTP libraries ask for these; the interface has no public names for them yet.
_NO_HTTP: Final = str(vars(context).get("_SUPPRESS_HTTP_INSTRUMENTATION_KEY"))
_NOTHING: Final = str(vars(context).get("_SUPPRESS_INSTRUMENTATION_KEY"))

_Attributes: TypeAlias = dict[str, str | int | bool | float]


@attrs.define(eq=False)
class _Entered:
    """A span, and what to do to leave it."""

    span: Span
    left: Token[Context]

    def leave(self, error_type: str | None, *, elsewhere: bool = False) -> None:
        if error_type is not None:
            self.span.set_attribute("error.type", error_type)
            self.span.set_status(Status(StatusCode.ERROR))
        if not elsewhere:
            context.detach(self.left)
        self.span.end()


@attrs.define(eq=False)
class _Open:
    """A call under way."""

    call: _Entered
    attempt: _Entered | None = None


class OpenTelemetryObserver(Observer):
    """An observer that makes spans and metrics of calls.

    ``TiliaInstrumentor`` gives one to all clients; a client of its own can have it by ``observers=[…]``.

    Args:
        tracer_provider: None: the one of the process.
        meter_provider: None: the one of the process.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        meter = metrics.get_meter(_NAME, __version__, meter_provider)
        self._requests = _durations(meter, "http.client.request.duration", "Duration of HTTP client requests.")
        self._calls = _durations(meter, "tilia.client.call.duration", "Duration of calls, with all waits and attempts.")
        self._exchanges = _durations(
            meter, "tilia.client.token.exchange.duration", "Duration of exchanges with the token endpoint."
        )
        self._waits_for_token = _durations(
            meter, "tilia.client.token.wait_time", "Time that calls waited for a token, if none was at hand."
        )
        self._waits_for_connection = _durations(
            meter, "tilia.client.connection.wait_time", "Time that attempts waited for a connection to be free."
        )
        self._retries = meter.create_counter("tilia.client.retries", "{attempt}", "Attempts after the first of a call.")
        self._accounts = meter.create_counter("tilia.bulk.accounts", "{account}", "Accounts of bulk jobs.")
        self._jobs = meter.create_up_down_counter("tilia.bulk.active_jobs", "{job}", "Bulk jobs under way.")
        self._open: dict[ObservedCall, _Open] = {}

    def call_started(self, call: ObservedCall) -> None:
        if context.get_value(_NOTHING):
            return
        attributes = {"tilia.operation": call.operation}
        if call.operation == _EXCHANGE:
            # It belongs to nobody's task: others may wait for it, too, and whoever asked for it may be gone before.
            asking = None if call.asked_by is None else self._open.get(call.asked_by)
            links = [] if asking is None else [Link(asking.call.span.get_span_context())]
            span = self._tracer.start_span(call.operation, Context(), attributes=attributes, links=links)
        else:
            span = self._tracer.start_span(call.operation, attributes=attributes)
        self._open[call] = _Open(_Entered(span, context.attach(trace.set_span_in_context(span))))

    def attempt_started(self, call: ObservedCall, attempt: ObservedAttempt) -> dict[str, str]:
        under_way = self._open.get(call)
        if under_way is None:
            return {}
        attributes = _http(call)
        if attempt.number > 1:
            attributes["http.request.resend_count"] = attempt.number - 1
            self._retries.add(1, {"tilia.operation": call.operation})
        span = self._tracer.start_span(f"{call.method} {call.template}", kind=SpanKind.CLIENT, attributes=attributes)
        within = trace.set_span_in_context(span, context.set_value(_NO_HTTP, value=True))
        under_way.attempt = _Entered(span, context.attach(within))
        headers: dict[str, str] = {}
        propagate.inject(headers)
        return headers

    def attempt_ended(self, call: ObservedCall, attempt: ObservedAttempt) -> None:
        under_way = self._open.get(call)
        if under_way is None or under_way.attempt is None:
            return
        entered, under_way.attempt = under_way.attempt, None
        failed = attempt.outcome != "success"
        error_type = None if not failed else attempt.outcome if (attempt.status or 0) < 400 else str(attempt.status)
        attributes = _http(call)
        if attempt.status is not None:
            attributes["http.response.status_code"] = attempt.status
            entered.span.set_attribute("http.response.status_code", attempt.status)
        if error_type is not None:
            attributes["error.type"] = error_type
        entered.span.set_attribute("tilia.sent", attempt.sent)
        if attempt.decision:
            entered.span.set_attribute("tilia.decision", attempt.decision)
        self._requests.record(attempt.elapsed, attributes)
        if attempt.waited:
            self._waits_for_connection.record(attempt.waited, {"tilia.operation": call.operation})
        entered.leave(error_type, elsewhere=attempt.outcome == GeneratorExit.__name__)

    def call_ended(self, call: ObservedCall) -> None:
        under_way = self._open.pop(call, None)
        if under_way is None:
            return
        entered, error_type = under_way.call, None if call.error is None else type(call.error).__name__
        attributes: _Attributes = {} if call.operation == _EXCHANGE else {"tilia.operation": call.operation}
        if error_type is not None:
            attributes["error.type"] = error_type
        entered.span.set_attribute("tilia.attempts", call.attempts)
        entered.span.set_attribute("tilia.took_effect", _effect(call.took_effect))
        if call.waited_for_token:
            entered.span.set_attribute("tilia.token.wait_time", call.waited_for_token)
            self._waits_for_token.record(call.waited_for_token, {"tilia.operation": call.operation})
        (self._exchanges if call.operation == _EXCHANGE else self._calls).record(call.elapsed, attributes)
        entered.leave(error_type, elsewhere=isinstance(call.error, GeneratorExit))

    def job_started(self, job: ObservedJob) -> None:
        self._jobs.add(1, {"tilia.bulk.action": job.action})

    def account_settled(self, job: ObservedJob, outcome: str) -> None:
        self._accounts.add(1, {"tilia.bulk.action": job.action, "tilia.bulk.outcome": outcome})

    def job_ended(self, job: ObservedJob) -> None:
        self._jobs.add(-1, {"tilia.bulk.action": job.action})


class TiliaInstrumentor:
    """Instruments all clients of the process.

    One is as good as another: what one has begun, another may end.
    """

    _observer: ClassVar[OpenTelemetryObserver | None] = None

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """True between ``instrument`` and ``uninstrument``."""
        return self._observer is not None

    def instrument(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        **_settings: object,
    ) -> None:
        """Make spans and metrics of all calls from now on.

        Of clients that are there already, too. A second time does nothing.

        Args:
            tracer_provider: None: the one of the process.
            meter_provider: None: the one of the process.
        """
        if self._observer is None:
            TiliaInstrumentor._observer = OpenTelemetryObserver(tracer_provider, meter_provider)
            EVERYWHERE.append(TiliaInstrumentor._observer)

    def uninstrument(self, **_settings: object) -> None:
        """Make no more of them."""
        if self._observer is not None:
            EVERYWHERE.remove(self._observer)
            TiliaInstrumentor._observer = None


def _durations(meter: Meter, name: str, description: str) -> Histogram:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=_SECONDS)


def _http(call: ObservedCall) -> _Attributes:
    return {
        "http.request.method": call.method,
        "url.template": call.template,
        "server.address": call.server,
        "server.port": call.port,
    }


def _effect(took_effect: bool | None) -> str:
    return "unknown" if took_effect is None else str(took_effect).lower()
