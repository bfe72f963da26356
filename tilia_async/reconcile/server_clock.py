"""Comparison of times by Tilia's clocks with times by ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

from tilia_async.json_value import JsonValue
from tilia_async.wire.codec import read_time

MARGIN: Final = timedelta(minutes=1)
"""The most that clocks differ that are taken to agree."""
_SECOND: Final = timedelta(seconds=1)
_ANY_ZONE: Final = timedelta(hours=14)
"""The farthest that a place's time is from UTC."""
_DAY: Final = timedelta(days=1)
_DATED: Final = "created"


class Age(Enum):
    """Age of something.

    Seen from the start of a call.
    """

    BEFORE = "before"
    AFTER = "after"
    UNCLEAR = "unclear"


class ServerClock:
    """Bounds of the difference between Tilia's clocks and ours.

    Nobody says that it is the one of the header ``Date``, and that may be a proxy's. So it may be ahead by anything
    between nothing and what any ``Date`` says, and by a minute more or less. Without a ``Date`` nothing is known.
    """

    def __init__(self) -> None:
        self._heard = False
        self._least = self._most = timedelta(0)
        self._vague: dict[datetime, timedelta] = {}

    def note(self, date: str | None, asked_at: datetime, answered_at: datetime) -> None:
        """Note the header of an answer.

        It came between two moments.
        """
        try:
            sent_at = parsedate_to_datetime(date or "")
            # The header is in GMT; read without a zone it would be taken for local time.
            sent_at = sent_at.replace(tzinfo=UTC) if sent_at.tzinfo is None else sent_at.astimezone(UTC)
            low, high = sent_at - answered_at, sent_at + _SECOND - asked_at
        except (ValueError, OverflowError):
            return
        self._least, self._most = min(self._least, low), max(self._most, high)
        self._heard = True

    def note_times(self, payload: JsonValue) -> None:
        """Note the times of a payload that tell no zone.

        Nobody says that they are in UTC.
        """
        waiting = [payload]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting += value.values()
                self._note_time(value.get(_DATED))
            elif isinstance(value, list):
                waiting += value

    def _note_time(self, text: JsonValue) -> None:
        time = read_time(text)
        if time is None or not isinstance(text, str) or _has_zone(text):
            return
        vague = _ANY_ZONE if ":" in text else _ANY_ZONE + _DAY
        self._vague[time] = max(vague, self._vague.get(time, vague))

    def age(self, made_at: datetime | None, since: datetime | None) -> Age:
        """Compare Tilia's time with our clock.

        A time that Tilia tells with a moment of our clock.
        """
        if made_at is None or since is None or not self._heard:
            return Age.UNCLEAR
        spare = MARGIN + self._vague.get(made_at, timedelta(0))
        try:
            if made_at - spare >= since + self._most:
                return Age.AFTER
            # A time may be cut to whole seconds, of which any moment may be meant.
            return Age.BEFORE if made_at + _SECOND + spare < since + self._least else Age.UNCLEAR
        except OverflowError:
            return Age.UNCLEAR


def _has_zone(text: str) -> bool:
    """Return True if a time tells its zone.

    A text that is a time.
    """
    if text.endswith("UTC"):
        return True
    return datetime.fromisoformat(text.replace(" +", "+").upper()).tzinfo is not None
