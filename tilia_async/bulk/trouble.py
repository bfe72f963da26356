"""Tells a failure that is the job's from one that is an account's. It has no clock and no task of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from tilia_async import errors

T = TypeVar("T")

MOST_REFUSED: Final = 20
"""Calls in a row whose token is refused, after which the token is to blame and not the accounts."""

MOST_UNANSWERED: Final = 20
"""Calls in a row without a usable answer, after which the job stops."""

MOST_ROUNDS: Final = 10
"""Times in a row that Tilia asks for less, with nothing served in between, after which the job stops."""


class Trouble(Generic[T]):
    """Watches the ends of a job's calls.

    A 401 may be the account's own, or that of credentials which have lost their power. So those who are refused wait
    for a verdict: a call that begins after their refusal and is served clears the credentials.
    """

    def __init__(self) -> None:
        self._suspects: list[tuple[float, T, errors.TiliaError]] = []
        self._served = False
        self._unanswered = 0
        self._rounds = 0

    @property
    def suspects(self) -> int:
        """How many wait for a verdict."""
        return len(self._suspects)

    def served(self, started: float) -> Sequence[tuple[T, errors.TiliaError]]:
        """A call that began then was served: its token is good. Returns those whose refusal is their own."""
        self._served = True
        self._unanswered = self._rounds = 0
        if not self._suspects:
            return ()
        cleared = [(who, error) for refused_at, who, error in self._suspects if refused_at <= started]
        self._suspects = [each for each in self._suspects if each[0] > started]
        return cleared

    def refused(self, who: T, error: errors.UnauthorizedError, now: float) -> errors.TiliaError | None:
        """The token was refused. Returns why the job has to stop, if it has to."""
        self._unanswered = 0
        self._suspects.append((now, who, error))
        lacks = isinstance(error, errors.MissingScopeError) and bool(error.granted) and error.needed - error.granted
        return error if len(self._suspects) >= MOST_REFUSED or (lacks and not self._served) else None

    def unanswered(self, error: errors.TiliaError) -> errors.TiliaError | None:
        """A call ended without a usable answer. Returns why the job has to stop, if it has to."""
        self._unanswered += 1
        return error if self._unanswered >= MOST_UNANSWERED else None

    def asked_for_less(self, error: errors.TiliaError) -> errors.TiliaError | None:
        """Tilia asked for less once more. Returns why the job has to stop, if it has to."""
        self._unanswered = 0
        self._rounds += 1
        return error if self._rounds >= MOST_ROUNDS else None

    @property
    def rounds(self) -> int:
        """How often in a row Tilia asked for less."""
        return self._rounds

    def nothing_follows(self) -> errors.TiliaError | None:
        """Nothing is left that could clear the credentials. Returns why the job stops, if they were never served."""
        return self._suspects[0][2] if self._suspects and not self._served else None

    def all_suspects(self) -> Sequence[tuple[T, errors.TiliaError]]:
        """Those who wait for a verdict; they wait no longer."""
        suspects, self._suspects = self._suspects, []
        return [(who, error) for _, who, error in suspects]
