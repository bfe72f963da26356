"""Asks Tilia what became of a write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import attrs

from tilia_async import errors
from tilia_async.config import RequestOptions
from tilia_async.json_value import JsonInput
from tilia_async.reconcile.looking import Looking
from tilia_async.reconcile.lookups import LOOKUPS
from tilia_async.reconcile.reconciliation import Reconciliation, Verdict
from tilia_async.reconcile.server_clock import ServerClock
from tilia_async.reconcile.sought import Finding, Sought
from tilia_async.transport.caller import Caller, TokenWatch
from tilia_async.wire import checks
from tilia_async.wire.operation import Operation

T = TypeVar("T")

UNDER_WAY: Final = timedelta(minutes=2)
"""How long after its call's end a request may still be under way. Inferred: servers and proxies commonly give up after
30 or 60 seconds; Tilia documents nothing."""


@attrs.frozen(eq=False)
class _ClockedCaller(Caller):
    """Takes note of the time that Tilia's answers tell."""

    clock: ServerClock = attrs.field(factory=ServerClock, kw_only=True)

    async def value(
        self,
        operation: Operation[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, JsonInput] | None = None,
        options: RequestOptions | None = None,
        watch: TokenWatch | None = None,
    ) -> T:
        if watch is not None:
            raise TypeError("a look-up watches no tokens")
        declared: Operation[T] = self.corrected.get(operation.name, operation)
        asked_at = datetime.now(UTC)
        response = await self.send(declared, path=path, query=query, body=body, options=options)
        self.clock.note(response.headers.get("Date"), asked_at, datetime.now(UTC))
        return response.value


async def reconcile(
    caller: Caller,
    subject: errors.TiliaError | Operation[object],
    *,
    reference: Mapping[str, str] | None,
    since: datetime | None,
    options: RequestOptions | None,
) -> Reconciliation:
    """Ask what became of a write; see ``TiliaClient.reconcile``."""
    name, known, confirmed = _subject(subject)
    _check(name, reference, since)
    call = subject.call if isinstance(subject, errors.TiliaError) else None
    began = since or (None if call is None else call.sent_at or call.started_at)
    clocked = _ClockedCaller(
        caller.environment, caller.pool, caller.tokens, caller.timeout, caller.retry, caller.corrected
    )
    sought = Sought(name, {**known, **(reference or {})}, began, clocked.clock)
    finding = await _look_up(Looking(clocked, options), sought)
    checked_at = datetime.now(UTC)
    if confirmed:
        finding = _as_confirmed(finding)
    # Whoever was cancelled holds no record, but no call outlives its timeout.
    latest = checked_at if began is None else min(checked_at, began + timedelta(seconds=caller.timeout))
    return _told(finding, checked_at, latest if call is None else call.ended_at)


def _subject(subject: errors.TiliaError | Operation[object]) -> tuple[str, Mapping[str, str], bool]:
    """The write's name, what identifies it, and whether Tilia has confirmed it already.

    Raises:
        InvalidRequestError: it is no write, or it is known to have had no effect.
    """
    if isinstance(subject, Operation):
        if subject.reads:
            raise _refusal(subject.name, "operation", "reads only, so there is nothing to reconcile")
        return subject.name, {}, False
    is_error: bool = isinstance(subject, errors.TiliaError)  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
    if not is_error:
        raise _refusal(None, "error", f"is an error of this package or an Operation, not {type(subject).__name__}")
    if subject.took_effect is False:
        raise _refusal(subject.operation, "error", "is known to have had no effect (took_effect is False): call again")
    return subject.operation or "", subject.reference, subject.took_effect is True


def _check(name: str, reference: Mapping[str, str] | None, since: datetime | None) -> None:
    if reference is not None:
        problems = checks.mapping(reference) or [why for value in reference.values() for why in checks.text(value)]
        checks.refuse(name, {"reference": problems})
    aware = isinstance(since, datetime) and since.tzinfo is not None  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
    if since is not None and not aware:
        raise _refusal(name, "since", "is a datetime with a time zone, e.g. datetime.now(UTC) before the call")


def _refusal(name: str | None, field: str, why: str) -> errors.InvalidRequestError:
    return errors.InvalidRequestError({field: [why]}, operation=name)


async def _look_up(look: Looking, sought: Sought) -> Finding:
    look_up = LOOKUPS.get(sought.name, "there is no look-up for it")
    if isinstance(look_up, str):
        return Finding(Verdict.CANNOT_BE_KNOWN, look_up)
    try:
        return await look_up(look, sought)
    except (errors.UnauthorizedError, errors.ForbiddenError, errors.TokenError) as error:
        # It would be refused tomorrow, too; what passes by itself (an outage, a rate limit) is raised.
        if isinstance(error, errors.TokenError) and (error.status is None or error.status >= 429):
            raise
        return Finding(Verdict.CANNOT_BE_KNOWN, f"the look-up is refused: {error}")


def _as_confirmed(finding: Finding) -> Finding:
    """Tilia said Success, whatever a look-up sees of it."""
    resource = finding.resource
    if resource is None and len(finding.candidates) == 1:
        resource = finding.candidates[0]
    return Finding(Verdict.TOOK_EFFECT, f"Tilia confirmed it; now {finding.why}", resource)


def _told(finding: Finding, checked_at: datetime, ended_at: datetime) -> Reconciliation:
    decide_from, reason = None, finding.why
    if finding.verdict is Verdict.NOT_SEEN:
        decide_from = checked_at if finding.final else ended_at + UNDER_WAY
        if decide_from > checked_at:
            reason += (
                f". The request may still be under way: look again from {decide_from:%H:%M:%S} UTC, "
                "two minutes after the call ended, before you decide that it has no effect"
            )
        elif not finding.final:
            reason += ". The call ended more than two minutes ago, so it can be taken to have no effect"
    return Reconciliation(
        finding.verdict, finding.resource, reason, checked_at, decide_from, candidates=finding.candidates
    )
