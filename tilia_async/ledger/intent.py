"""An intent to block or unblock accounts."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime

import attrs

from tilia_async import checks
from tilia_async.ledger.record import BlockAction

LONGEST_NAME = 255
"""Longest job id or issuer, in characters."""

LONGEST_LEASE = 60.0
"""Longest lease of a run, in seconds."""


@attrs.frozen
class Intent:
    """An intent: one block or unblock, or a job's.

    Attributes:
        undoes: the job whose blocks are lifted.
    """

    action: BlockAction
    reason: str | None = None
    actor: str | None = None
    review_at: datetime | None = None
    job_id: str | None = None
    undoes: str | None = None

    def problems(self) -> dict[str, list[str]]:
        """Return the problems of the intent, by field."""
        return {
            "reason": [] if self.reason is None else checks.stored_text(self.reason),
            "actor": [] if self.actor is None else checks.stored_text(self.actor),
            "review_at": [] if self.review_at is None else checks.moment(self.review_at),
            "job_id": [] if self.job_id is None else job_name(self.job_id),
        }


def job_name(value: object) -> list[str]:
    """Return what is wrong with the name of a job."""
    return checks.stored_text(value, longest=LONGEST_NAME)


def new_job_name(action: str) -> str:
    """Return a name for a job that nobody named.

    When it began, and letters that tell it from others of that second.
    """
    return f"{action}-{datetime.now(UTC):%Y-%m-%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


def undo_name(job_id: str) -> str:
    """Return the name of the job that undoes another.

    It is the same each time.
    """
    name = f"undo-{job_id}"
    return name if len(name) <= LONGEST_NAME else f"undo-{hashlib.sha256(job_id.encode()).hexdigest()}"
