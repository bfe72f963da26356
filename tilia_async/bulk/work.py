"""One account of a job, while it is in hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tilia_async import errors
from tilia_async.bulk.trouble import Trouble
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
        generation: of the token that the last attempt carried.
        renewed: that token replaced one that was refused.
    """

    __slots__ = (
        "_trouble",
        "account_id",
        "attempts",
        "doubtful",
        "failure",
        "generation",
        "in_flight",
        "key",
        "problems",
        "renewed",
    )

    def __init__(self, given: object, trouble: Trouble) -> None:
        self.problems: Sequence[str] = checks.identifier(given)
        self.account_id = given if isinstance(given, str) else _described(given)
        self.key = _storable(self.account_id) if self.problems else self.account_id
        self._trouble = trouble
        self.attempts = 0
        self.in_flight = False
        self.doubtful = False
        self.generation = 0
        self.renewed = False
        self.failure: errors.TiliaError | None = None

    def may_renew(self) -> bool:
        """Its token was refused: whether to ask for another and try once more."""
        self.renewed = self._trouble.may_renew()
        return self.renewed


def _described(given: object) -> str:
    kind = type(given).__name__
    try:
        return f"{kind} {given!r}"[:_LONGEST_TEXT]
    except Exception:  # noqa: BLE001 - the caller's object may fail to show itself as it likes
        return kind


def _storable(text: str) -> str:
    """What databases take: no lone surrogates, no zero character, not too long."""
    return errors.readable(text.encode("utf-8", "backslashreplace").decode())[:_LONGEST_TEXT]
