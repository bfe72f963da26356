"""Limit of the requests in flight.

Additive increase, multiplicative decrease. It has no clock and no task of its own.
"""

from __future__ import annotations

import logging
from typing import Final

from tilia_async.observe.log_lines import LONG_WAIT

_log = logging.getLogger("tilia_async.bulk")

_FIRST: Final = 8
_FAST: Final = 0.5
_HALF: Final = 0.5
_FEW: Final = 2
_RISING: Final = 1.5
_RISING_SECONDS: Final = 0.02
_RISEN: Final = 2.0
_RISEN_SECONDS: Final = 0.1


class AdaptiveLimit:
    """An adaptive limit of the requests in flight.

    It begins low and grows by half with every round that goes well, until the first trouble or until answers begin to
    take longer; from then on by one a round. A round is as many answers as may be in flight. A 429 or a 503 halves it.
    Answers that take more than twice as long as usual, and 100 ms longer, lower it by as much as they are late, by half
    at most. Both count once for what was in flight together.

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
        self._round = 0
        self._round_took = 0.0

    @property
    def limit(self) -> int:
        """Number of requests that may be in flight.

        It is at least 1.
        """
        return int(self._limit)

    def hold(self, now: float) -> float:
        """Return the seconds for which nothing may be sent.

        0 or less: it may.
        """
        return self._held_until - now

    def answered(self, started: float, now: float) -> None:
        """Note an answer other than a refusal to serve."""
        self._limit = min(self.most, self._limit + (_FAST if self._growing_fast else 1.0 / self._limit))
        self._watch(started, now)

    def refused(self, started: float, now: float, wait: float) -> bool:
        """Note that the server asked for less.

        429, 503, or it is not to be reached.

        Args:
            started: when the request was sent, on the clock of ``now``.
            wait: seconds for which nothing is sent.

        Returns:
            Whether this is news, and not about what was in flight when it was slowed down last.
        """
        self._held_until = max(self._held_until, now + wait)
        is_news = self._slow(started, now, _HALF)
        if is_news and wait >= LONG_WAIT:
            _log.info("Tilia asks for less: nothing is sent for %.1f s, then %d at once at most", wait, self.limit)
        return is_news

    def _watch(self, started: float, now: float) -> None:
        """Compare each round's answer times with the usual ones.

        At the end of the round.
        """
        self._round += 1
        self._round_took += now - started
        if self._round < self.limit:
            return
        took = self._round_took / self._round
        self._round, self._round_took = 0, 0.0
        self._usual = min(self._usual, took) if self._usual else took
        if took > self._usual * _RISING + _RISING_SECONDS:
            self._growing_fast = False
        if took <= self._usual * _RISEN or took <= self._usual + _RISEN_SECONDS:
            return
        if self.limit > _FEW:
            self._slow(started, now, max(_HALF, self._usual * _RISEN / took))
        else:
            # So few are not what makes it slow: this is how it is now.
            self._usual = took

    def _slow(self, started: float, now: float, factor: float) -> bool:
        if started < self._slowed_at:
            return False
        self._slowed_at = now
        self._growing_fast = False
        self._limit = max(1.0, self._limit * factor)
        return True
