"""The sandbox's own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Final

import attrs

_FURTHEST: Final = 3_155_760_000.0
"""Seconds of a century: dates have an end."""


class SandboxClock:
    """The sandbox's clock.

    Runs with the real time, and can be put forward so that tokens expire and wallets appear.

    Args:
        changed: called after it was put forward.
    """

    def __init__(self, changed: Callable[[], object] | None = None) -> None:
        self._ahead = 0.0
        self._changed = changed

    @property
    def ahead(self) -> float:
        """Seconds by which it was put forward."""
        return self._ahead

    def advance(self, seconds: float) -> None:
        """Put the clock forward.

        Raises:
            ValueError: the number is negative, or leads further than a century.
        """
        if not (seconds >= 0 and self._ahead + seconds <= _FURTHEST):
            raise ValueError(f"the clock is put forward by 0 to {_FURTHEST:.0f} seconds, not by {seconds!r}")
        self._ahead += seconds
        if self._changed is not None:
            self._changed()

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time() + self._ahead


def put_back(clock: SandboxClock, ahead: float) -> None:
    """Put a clock to where it was.

    For a state that begins anew: nothing in it is from later.

    Args:
        clock: the one to put back.
        ahead: in seconds, of the real time.
    """
    clock._ahead = ahead  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - of this module


@attrs.frozen
class Timestamps:
    """The forms in which Tilia writes a time."""

    _clock: SandboxClock

    def rfc3339(self, at: float | None = None) -> str:
        """Return a time as accounts and invoices write it.

        The time is now by default, e.g. ``2020-07-03T01:05:59.494680Z``.
        """
        return self._utc(at).isoformat().replace("+00:00", "Z")

    def http_date(self, ahead: float = 0.0) -> str:
        """Return a time as ``Date`` has it.

        Now, or some seconds ahead, e.g. ``Fri, 03 Jul 2020 01:05:59 GMT``.
        """
        return formatdate(self._clock.now() + ahead, usegmt=True)

    def plain(self) -> str:
        """Return the time as payment methods write it.

        It has no zone: ``2020-08-21 09:03:39``.
        """
        return self._utc().strftime("%Y-%m-%d %H:%M:%S")

    def with_microseconds(self) -> str:
        """Return the time as payouts write it.

        It has no zone: ``2020-09-10 16:15:42.343045``.
        """
        return self._utc().strftime("%Y-%m-%d %H:%M:%S.%f")

    def _utc(self, at: float | None = None) -> datetime:
        return datetime.fromtimestamp(self._clock.now() if at is None else at, UTC)
