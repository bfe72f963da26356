"""An account of a job, while it is in hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tilia_async import checks, errors
from tilia_async.ledger.record import BlockRecord
from tilia_async.text import readable

_LONGEST_TEXT: Final = 255


class WorkItem:
    """An account that waits, is sent, or waits again.

    Attributes:
        account_id: as it was given; of what is not a text, what it is.
        problems: why the id cannot be one; empty if it can.
        key: the id as a ledger keeps it.
        attempts: how many times it was sent.
        in_flight: it is under way.
        failure: of the last attempt, if that failed.
        doubtful: an attempt may have taken effect.
        generation: of the token that the last attempt carried.
        epoch: of the permit under which it was sent last, where permits are shared.
        is_open: it counts among those that were sent and are not settled on record.
        record_id: of its record in the ledger.
        served_before: calls of the job that had been served at this account's last 429 or 503.
        throttled: how often Tilia asked for less although it served others meanwhile.
        asked: it was asked for a second time, with a token that would be replaced.
        beside: the blocks that are in force on record, of an account that is unblocked and has several.
        duplicates: how many more times it was given while it was in hand.
    """

    __slots__ = (
        "account_id",
        "asked",
        "attempts",
        "beside",
        "doubtful",
        "duplicates",
        "epoch",
        "failure",
        "generation",
        "in_flight",
        "is_open",
        "key",
        "problems",
        "record_id",
        "served_before",
        "throttled",
    )

    def __init__(self, given: object) -> None:
        self.problems: Sequence[str] = checks.identifier(given)
        self.account_id: str = given if isinstance(given, str) else _described(given)
        self.key: str = _storable(self.account_id) if self.problems else self.account_id
        self.attempts: int = 0
        self.in_flight: bool = False
        self.doubtful: bool = False
        self.generation: int = 0
        self.epoch: int = 0
        self.is_open: bool = False
        self.record_id: int | None = None
        self.served_before: int = -1
        self.throttled: int = 0
        self.asked: bool = False
        self.duplicates: int = 0
        self.beside: tuple[BlockRecord, ...] = ()
        self.failure: errors.TiliaError | None = None

    def may_renew(self) -> bool:
        """Return False: a probe decides about a new token.

        Whether the token is to be replaced is for a probe to find out.
        """
        return False


def _described(given: object) -> str:
    kind = type(given).__name__
    try:
        return f"{kind} {given!r}"[:_LONGEST_TEXT]
    except Exception:  # noqa: BLE001 - the caller's object may fail to show itself as it likes
        return kind


def _storable(text: str) -> str:
    """Return a text that databases take.

    No lone surrogates, no zero character, not too long.
    """
    return readable(text.encode("utf-8", "backslashreplace").decode())[:_LONGEST_TEXT]
