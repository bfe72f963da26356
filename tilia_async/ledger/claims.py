"""What a run asks of a journal, and what it is told."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

import attrs

from tilia_async.ledger.record import RecordState


def new_run_id() -> str:
    """A name for a run or a call that no other has."""
    return uuid.uuid4().hex


@attrs.frozen
class Settlement:
    """What became of one account's block."""

    account_id: str
    state: RecordState
    error: str | None = None


@attrs.frozen
class Found:
    """A record that a run could not claim.

    Attributes:
        state: what is on record.
        error: its text.
        settled: it needs nothing more from this run; else somebody has it in hand.
    """

    state: RecordState
    error: str | None
    settled: bool


@attrs.frozen
class Claims:
    """What came of claiming accounts.

    Attributes:
        mine: these are this run's to send.
        others: these are not, by account.
    """

    mine: frozenset[str]
    others: Mapping[str, Found]


NO_CLAIMS: Final = Claims(frozenset(), {})
