"""Faults that the sandbox commits on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

import attrs


class Fault(Enum):
    """What can go wrong with a request.

    The server errors, the rate limit and those "before commit" leave the state as it was. Those that come after the
    commit wait for a request that has one: a refused request does not meet them.
    """

    LATENCY = "latency"
    """The request is worked on after a wait of ``seconds``."""
    DROP_BEFORE_COMMIT = "drop before commit"
    """The connection is dropped and nothing was done."""
    DROP_AFTER_COMMIT = "drop after commit"
    """It was done, and the connection is dropped before the answer."""
    HANG_BEFORE_COMMIT = "hang before commit"
    """Nothing was done, and no answer comes for as long as the client waits."""
    HANG_AFTER_COMMIT = "hang after commit"
    """It was done, and no answer comes for as long as the client waits."""
    SLOW_BODY = "slow body"
    """It was done, and the body of the answer dribbles in for ``seconds``."""
    RATE_LIMITED = "rate limited"
    """429 with ``Retry-After``."""
    SERVER_ERROR_EMPTY = "server error, empty"
    """500 with an empty body."""
    SERVER_ERROR_HTML = "server error, html"
    """500 with a proxy's HTML page."""
    BAD_GATEWAY = "bad gateway"
    """It was done, and a proxy that did not wait for the answer says 502 with an HTML page."""
    TRUNCATED_JSON = "truncated json"
    """It was done, and the JSON of the answer ends in the middle."""
    WRONG_CONTENT_TYPE = "wrong content type"
    """It was done, and the answer is an HTML page under the status of success."""
    TOKEN_OUTAGE = "token outage"  # noqa: S105 - no password
    """The token endpoint answers 503; for the operation ``auth.token``."""
    TOKEN_REVOKED = "token revoked"  # noqa: S105 - no password
    """The request's token is revoked before it is looked at."""


AFTER_COMMIT = frozenset(
    {
        Fault.DROP_AFTER_COMMIT,
        Fault.HANG_AFTER_COMMIT,
        Fault.SLOW_BODY,
        Fault.BAD_GATEWAY,
        Fault.TRUNCATED_JSON,
        Fault.WRONG_CONTENT_TYPE,
    }
)


@attrs.define(eq=False)
class ScheduledFault:
    """A fault that waits for its requests.

    Attributes:
        left: how many more requests it meets; None: all.
        seconds: of latency, or that a slow body takes.
        retry_after: the header's value, seconds or a date.
    """

    operation: str
    fault: Fault
    left: int | None
    seconds: float
    retry_after: str


class FaultScript:
    """Which requests go wrong, and how. Faults of one operation are met in the order they were added."""

    def __init__(self, names: Callable[[str], Iterable[str]]) -> None:
        # Maps an operation's name to all names that share its route: the server sees the route only.
        self._names = names
        self._scheduled: list[ScheduledFault] = []

    def add(
        self,
        operation: str,
        fault: Fault,
        times: int | None = 1,
        *,
        seconds: float = 1.0,
        retry_after: float | str = 1,
    ) -> None:
        """Let the next requests of an operation go wrong.

        Args:
            operation: its name, ``auth.token`` for the token endpoint, or ``*`` for every request.
            fault: what happens.
            times: how many requests meet it; None: all from now on.
            seconds: how long ``Fault.LATENCY`` waits, and how long ``Fault.SLOW_BODY`` takes.
            retry_after: the ``Retry-After`` of ``Fault.RATE_LIMITED``; seconds, or a text as it is.

        Raises:
            ValueError: there is no operation of that name; ``times`` is less than 1.
        """
        if operation != "*":
            self._names(operation)
        if times is not None and times < 1:
            raise ValueError(f"times is at least 1, or None for always, not {times!r}")
        self._scheduled.append(ScheduledFault(operation, fault, times, seconds, str(retry_after)))

    def clear(self) -> None:
        """Forget all faults that wait."""
        self._scheduled.clear()

    @property
    def pending(self) -> int:
        """How many faults wait for a request."""
        return len(self._scheduled)

    def next(self, operation: str, *, revoking: bool = False) -> ScheduledFault | None:
        """The fault that waits for a request of this operation; it is met when :meth:`meet` says so.

        Args:
            operation: the name.
            revoking: only if it is the one that revokes the request's token; otherwise that one is passed over.
        """
        for scheduled in self._scheduled:
            revokes = scheduled.fault is Fault.TOKEN_REVOKED
            if revokes and not revoking:
                continue
            if scheduled.operation == "*" or operation in self._names(scheduled.operation):
                return scheduled if revokes or not revoking else None
        return None

    def meet(self, scheduled: ScheduledFault) -> None:
        """A request meets the fault."""
        if scheduled.left is not None:
            scheduled.left -= 1
            if scheduled.left == 0:
                self._scheduled.remove(scheduled)
