"""Which of two times was first, one of them by Tilia's clock and the other by ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

_SECOND: Final = timedelta(seconds=1)
_NOTHING: Final = timedelta(0)


class Age(Enum):
    """When something was made, seen from the start of a call."""

    BEFORE = "before"
    AFTER = "after"
    UNCLEAR = "unclear"


class ServerClock:
    """Bounds by how much Tilia's clock is ahead of ours, by the header ``Date`` of answers.

    The header has whole seconds, so one answer leaves a second of doubt, and several leave less.
    """

    def __init__(self) -> None:
        self._bounds: tuple[timedelta, timedelta] | None = None

    def note(self, date: str | None, asked_at: datetime, answered_at: datetime) -> None:
        """Take in the header of an answer that came between two moments of our clock."""
        try:
            told = parsedate_to_datetime(date or "").astimezone(UTC)
        except (ValueError, OverflowError):
            return
        low, high = told - answered_at, told + _SECOND - asked_at
        if self._bounds is not None:
            narrower = max(low, self._bounds[0]), min(high, self._bounds[1])
            # A clock that was set meanwhile contradicts what was known.
            low, high = narrower if narrower[0] <= narrower[1] else (low, high)
        self._bounds = low, high

    def age(self, made_at: datetime | None, since: datetime | None) -> Age:
        """Whether something that Tilia dates was made before or after a moment of our clock.

        Where the header leaves it open and does not contradict that both clocks agree, they are taken to agree, but
        only to say "after": what seems to be older by a few milliseconds is unclear.
        """
        if made_at is None or since is None or self._bounds is None:
            return Age.UNCLEAR
        low, high = self._bounds
        # A time without a fraction is a whole second, of which any moment may be meant.
        latest = made_at + (_NOTHING if made_at.microsecond else _SECOND)
        if made_at >= since + high:
            return Age.AFTER
        if latest < since + low:
            return Age.BEFORE
        agree = low <= _NOTHING <= high
        return Age.AFTER if agree and made_at >= since else Age.UNCLEAR
