"""One account of a job, while it is in hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tilia_async import errors
from tilia_async.wire import checks

_LONGEST_TEXT: Final = 255


class Work:
    """An account that waits, is sent, or was sent and waits again.

    Attributes:
        account_id: as it was given; of what is no text, what it is.
        problems: why the id cannot be one; empty if it can.
        key: the id as a ledger keeps it.
        attempts: how many times it was sent.
        in_flight: it is under way.
        failure: of the last attempt, if that failed.
        doubtful: an attempt may have taken effect.
    """

    __slots__ = ("account_id", "attempts", "doubtful", "failure", "in_flight", "key", "problems")

    def __init__(self, given: object) -> None:
        self.problems: Sequence[str] = checks.identifier(given)
        self.account_id = given if isinstance(given, str) else f"{type(given).__name__} {given!r}"[:_LONGEST_TEXT]
        self.key = _storable(self.account_id) if self.problems else self.account_id
        self.attempts = 0
        self.in_flight = False
        self.doubtful = False
        self.failure: errors.TiliaError | None = None


def _storable(text: str) -> str:
    """What databases take: no lone surrogates, no zero character, not too long."""
    return errors.readable(text.encode("utf-8", "backslashreplace").decode())[:_LONGEST_TEXT]
