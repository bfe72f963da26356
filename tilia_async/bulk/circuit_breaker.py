"""Telling a job's failure from an account's.

It has no clock and no task of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs

from tilia_async import errors

if TYPE_CHECKING:
    from tilia_async.bulk.work_item import WorkItem

MOST_REFUSED: Final = 20
"""Refused calls in a row before the job stops.

Their token is refused, and nothing speaks for it.
"""

ENOUGH_TO_ASK: Final = 8
"""Refused calls in a row before a token probe.

Their token is refused; from then on it is worth asking Tilia about it.
"""

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


@attrs.frozen
class ProbeResult:
    """The result for accounts whose token was refused.

    Attributes:
        own: the refusal is the account's own: the same token served another.
        again: it was an older token; they are asked for once more.
    """

    own: Sequence[WorkItem] = ()
    again: Sequence[WorkItem] = ()


NONE: Final = ProbeResult()


class CircuitBreaker:
    """Watches the ends of a job's calls.

    A 401 may be the account's own, or that of a token which has lost its power. So an account that is refused waits for
    a verdict: only if the same token serves a call that began later was the refusal its own. When no such call comes, a
    question is asked: of an account that was served a moment ago.
    """

    def __init__(self) -> None:
        self._suspects: list[tuple[float, WorkItem]] = []
        self._refused = 0
        self._ask_at = ENOUGH_TO_ASK
        self._served = 0
        self._unanswered = 0
        self._rounds = 0
        self._asking_since = 0.0

    @property
    def suspects(self) -> int:
        """Number of accounts that wait for a verdict."""
        return len(self._suspects)

    @property
    def served_calls(self) -> int:
        """Number of calls that Tilia served."""
        return self._served

    @property
    def rounds(self) -> int:
        """Number of consecutive times that Tilia asked for less."""
        return self._rounds

    @property
    def first_suspect(self) -> WorkItem | None:
        """The one that waits for the longest time."""
        return self._suspects[0][1] if self._suspects else None

    def served(self, started: float, generation: int) -> ProbeResult:
        """Clear the token of a call that was served.

        The call began at that time; it was served with that token, so the token is good.
        """
        self._served += 1
        self._unanswered = self._rounds = 0
        if not self._suspects:
            return NONE
        judged = [work for refused_at, work in self._suspects if refused_at <= started]
        if not judged:
            return NONE
        self._refused, self._ask_at = 0, ENOUGH_TO_ASK
        self._suspects = [each for each in self._suspects if each[0] > started]
        own = [work for work in judged if work.generation == generation]
        return ProbeResult(own, [work for work in judged if work.generation != generation])

    def refused(self, work: WorkItem, now: float) -> bool:
        """Note a refused token.

        Returns True if it is time to ask about it.
        """
        self._unanswered = 0
        self._refused += 1
        self._suspects.append((now, work))
        if self._refused < self._ask_at:
            return False
        self._ask_at = self._refused + ENOUGH_TO_ASK
        return True

    def acquit(self, work: WorkItem) -> None:
        """Remove a suspect that was sent again."""
        self._suspects = [each for each in self._suspects if each[1] is not work]

    def is_hopeless(self, error: errors.UnauthorizedError) -> bool:
        """Return True if the job has to stop.

        Nothing speaks for its token.
        """
        lacks = isinstance(error, errors.MissingScopeError) and bool(error.granted) and error.needed - error.granted
        return self._refused >= MOST_REFUSED or (bool(lacks) and not self._served)

    def unanswered(self) -> bool:
        """Note an account without a usable answer.

        It was given up. Returns True if the job has to stop.
        """
        self._unanswered += 1
        return self._unanswered >= MOST_UNANSWERED

    def asked_for_less(self, now: float) -> bool:
        """Tilia asked for less once more.

        Returns whether the job has to stop.
        """
        self._unanswered = 0
        if not self._rounds:
            self._asking_since = now
        self._rounds += 1
        return self._rounds >= MOST_ROUNDS and now - self._asking_since >= LONGEST_ROUNDS
