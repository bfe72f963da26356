"""Reconciliation of one write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import attrs

from tilia_async import checks, errors
from tilia_async.api import OPERATIONS
from tilia_async.call_record import CallRecord
from tilia_async.config import RequestOptions
from tilia_async.json_value import Body, JsonValue
from tilia_async.reconcile.lookup_context import LookupContext
from tilia_async.reconcile.lookups import LOOKUPS
from tilia_async.reconcile.reconciliation import Reconciliation, Verdict
from tilia_async.reconcile.search import Finding, Search, proves_nothing, unknown
from tilia_async.reconcile.server_clock import MARGIN, ServerClock
from tilia_async.transport.requestor import Requestor, TokenWatch
from tilia_async.wire.envelope import may_succeed_later
from tilia_async.wire.operation import Operation, Repeat
from tilia_async.wire.refusal import refuse
from tilia_async.wire.response import Response

T = TypeVar("T")

UNDER_WAY: Final = timedelta(minutes=2)
"""Longest time under way after its call's end.

The longest that a request may be under way then.

Inferred: servers and proxies commonly give up after 30 or 60 seconds; Tilia documents nothing.
"""


@attrs.frozen(eq=False)
class _ClockedCaller(Requestor):
    """A caller that notes the times and payloads of answers."""

    clock: ServerClock = attrs.field(factory=ServerClock, kw_only=True)
    payloads: list[JsonValue] = attrs.field(factory=list[JsonValue], kw_only=True)

    async def value(
        self,
        operation: Operation[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Body | None = None,
        options: RequestOptions | None = None,
        watch: TokenWatch | None = None,
        details: list[Response[T]] | None = None,
    ) -> T:
        responses: list[Response[T]] = [] if details is None else details
        declared: Operation[T] = self.corrected.get(operation.name, operation)
        asked_at = datetime.now(UTC)
        await super().value(
            declared, path=path, query=query, body=body, options=options, watch=watch, details=responses
        )
        response = responses[-1]
        self.clock.note(response.headers.get("Date"), asked_at, datetime.now(UTC))
        self.clock.note_times(response.payload)
        self.payloads.append(response.payload)
        return response.value


async def reconcile(
    caller: Requestor,
    subject: errors.TiliaError | Operation[object],
    *,
    reference: Mapping[str, str] | None,
    since: datetime | None,
    options: RequestOptions | None,
) -> Reconciliation:
    """Ask what became of a write; see ``TiliaClient.reconcile``."""
    name = _name(subject)
    _check(name, reference, since)
    error = subject if isinstance(subject, errors.TiliaError) else None
    said = None if error is None else _said(error)
    if said is not None:
        return said
    with caller.under_way(name) as begun:
        return await _ask(begun, name, error, reference=reference, since=since, options=options)


async def _ask(
    caller: Requestor,
    name: str,
    error: errors.TiliaError | None,
    *,
    reference: Mapping[str, str] | None,
    since: datetime | None,
    options: RequestOptions | None,
) -> Reconciliation:
    call = None if error is None else error.call
    began = _began(call, since)
    clocked = _ClockedCaller(
        caller.environment,
        caller.pool,
        caller.tokens,
        caller.timeout,
        caller.retry,
        caller.corrected,
        caller.observers,
        caller.begun,
    )
    known: Mapping[str, str] = {} if error is None else error.reference
    sought = Search(name, {**known, **(reference or {})}, began, clocked.clock)
    looking = LookupContext(clocked, options, clocked.payloads)
    if error is not None and error.took_effect:
        return await _confirmed(looking, sought)
    finding = await _look_up(looking, sought)
    if error is not None and _has_key_in_use(error):
        finding = _of_another_call(finding)
    checked_at = datetime.now(UTC)
    # Whoever was cancelled holds no record, but no call outlives its timeout.
    latest = checked_at if began is None else min(checked_at, began + timedelta(seconds=caller.timeout))
    if call is None:
        return _reconciliation(finding, checked_at, latest, "if it began at the time that was given, the call")
    return _reconciliation(finding, checked_at, call.ended_at, "the call")


def _name(subject: errors.TiliaError | Operation[object]) -> str:
    """Return the write's name.

    Empty if an error does not know.

    Raises:
        InvalidRequestError: it is neither an error of this package nor a write.
    """
    if isinstance(subject, Operation):
        if subject.reads:
            raise _refusal(subject.name, "operation", "reads only, so there is nothing to reconcile")
        return subject.name
    is_error: bool = isinstance(subject, errors.TiliaError)  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
    if not is_error:
        raise _refusal(
            "reconcile", "error", f"is an error of this package or an Operation, not {type(subject).__name__}"
        )
    return subject.operation or ""


def _said(error: errors.TiliaError) -> Reconciliation | None:
    """Return what the error says by itself; None for nothing.

    Raises:
        InvalidRequestError: it has lost what it knew.
    """
    now = datetime.now(UTC)
    if error.took_effect is False and _is_believed(error) and not _has_key_in_use(error):
        return Reconciliation(Verdict.NO_EFFECT, None, f"the error says so: {error}. What to do: {error.remedy}", now)
    if isinstance(error, errors.BulkStoppedError):
        why = (
            "a job is many writes: reconcile the error of each item of report.failures that is UNKNOWN, or run the job "
            "again with the same job_id, which is safe, since blocks and unblocks may be sent again"
        )
        return Reconciliation(Verdict.CANNOT_BE_KNOWN, None, why, now)
    if error.operation is None:
        raise _refusal(
            None,
            "error",
            "does not know its operation any more, as when a task queue has rebuilt it from its text: give the "
            "operation instead, e.g. reconcile(OPERATIONS['invoices.pay'], reference={'invoice_id': …}, since=…)",
        )
    return None


def _has_key_in_use(error: errors.TiliaError) -> bool:
    """Return True for a write with a used key.

    It was refused for another call's with the same key.

    This request had no effect; the write that the key stands for may have had it, or have it yet.
    """
    operation = OPERATIONS.get(error.operation or "")
    return isinstance(error, errors.ConflictError) and operation is not None and operation.repeat is Repeat.KEYED


def _of_another_call(finding: Finding) -> Finding:
    """Return the finding on another call's key.

    What a look-up tells of the write under a key that is in use.
    """
    why = (
        "the idempotency key is in use, so this request had no effect, but the call that has the key may have it, or "
        "have had it: wait for what comes of that, and do not send it under another key, which would make another "
        f"effect; a look-up tells: {finding.why}"
    )
    seen = finding.candidates if finding.resource is None else (finding.resource, *finding.candidates)
    return unknown(why, *seen, done=finding.done)


def _is_believed(error: errors.TiliaError) -> bool:
    """Return True if an error's word is believed.

    It can know that there was no effect.
    """
    if isinstance(error, errors.OutcomeUnknownError):
        return False
    refused = isinstance(error, errors.ApiError) and 400 <= error.status < 500
    return refused or isinstance(error, _CERTAIN) or error.operation is not None


_CERTAIN: Final = (
    errors.ConfigurationError,
    errors.InvalidRequestError,
    errors.ClientClosedError,
    errors.ConnectError,
    errors.DeadlineExceededError,
    errors.TokenError,
    errors.LedgerError,
    errors.WebhookError,
)
"""Errors that never mean anything else.

