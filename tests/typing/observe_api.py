"""The types that a user's own observer has to do with. Type checkers read this file; nobody runs it."""

from typing import assert_type

import tilia_async
import tilia_sync
from tilia_async.observe import ObservedAttempt, ObservedCall, ObservedJob, Observer
from tilia_async.otel import OpenTelemetryObserver, TiliaInstrumentor


class Mine(Observer):
    def call_started(self, call: ObservedCall) -> None:
        assert_type(call.operation, str)
        assert_type(call.asked_by, ObservedCall | None)

    def attempt_started(self, call: ObservedCall, attempt: ObservedAttempt) -> dict[str, str]:
        return {"X-Attempt": str(attempt.number)}

    def attempt_ended(self, call: ObservedCall, attempt: ObservedAttempt) -> None:
        assert_type(attempt.status, int | None)
        assert_type(attempt.wait, float | None)

    def call_ended(self, call: ObservedCall) -> None:
        assert_type(call.took_effect, bool | None)
        assert_type(call.error, BaseException | None)

    def job_ended(self, job: ObservedJob) -> None:
        assert_type(job.counts, dict[str, int])


class Silent(Observer):
    def attempt_started(self, call: ObservedCall, attempt: ObservedAttempt) -> None:
        pass


def clients() -> None:
    tilia_async.TiliaClient("id", "secret", "staging", observers=[Mine(), Silent()])
    tilia_async.TiliaClient.from_env(observers=(OpenTelemetryObserver(),))
    tilia_sync.TiliaClient("id", "secret", "staging", observers=[Mine()])
    tilia_sync.TiliaClient.from_env(observers=[Mine()])
    TiliaInstrumentor().instrument()
    assert_type(TiliaInstrumentor().is_instrumented_by_opentelemetry, bool)
