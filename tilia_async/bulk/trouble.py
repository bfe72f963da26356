"""Tells a failure that is the job's from one that is an account's. It has no clock and no task of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs

from tilia_async import errors

if TYPE_CHECKING:
    from tilia_async.bulk.work import Work

MOST_REFUSED: Final = 20
"""Calls in a row whose token is refused, after which the token is to blame and not the accounts."""

ENOUGH_TO_RENEW: Final = 8
"""Calls in a row whose token is refused, after which a new one is worth a try."""

MOST_UNANSWERED: Final = 20
"""Calls in a row without a usable answer, after which the job stops."""

MOST_ROUNDS: Final = 10
"""Times in a row that Tilia asks for less, with nothing served in between, after which the job stops;"""

LONGEST_ROUNDS: Final = 30.0
"""but not before it has done so for that long, in seconds."""


@attrs.frozen
class Verdict:
    """What is known now of accounts whose token was refused.

    Attributes:
        own: the refusal is the account's own.
        again: nobody knows; they are asked for once more.
    """

    own: Sequence[Work] = ()
    again: Sequence[Work] = ()


NONE: Final = Verdict()


class Trouble:
    """Watches the ends of a job's calls.

    A 401 may be the account's own, or that of a token which has lost its power. So an account that is refused waits for
    a verdict. If the same token serves another call that began later, the refusal was the account's own; also if it was
    refused with a new token, and that served others. A new token is asked for when many are refused in a row, or when
    nothing else is left that could tell.
    """

    def __init__(self) -> None:
        self._suspects: list[tuple[float, Work]] = []
        self._first: errors.TiliaError | None = None
        self._served = False
        self._refused = 0
        self._renewal_at = ENOUGH_TO_RENEW
        self._unanswered = 0
        self._rounds = 0
        self._asking_since = 0.0

    @property
    def suspects(self) -> int:
        """How many wait for a verdict."""
        return len(self._suspects)

    def may_renew(self) -> bool:
        """Whether a new token may help a call whose token was just refused: it may once, and then not for a while."""
        if self._refused < self._renewal_at:
            return False
        self._renewal_at = self._refused + ENOUGH_TO_RENEW
        return True

    @property
    def rounds(self) -> int:
        """How often in a row Tilia asked for less."""
        return self._rounds

    def served(self, started: float, generation: int) -> Verdict:
        """A call that began then was served with that token: it is good."""
        self._served = True
        self._unanswered = self._rounds = 0
        if not self._suspects:
            return NONE
        judged = [work for refused_at, work in self._suspects if refused_at <= started]
        if not judged:
            return NONE
        self._refused, self._renewal_at = 0, ENOUGH_TO_RENEW
        self._suspects = [each for each in self._suspects if each[0] > started]
        own = [work for work in judged if work.renewed or work.generation == generation]
        return Verdict(own, [work for work in judged if work not in own])

    def refused(self, work: Work, error: errors.UnauthorizedError, now: float) -> errors.TiliaError | None:
        """The token was refused. Returns why the job has to stop, if it has to."""
        self._unanswered = 0
        self._refused += 1
        self._suspects.append((now, work))
        self._first = self._first or error
        lacks = isinstance(error, errors.MissingScopeError) and bool(error.granted) and error.needed - error.granted
        return error if self._refused >= MOST_REFUSED or (lacks and not self._served) else None

    def nothing_follows(self) -> Verdict | errors.TiliaError:
        """Nothing is left but suspects. Returns the verdict, or why the job has to stop: new tokens serve nobody."""
        suspects = [work for _, work in self._suspects]
        own = [work for work in suspects if work.renewed]
        if own and not self._served and self._first is not None:
            return self._first
        self._suspects = []
        self._refused = self._renewal_at = 0
        return Verdict(own, [work for work in suspects if not work.renewed])

    def unanswered(self, error: errors.TiliaError) -> errors.TiliaError | None:
        """A call ended without a usable answer. Returns why the job has to stop, if it has to."""
        self._unanswered += 1
        return error if self._unanswered >= MOST_UNANSWERED else None

    def asked_for_less(self, error: errors.TiliaError, now: float) -> errors.TiliaError | None:
        """Tilia asked for less once more. Returns why the job has to stop, if it has to."""
        self._unanswered = 0
        if not self._rounds:
            self._asking_since = now
        self._rounds += 1
        return error if self._rounds >= MOST_ROUNDS and now - self._asking_since >= LONGEST_ROUNDS else None
