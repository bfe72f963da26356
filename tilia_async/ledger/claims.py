"""The questions of a run to a journal, and answers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

import attrs

from tilia_async.ledger.record import BlockRecord, RecordState


def new_run_id() -> str:
    """Return a name that no other run or call has."""
    return uuid.uuid4().hex


@attrs.frozen
class RecordedOutcome:
    """The outcome of an account's block.

    Attributes:
        record_id: of its record, where that is known: it is found faster by it.
    """

    account_id: str
    state: RecordState
    error: str | None = None
    record_id: int | None = None


@attrs.frozen
class ExistingRecord:
    """A record that needs nothing more from a run.

    Attributes:
        state: what is on record.
        error: its text.
        overtaken_by: the record that undid, or may have undone, what the job had confirmed or has left to do.
        overtaken_perhaps: that record may be the older one.
        others: the blocks for which it was kept.
    """

    state: RecordState
    error: str | None
    overtaken_by: BlockRecord | None = None
    overtaken_perhaps: bool = False
    others: tuple[BlockRecord, ...] = ()


@attrs.frozen
class Claims:
    """The result of claiming accounts.

    Attributes:
        mine: these are this run's to send, with the ids of their records.
        others: these are not, by account.
        doubtful: those of mine that an earlier run may have sent.
        beside: of an unblock, the blocks in force of those of mine that have several; of a job that undoes another,
            the blocks that are to stay of those of mine that an earlier run may have lifted.
    """

    mine: Mapping[str, int]
    others: Mapping[str, ExistingRecord]
    doubtful: frozenset[str] = frozenset()
    beside: Mapping[str, tuple[BlockRecord, ...]] = attrs.field(factory=dict[str, tuple[BlockRecord, ...]])


NO_CLAIMS: Final = Claims({}, {})
