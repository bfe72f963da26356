"""How much may be in flight: additive increase, multiplicative decrease. It has no clock and no task of its own."""

from __future__ import annotations

from typing import Final

_FIRST: Final = 8
_LESS: Final = 0.5
_A_LITTLE_LESS: Final = 0.8
_SMOOTHING: Final = 0.1
_BASE_DRIFT: Final = 1.02
_RISEN: Final = 2.0
_RISEN_SECONDS: Final = 0.1


class Pace:
    """How many requests may be in flight at once.

    It begins low and doubles with every round that goes well, until the first trouble; from then on it grows by one a
    round. A round is as many answers as may be in flight. A 429 or a 503 halves it, an answer time that has risen to
    the double, and by 100 ms at least, takes a fifth; both once for what was in flight together.

    Attributes:
        most: the most that may be in flight, whatever happens.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._limit = float(min(most, _FIRST))
        self._growing_fast = True
        self._slowed_at = float("-inf")
        self._held_until = float("-inf")
        self._usual = 0.0
        self._recent = 0.0
        self._answers = 0

    @property
    def limit(self) -> int:
        """How many may be in flight now; at least 1."""
        return int(self._limit)

    def hold(self, now: float) -> float:
        """Seconds for which nothing may be sent; 0 or less: it may."""
        return self._held_until - now

    def answered(self, started: float, now: float) -> None:
        """A request was answered, and not with a refusal to serve."""
        self._limit = min(self.most, self._limit + (1.0 if self._growing_fast else 1.0 / self._limit))
        self._watch(started, now)

    def refused(self, started: float, now: float, wait: float) -> bool:
        """The server asked for less: 429, 503, or it is not to be reached.

        Args:
            started: when the request was sent, on the clock of ``now``.
            wait: seconds for which nothing is sent.

        Returns:
            Whether this is news, and not about what was in flight when it was slowed down last.
        """
        self._held_until = max(self._held_until, now + wait)
        return self._slow(started, now, _LESS)

    def _watch(self, started: float, now: float) -> None:
        """Slow down when answers take longer than they used to, by how they take lately."""
        took = now - started
        self._recent = took if not self._answers else self._recent + _SMOOTHING * (took - self._recent)
        self._answers += 1
        if self._answers % max(self.limit, _FIRST):
            return
        # Once a round. What is usual drifts up, so that a server that has become slower for good is not mistrusted.
        self._usual = min(self._usual * _BASE_DRIFT, self._recent) if self._usual else self._recent
        if self._recent > self._usual * _RISEN and self._recent > self._usual + _RISEN_SECONDS:
            self._slow(started, now, _A_LITTLE_LESS)

    def _slow(self, started: float, now: float, factor: float) -> bool:
        if started < self._slowed_at:
            return False
        self._slowed_at = now
        self._growing_fast = False
        self._limit = max(1.0, self._limit * factor)
        return True
