"""A record of one block or unblock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

import attrs

from tilia_async import errors
from tilia_async.json_model import JsonResult
from tilia_async.models.accounts import PUBLISHER, Block


class BlockAction(StrEnum):
    """The action: to block, or to lift a block."""

    BLOCK = "block"
    UNBLOCK = "unblock"


class RecordState(StrEnum):
    """The outcome of a recorded action."""

    PLANNED = "planned"
    """Planned for a fleet, and not sent by anybody yet."""
    INTENDED = "intended"
    """About to be sent, or left without a recorded answer.

    The process ended, or the ledger failed, before an answer was on record.
    """
    CONFIRMED = "confirmed"
    """Tilia said yes."""
    NOT_FOUND = "not_found"
    """Tilia knows no such account."""
    REFUSED = "refused"
    """Tilia refused it for this account (401, 403)."""
    UNKNOWN = "unknown"
    """Possibly sent: nobody can know whether it took effect.

    The next run of its job sends it again.
    """
    FAILED = "failed"
    """Without effect, for certain.

    The next run of its job tries it again.
    """
    KEPT = "kept"
    """Kept: the undoing job leaves the block in place.

    Only of a job that undoes another: something else blocks the account, too.
    """


OPEN_STATES = (RecordState.INTENDED, RecordState.UNKNOWN, RecordState.FAILED)
"""States with something left to do for a job."""


class RecordSource(StrEnum):
    """The source that entered the record."""

    CALL = "call"
    BULK = "bulk"
    WEBHOOK = "webhook"


NOT_SAID = "unknown"
"""The issuer where a notification does not tell it."""

LIFTED_BY_YOU: Final = (PUBLISHER, NOT_SAID)
"""Issuers whose blocks your unblock lifts.

An unblock of yours that Tilia confirms: it refuses to lift its own.
"""

_MOST_NAMED: Final = 3
"""Number of blocks that an error's text names, at most."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class BlockRecord(JsonResult):
    """A block or unblock.

    It says of whom, why, by whom, when, and what came of it.

    Attributes:
        account_id: the account; of an id that could not be one, its text.
        action: block or unblock.
        reason: why, as you gave it; of a notification, Tilia's word.
        actor: who, as you gave it.
        job_id: the bulk job that it belongs to; None for a single call or a notification.
        state: what came of it.
        issuer: ``publisher`` for your own, or Tilia's word; ``unknown`` where a notification does not say.
        source: a call, a bulk job, or a notification of Tilia.
        review_at: when somebody should look at the block again; Tilia's blocks do not expire.
        requested_at: when it was asked for; of a notification, when Tilia sent it.
        settled_at: when ``state`` became known; None while it is not.
        error: the text of the error, if there was one.
    """

    account_id: str
    action: BlockAction
    state: RecordState
    source: RecordSource
    issuer: str
    requested_at: datetime
    settled_at: datetime | None = None
    reason: str | None = None
    actor: str | None = None
    job_id: str | None = None
    review_at: datetime | None = None
    error: str | None = None


class ReportedBlock(Protocol):
    """A block or unblock as Tilia reports it, e.g. ``tilia_async.webhooks.AccountBlockChanged``."""

    @property
    def account_id(self) -> str | None: ...

    @property
    def is_blocked(self) -> bool | None: ...

    @property
    def blocks(self) -> Sequence[Block]: ...

    @property
    def sent_at(self) -> datetime | None: ...

    @property
    def confirmed_at(self) -> datetime | None: ...


def state_after(error: errors.TiliaError | None) -> RecordState:
    """Return the state of a block after its call.

    The call ended with this error, or with none.
    """
    if error is None or error.took_effect is True:
        return RecordState.CONFIRMED
    if error.took_effect is None:
        return RecordState.UNKNOWN
    # The page of a proxy says nothing about the account.
    if isinstance(error, errors.ApiError) and error.structured:
        if isinstance(error, errors.NotFoundError):
            return RecordState.NOT_FOUND
        if isinstance(error, errors.UnauthorizedError | errors.ForbiddenError):
            return RecordState.REFUSED
    return RecordState.FAILED


def described(found: BlockRecord) -> str:
    """Describe a record in a few words.

    They are for an error's text. A job has many records: they have the same words.
    """
    at = f"{found.requested_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    if found.source is RecordSource.WEBHOOK:
        words = f"a notification of {at}, issuer {found.issuer}"
    elif found.job_id is not None:
        words = f"the job {found.job_id!r}"
    else:
        words = f"a call of {at}"
    if found.reason:
        words += f", reason {found.reason!r}"
    if found.actor:
        words += f", actor {found.actor!r}"
    certain = found.state in {RecordState.CONFIRMED, RecordState.KEPT}
    return words if certain else f"{words}, {found.state.value}, which may have taken effect"


def kept_because(others: Sequence[BlockRecord]) -> str:
    """Tell why an undone block stays."""
    return f"the account is blocked by {'; and by '.join(map(described, others[:_MOST_NAMED]))}{_more(others)}"


def _more(others: Sequence[BlockRecord]) -> str:
    return f"; and by {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""


def overtaken_because(since: BlockRecord, *, perhaps: bool = False) -> str:
    """Tell why a confirmed change may not hold.

    What a job had confirmed may not be so any more.

    Args:
        perhaps: the record may be older than the job's.
    """
    if since.state is RecordState.KEPT:
        return f"the job was undone since, by {described(since)}; left alone"
    did = "unblocked" if since.action is BlockAction.UNBLOCK else "blocked"
    may = "" if since.state is RecordState.CONFIRMED and not perhaps else "perhaps "
    return f"{may}{did} since, by {described(since)}; left alone"