So one that has lost its operation is believed as well.
"""


def _began(call: CallRecord | None, since: datetime | None) -> datetime | None:
    """Return when the write may first have reached Tilia.

    A time that is later than the call's own is a mistake.
    """
    own = None if call is None else call.sent_at or call.started_at
    return own if since is None else since if own is None else min(own, since)


def _check(name: str, reference: Mapping[str, str] | None, since: datetime | None) -> None:
    if reference is not None:
        problems = checks.mapping(reference) or [why for value in reference.values() for why in checks.text(value)]
        refuse(name, {"reference": problems})
    aware = isinstance(since, datetime) and since.tzinfo is not None  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
    if since is not None and not aware:
        raise _refusal(name, "since", "is a datetime with a time zone, e.g. datetime.now(UTC) before the call")


def _refusal(name: str | None, field: str, why: str) -> errors.InvalidRequestError:
    return errors.InvalidRequestError({field: [why]}, operation=name)


async def _look_up(look: LookupContext, sought: Search) -> Finding:
    look_up = LOOKUPS.get(sought.name, "there is no look-up for it: do not repeat it before you know")
    if isinstance(look_up, str):
        return unknown(look_up)
    try:
        return await look_up(look, sought)
    except errors.NotFoundError:
        return proves_nothing(
            "the look-up got a 404, as a proxy's page, a look-up that lags behind, or another environment gives one"
        )
    except errors.ResponseDecodeError as error:
        return proves_nothing(f"the look-up's answer is not usable ({error})")
    except (errors.ApiError, errors.TokenError) as error:
        # It would be refused tomorrow, too; what passes by itself (an outage, a rate limit) is raised.
        if error.status is None or not 400 <= error.status < 500 or may_succeed_later(error.status):
            raise
        return unknown(f"the look-up is refused: {error}; do not repeat the write before you know")


async def _confirmed(look: LookupContext, sought: Search) -> Reconciliation:
    """Look at what Tilia confirmed.

    Nothing that is seen makes it undone.
    """
    try:
        finding = await _look_up(look, sought)
    except errors.TiliaError as error:
        finding = unknown(f"it cannot be looked at: {error}")
    seen = finding.candidates[0] if finding.done and len(finding.candidates) == 1 else finding.resource
    reason = f"Tilia confirmed it, so do not do it again; now {finding.why}"
    others = () if seen is not None else finding.candidates
    return Reconciliation(Verdict.TOOK_EFFECT, seen, reason, datetime.now(UTC), candidates=others, done=True)


def _reconciliation(finding: Finding, checked_at: datetime, ended_at: datetime, call: str) -> Reconciliation:
    decide_from, reason = None, finding.why
    if finding.verdict is Verdict.NOT_SEEN and finding.settles:
        decide_from = ended_at + UNDER_WAY + MARGIN
        if decide_from > checked_at:
            reason += (
                ". The request may still be under way, and look-ups may lag behind: before you decide that it had no "
                f"effect, look again from {decide_from:%H:%M:%S} UTC on, three minutes after its end"
            )
        else:
            reason += (
                f". {call.capitalize()} ended more than three minutes ago, so it can be taken to have no effect, and "
                "be tried again, unless look-ups lag behind by more than that"
            )
    return Reconciliation(
        finding.verdict,
        finding.resource,
        reason,
        checked_at,
        decide_from,
        candidates=finding.candidates,
        done=finding.done,
    )
