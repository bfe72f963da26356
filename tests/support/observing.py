"""Observers and exporters that keep what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tilia_async.observe import ObservedAttempt, ObservedCall, Observer
from tilia_async.otel import TiliaInstrumentor


@attrs.define(eq=False)
class Kept(Observer):
    """Keeper of what came, in order."""

    told: list[str] = attrs.field(factory=list)
    calls: list[ObservedCall] = attrs.field(factory=list)
    attempts: list[ObservedAttempt] = attrs.field(factory=list)
    headers: dict[str, str] = attrs.field(factory=dict)

    def call_started(self, call: ObservedCall) -> None:
        self.told.append(f"{call.operation} started")

    def attempt_started(self, call: ObservedCall, attempt: ObservedAttempt) -> dict[str, str]:
        self.told.append(f"{call.operation} attempt {attempt.number} started")
        return self.headers

    def attempt_ended(self, call: ObservedCall, attempt: ObservedAttempt) -> None:
        self.told.append(f"{call.operation} attempt {attempt.number} ended")
        self.attempts.append(attempt)

    def call_ended(self, call: ObservedCall) -> None:
        self.told.append(f"{call.operation} ended")
        self.calls.append(call)

    def of(self, operation: str) -> ObservedCall:
        """Return the one call of an operation."""
        (found,) = (call for call in self.calls if call.operation == operation)
        return found


@attrs.define(eq=False)
class Telemetry:
    """Exports of the SDK of OpenTelemetry."""

    exporter: InMemorySpanExporter
    tracers: TracerProvider
    reader: InMemoryMetricReader
    meters: MeterProvider

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]

    def points(self, name: str) -> list[HistogramDataPoint | NumberDataPoint]:
        """Return the points of a metric."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@contextmanager
def instrumented() -> Iterator[Telemetry]:
    """Instrument all clients, and keep what is exported."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    TiliaInstrumentor().instrument(tracer_provider=tracers, meter_provider=meters)
    try:
        yield Telemetry(exporter, tracers, reader, meters)
    finally:
        TiliaInstrumentor().uninstrument()
        meters.shutdown()
