"""Lines in the log, per attempt, call and long wait.

They name operations and templates, never an account, an address or a secret.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Final, TextIO

import attrs

from tilia_async.observe.observer import ObservedAttempt, ObservedCall, ObservedJob, Observer

LONG_WAIT: Final = 1.0
"""Shortest wait with a line of its own, in seconds."""

VARIABLE: Final = "TILIA_LOG"
_LEVELS: Final = {"info": logging.INFO, "debug": logging.DEBUG}

_root: Final = logging.getLogger("tilia_async")
_calls: Final = logging.getLogger("tilia_async.calls")
_tokens: Final = logging.getLogger("tilia_async.tokens")
_bulk: Final = logging.getLogger("tilia_async.bulk")
_EXCHANGE: Final = "auth.token"


class LogLines(Observer):
    """Writes what happens to the log."""

    def attempt_ended(self, call: ObservedCall, attempt: ObservedAttempt) -> None:
        log = _log_of(call)
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "%s: attempt %d, %s %s: %s after %.3f s, token %d%s",
                call.operation,
                attempt.number,
                call.method,
                call.template,
                _outcome(attempt),
                attempt.elapsed,
                attempt.token_generation,
                f"; {attempt.decision}" if attempt.decision else "",
                extra={"tilia": _of_attempt(call, attempt)},
            )
        if attempt.wait is not None:
            waits(call, "the next attempt", attempt.wait)

    def call_ended(self, call: ObservedCall) -> None:
        log = _log_of(call)
        if log.isEnabledFor(logging.INFO):
            log.info(
                "%s: %s after %.3f s, %d attempt%s",
                call.operation,
                "success" if call.error is None else _named(call.error),
                call.elapsed,
                call.attempts,
                "" if call.attempts == 1 else "s",
                extra={"tilia": _of_call(call)},
            )

    def job_started(self, job: ObservedJob) -> None:
        _bulk.info("bulk.%s: starts", job.action, extra={"tilia": {"action": job.action}})

    def job_ended(self, job: ObservedJob) -> None:
        if _bulk.isEnabledFor(logging.INFO):
            _bulk.info(
                "bulk.%s: %s after %.1f s, %d accounts%s",
                job.action,
                "ended" if job.stopped_by is None else f"stopped by {job.stopped_by}",
                job.elapsed,
                sum(job.counts.values()),
                "".join(f", {count} {outcome}" for outcome, count in job.counts.items()),
                extra={"tilia": attrs.asdict(job)},
            )


LINES: Final = (LogLines(),)


def waits(call: ObservedCall, why: str, seconds: float) -> None:
    """Log a long wait that begins."""
    _log_wait(call, "%s: waits %.1f s for %s", why, seconds)


def waited(call: ObservedCall, why: str, seconds: float) -> None:
    """Log a long wait that is over."""
    _log_wait(call, "%s: waited %.1f s for %s", why, seconds)


def _log_wait(call: ObservedCall, words: str, why: str, seconds: float) -> None:
    if seconds >= LONG_WAIT:
        extra = {"tilia": {**_of_operation(call), "waited": seconds, "why": why}}
        _log_of(call).info(words, call.operation, seconds, why, extra=extra)


def set_up_from_environment() -> None:
    """Show log lines on stderr if ``TILIA_LOG`` asks for them.

    ``info`` or ``debug``. Where the application has handlers of its own, these alone show them.
    """
    wanted = os.environ.get(VARIABLE, "").strip().lower()
    if not wanted:
        return
    if wanted not in _LEVELS:
        _root.warning("%s: info or debug is wanted, not %r", VARIABLE, wanted)
        return
    _root.setLevel(_LEVELS[wanted])
    if not any(isinstance(each, _Stderr) for each in _root.handlers):
        _root.addHandler(_Stderr())


class _Stderr(logging.Handler):
    """A handler for where nobody has set up logging.

    It looks for both with each line: an application may set up its own later, or replace ``sys.stderr``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        stderr: TextIO | None = sys.stderr
        if stderr is None or logging.getLogger().handlers:
            return
        try:
            stderr.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - as the handlers of the standard library: a log that fails fails nothing
            self.handleError(record)


def _log_of(call: ObservedCall) -> logging.Logger:
    return _tokens if call.operation == _EXCHANGE else _calls


def _outcome(attempt: ObservedAttempt) -> str:
    return attempt.outcome if attempt.status is None else f"{attempt.status} {attempt.outcome}"


def _named(error: BaseException) -> str:
    status = getattr(error, "status", None)
    return type(error).__name__ if not status else f"{type(error).__name__} ({status})"


def _of_operation(call: ObservedCall) -> dict[str, object]:
    return {"operation": call.operation, "method": call.method, "template": call.template}


def _of_attempt(call: ObservedCall, attempt: ObservedAttempt) -> dict[str, object]:
    return {
        **_of_operation(call),
        "attempt": attempt.number,
        "status": attempt.status,
        "outcome": attempt.outcome,
        "decision": attempt.decision,
        "elapsed": attempt.elapsed,
        "waited": attempt.waited,
        "sent": attempt.sent,
        "token_generation": attempt.token_generation,
    }


def _of_call(call: ObservedCall) -> dict[str, object]:
    return {
        **_of_operation(call),
        "attempts": call.attempts,
        "elapsed": call.elapsed,
        "waited_for_token": call.waited_for_token,
        "took_effect": call.took_effect,
        "error": None if call.error is None else type(call.error).__name__,
        "status": getattr(call.error, "status", None),
    }
