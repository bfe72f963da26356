"""The faults that wait for requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

import attrs

from tilia_async.sandbox.faults import LIES, MADE_FOR, Fault

_TOKEN: Final = "auth.token"  # noqa: S105 - no password
_OF_CONTENT: Final = LIES - {Fault.WRONG_DATE, Fault.CLOSED_WHEN_IDLE}


@attrs.frozen
class KnownOperations:
    """The operations that faults can be added for.

    Attributes:
        names: all of them.
        reading: those that only look something up.
        same_route: maps a name to all names that share its route: the server sees the route only.
    """

    names: Collection[str]
    reading: Collection[str]
    same_route: Callable[[str], Iterable[str]]


@attrs.define(eq=False)
class ScheduledFault:
    """A fault that waits for its requests.

    Attributes:
        left: how many more requests it meets; None: all.
        seconds: of latency, or what else the fault says.
        retry_after: the header's value, seconds or a date.
        status: that a gateway answers with.
        body: that is sent instead of an answer.
    """

    operation: str
    fault: Fault
    left: int | None
    seconds: float
    retry_after: str
    status: int
    body: str


class WaitingFaults:
    """The faults that wait, in the order they were added.

    Args:
        known: the operations that there are.
    """

    def __init__(self, known: KnownOperations) -> None:
        self.known = known
        self._scheduled: list[ScheduledFault] = []

    def __len__(self) -> int:
        return len(self._scheduled)

    @property
    def scheduled(self) -> tuple[ScheduledFault, ...]:
        return tuple(self._scheduled)

    def add(self, scheduled: ScheduledFault) -> None:
        self._scheduled.append(scheduled)

    def clear(self) -> None:
        self._scheduled.clear()

    def put_back(self, scheduled: Iterable[ScheduledFault]) -> None:
        """Let these faults wait, and no others."""
        self._scheduled[:] = map(attrs.evolve, scheduled)

    def next(self, operation: str, *, revoking: bool = False) -> ScheduledFault | None:
        """Return the next fault of this operation.

        It waits for a request, and is met when ``meet`` says so.

        Args:
            operation: the name.
            revoking: only if it is the one that revokes the request's token; otherwise that one is passed over.
        """
        for scheduled in self._scheduled:
            revokes = scheduled.fault is Fault.TOKEN_REVOKED
            if (revokes and not revoking) or scheduled.fault in LIES:
                continue
            if self._is_for(scheduled, operation):
                return scheduled if revokes or not revoking else None
        return None

    def lies(self, operation: str) -> dict[Fault, ScheduledFault]:
        """Return the lies for a request of this operation.

        These are the lies that wait, the first of each kind.
        """
        found: dict[Fault, ScheduledFault] = {}
        for scheduled in self._scheduled:
            if scheduled.fault in LIES and self._is_for(scheduled, operation):
                found.setdefault(scheduled.fault, scheduled)
        return found

    def most_seconds(self, fault: Fault) -> float | None:
        """Return the most seconds of this kind of fault.

        It looks at the faults that wait for a request; None if there is none.
        """
        return max((scheduled.seconds for scheduled in self._scheduled if scheduled.fault is fault), default=None)

    def meet(self, scheduled: ScheduledFault) -> None:
        """Mark a fault as met by a request."""
        if scheduled.left is not None:
            scheduled.left -= 1
            if scheduled.left == 0:
                self._scheduled.remove(scheduled)

    def _is_for(self, scheduled: ScheduledFault, operation: str) -> bool:
        if scheduled.operation != "*":
            return operation in self.known.same_route(scheduled.operation)
        if operation == _TOKEN and scheduled.fault in _OF_CONTENT:
            return False
        made_for = self.made_for(scheduled.fault)
        return made_for is None or operation in made_for

    def made_for(self, fault: Fault) -> frozenset[str] | None:
        """Return the operations that a fault is made for.

        None: all of them.
        """
        if fault is Fault.STALE_READ:
            return frozenset(self.known.reading)
        if fault is Fault.TOKEN_REVOKED:
            return frozenset(self.known.names) - {_TOKEN}
        return frozenset(MADE_FOR[fault]) if fault in MADE_FOR else None
