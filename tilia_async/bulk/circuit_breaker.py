"""Rules that stop a job when the server is away.

It has no clock and no task of its own.
"""

from __future__ import annotations

from typing import Final

MOST_UNANSWERED: Final = 20
"""Unanswered accounts in a row before the job stops.

They were given up without a usable answer.
"""

MOST_ROUNDS: Final = 10
"""Rounds of 429 or 503 before the job stops.

Times in a row that Tilia asks for less, with nothing served in between; see ``LONGEST_ROUNDS``.
"""

LONGEST_ROUNDS: Final = 30.0
"""Shortest duration of such rounds, in seconds.

The job does not stop before Tilia has asked for less for that long.
"""


class CircuitBreaker:
    """Counts what Tilia leaves unserved in a row.

    Attributes:
        served_calls: how many calls were served.
        rounds: how often in a row Tilia asked for less.
    """

    def __init__(self) -> None:
        self.served_calls: int = 0
        self.rounds: int = 0
        self._unanswered = 0
        self._throttled_since = 0.0

    def served(self) -> None:
        """Note a call that was served."""
        self.served_calls += 1
        self._unanswered = self.rounds = 0

    def refused(self) -> None:
        """Note a refused token: Tilia is there, and serves nothing."""
        self._unanswered = 0

    def unanswered(self) -> bool:
        """Note an account without a usable answer.

        It was given up.

        Returns:
            Whether the job has to stop.
        """
        self._unanswered += 1
        return self._unanswered >= MOST_UNANSWERED

    def throttled(self, now: float) -> bool:
        """Note that Tilia asked for less once more.

        Args:
            now: on a clock that never goes back, in seconds.

        Returns:
            Whether the job has to stop.
        """
        self._unanswered = 0
        if not self.rounds:
            self._throttled_since = now
        self.rounds += 1
        return self.rounds >= MOST_ROUNDS and now - self._throttled_since >= LONGEST_ROUNDS
