"""The results of a bulk job."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import attrs

from tilia_async.errors import TiliaError
from tilia_async.json_model import JsonResult
from tilia_async.json_value import JsonValue

if TYPE_CHECKING:
    from tilia_async.ledger.record import BlockRecord
    from tilia_async.models.accounts import Account

MOST_FAILURES: Final = 1_000
"""Unfinished items that a report keeps, at most.

These are neither done nor skipped; a ledger has them all. As many overlaps are kept.
"""


class BulkOutcome(StrEnum):
    """The outcome of an account."""

    DONE = "done"
    SKIPPED = "skipped"
    """Confirmed by this job before.

    It is used for ``undo``, too: the block had been lifted since, so nothing was sent.
    """
    OVERTAKEN = "overtaken"
    """Overtaken by the opposite action, and left alone.

    This job had confirmed it, and the opposite is, or may be, on record since, or the job was undone: it may not be so
    any more. Or the job had it left to do, and the opposite was confirmed since.
    """
    KEPT = "kept"
    """Kept blocked by ``undo``.

    Only of ``undo``: the account stays blocked, because another block of it is, or may be, in force on record.
    """
    NOT_FOUND = "not_found"
    """Tilia knows no such account."""
    REFUSED = "refused"
    """Tilia refused it for this account (401, 403)."""
    UNKNOWN = "unknown"
    """Sent; nobody can know whether it took effect."""
    FAILED = "failed"
    """Without effect, for certain.

    It was not sent, or Tilia said so; or the id cannot be one.
    """


@attrs.frozen(eq=False, repr=False)
class BulkItem(JsonResult):
    """An account of a job.

    Attributes:
        account_id: as it was given; of what is not a text, its text.
        outcome: what came of it.
        error: why it is neither done nor skipped; else None. Of an earlier run of the job, its text alone.
        attempts: how many times it was sent in this run.
        account: what was found, by a look-up.
        also_blocked_by: with a ledger: of an unblock, the blocks on record that were, or may have been, in force, if
            they were several; of what ``undo`` kept, those for which it was kept. Oldest first.
    """

    account_id: str
    outcome: BulkOutcome
    error: TiliaError | None = None
    attempts: int = 0
    account: Account | None = None
    also_blocked_by: tuple[BlockRecord, ...] = ()


@attrs.frozen(eq=False, repr=False)
class BulkReport(JsonResult):
    """The result of a job.

    Attributes:
        action: ``block``, ``unblock``, ``undo`` or ``lookup``.
        job_id: the job's name; with a ledger, run it again with this to go on.
        total: how many accounts have an outcome.
        counts: how many of each outcome; all outcomes are there.
        failures: the first thousand that are neither done nor skipped.
        elapsed: in seconds.
        stopped: it ended before its last account.
        accounts: by id, what a look-up found.
        overlaps: the first thousand that were unblocked although several blocks on record held them; each says which.
    """

    action: str
    job_id: str
    total: int
    counts: Mapping[BulkOutcome, int] = attrs.field(hash=False)
    failures: tuple[BulkItem, ...] = attrs.field(repr=False)
    elapsed: float
    stopped: bool = False
    accounts: Mapping[str, Account] = attrs.field(factory=dict[str, "Account"], repr=False, hash=False)
    overlaps: tuple[BulkItem, ...] = attrs.field(default=(), repr=False)

    @property
    def complete(self) -> bool:
        """True if each account has a final outcome.

        With a ledger, another run of the job would send nothing, as things are.

        It is not a success yet: ``REFUSED``, ``NOT_FOUND``, ``OVERTAKEN`` and ``KEPT`` are final, too: see ``counts``.
        """
        return not self.stopped and not self.counts[BulkOutcome.UNKNOWN] and not self.counts[BulkOutcome.FAILED]

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the report as JSON has it, with ``complete``."""
        return {**super().to_dict(), "complete": self.complete}


@attrs.frozen(eq=False, repr=False)
class BulkProgress(JsonResult):
    """The progress of a job.

    Attributes:
        total: how many accounts have an outcome.
        counts: how many of each outcome.
        in_flight: requests under way.
        limit: how many there may be at the moment, by the pace that the API allows.
        holding: seconds that nothing is sent for, because Tilia asked for it or does not answer.
        elapsed: in seconds.
        rate: accounts a second, over the last seconds.
    """

    total: int
    counts: Mapping[BulkOutcome, int] = attrs.field(hash=False)
    in_flight: int
    limit: int
    holding: float
    elapsed: float
    rate: float


def no_progress() -> BulkProgress:
    """Return how far a job is that has not begun."""
    return BulkProgress(0, dict.fromkeys(BulkOutcome, 0), 0, 0, 0.0, 0.0, 0.0)
