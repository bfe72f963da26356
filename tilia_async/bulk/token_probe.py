"""The rules for a refused token: whose fault it is.

A 401 may be the account's own, or that of a token which has lost its power. So an account whose token was refused
waits as a suspect. Only if the same token serves a call that began later was the refusal its own. When no such call
comes, a probe is sent: to an account that was served a moment ago, or else to the first suspect.

This has no clock and no task of its own, and sends nothing: ``token_prober`` does.
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

ENOUGH_TO_PROBE: Final = 8
"""Refused calls in a row before a probe."""

WITNESS_SECONDS: Final = 30.0
"""Seconds for which a served account can be a probe.

It may be sent once more: nobody has changed it since.
"""

LONELY_SECONDS: Final = 1.0
"""Seconds that a lone suspect waits for another account.

A new token was refused for it, too, and no account has been served. Whoever comes next tells whose fault that is.
"""


@attrs.frozen
class Resolved:
    """The end of suspects' waiting, by a served call.

    Attributes:
        own: the refusal is the account's own: the same token served another.
        again: it was an older token; they are asked for once more.
    """

    own: Sequence[WorkItem] = ()
    again: Sequence[WorkItem] = ()


NONE: Final = Resolved()


@attrs.frozen
class Probe:
    """Send a probe now."""


@attrs.frozen
class Wait:
    """Look again after so many seconds, or after a change."""

    seconds: float


@attrs.frozen
class Stop:
    """Stop the job: the refusals are its own."""

    failure: errors.TiliaError


Step = Probe | Wait | Stop


class TokenProbe:
    """Suspects, and what may tell whose fault their refusals are."""

    def __init__(self) -> None:
        self._suspects: list[tuple[float, WorkItem]] = []
        self._witness: tuple[float, WorkItem] | None = None
        self._refused = 0
        self._probe_at = ENOUGH_TO_PROBE
        self._has_served = False
        self._is_out = False
        self._is_due = False
        self._hopeless: errors.UnauthorizedError | None = None
        self._lonely_since: float | None = None

    @property
    def suspects(self) -> Sequence[WorkItem]:
        """Accounts that wait to be resolved, the first refused first."""
        return [work for _, work in self._suspects]

    def served(self, started: float, generation: int, witness: WorkItem | None = None) -> Resolved:
        """Clear the token of a call that was served.

        Args:
            started: when the call began.
            generation: of the token that it carried.
            witness: the account, if the same may be done to it once more.
        """
        self._has_served = True
        if witness is not None:
            self._witness = (started, witness)
        judged = [suspect for refused_at, suspect in self._suspects if refused_at <= started]
        if not judged:
            return NONE
        self._refused, self._probe_at = 0, ENOUGH_TO_PROBE
        self._is_due, self._hopeless = False, None
        self._suspects = [each for each in self._suspects if each[0] > started]
        own = [suspect for suspect in judged if suspect.generation == generation]
        return Resolved(own, [suspect for suspect in judged if suspect.generation != generation])

    def refused(self, work: WorkItem, failure: errors.UnauthorizedError, now: float) -> None:
        """Make an account whose token was refused a suspect."""
        self._refused += 1
        self._suspects.append((now, work))
        enough = self._refused >= self._probe_at
        if enough:
            self._probe_at = self._refused + ENOUGH_TO_PROBE
        # What is refused while a probe is out says nothing that the probe will not say.
        if not self._is_out:
            self._is_due = self._is_due or enough
            if self._is_hopeless(failure):
                self._hopeless = failure

    def witness(self, now: float) -> WorkItem | None:
        """Return an account that was served a moment ago.

        To do the same to it once more changes nothing.
        """
        if self._witness is None or now - self._witness[0] > WITNESS_SECONDS:
            return None
        return self._witness[1]

    def next_step(self, now: float, *, only_suspects_left: bool, more_may_come: bool) -> Step | None:
        """Return what is to be done about the suspects.

        Args:
            now: on the clock of the other times.
            only_suspects_left: nothing else waits or is under way, so no other call will clear them.
            more_may_come: the accounts are not read to the end.

        Returns:
            None: nothing, until something changes.
        """
        if not self._suspects or self._is_out:
            return None
        first, witness = self._suspects[0][1], self.witness(now)
        if self._hopeless is not None and witness is None:
            return Stop(self._hopeless)
        if self._is_due:
            return Probe()
        if not only_suspects_left:
            self._lonely_since = None
            return None
        if not first.asked or witness is not None or not more_may_come or first.failure is None:
            return Probe()
        if self._lonely_since is None:
            self._lonely_since = now
        left = self._lonely_since + LONELY_SECONDS - now
        return Wait(left) if left > 0 else Stop(first.failure)

    def begin(self) -> None:
        """Note that a probe goes out."""
        self._is_out = True
        self._is_due, self._hopeless, self._lonely_since = False, None, None

    def end(self) -> None:
        """Note that no probe is out any more."""
        self._is_out = False

    def take_first(self) -> WorkItem | None:
        """Return the first suspect, which is one no longer.

        A call that is served meanwhile does not judge it, so it gets one outcome.
        """
        return self._suspects.pop(0)[1] if self._suspects else None

    def _is_hopeless(self, failure: errors.UnauthorizedError) -> bool:
        """Return True if the refusals are the job's.

        So many in a row, or a scope that lacks for certain.
        """
        if isinstance(failure, errors.MissingScopeError) and failure.granted and not self._has_served:
            return bool(failure.needed - failure.granted) or self._refused >= MOST_REFUSED
        return self._refused >= MOST_REFUSED
