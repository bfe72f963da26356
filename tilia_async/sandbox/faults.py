"""Faults that the sandbox commits on demand."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from typing import Final

import attrs

from tilia_async.errors import InvalidRequestError


class Fault(Enum):
    """A kind of failure of a request.

    The server errors, the rate limit and those "before commit" leave the state as it was. Those that come after the
    commit wait for a request that has one: a refused request does not meet them. A request meets one of these at most.

    The lies are what Tilia's documentation leaves open. They spoil an answer that is a success, in addition to one of
    the others and to each other; a refused request does not meet them. So a write can be dropped after its commit, and
    the look-up that follows can lie.
    """

    LATENCY = "latency"
    """The request is worked on after a wait of ``seconds``."""
    DROP_BEFORE_COMMIT = "drop before commit"
    """The connection is dropped and nothing was done."""
    DROP_AFTER_COMMIT = "drop after commit"
    """Done, but the connection is dropped before the answer."""
    HANG_BEFORE_COMMIT = "hang before commit"
    """Nothing was done, and no answer comes.

    For as long as the client waits.
    """
    HANG_AFTER_COMMIT = "hang after commit"
    """Done, but no answer comes.

    For as long as the client waits.
    """
    SLOW_BODY = "slow body"
    """Done, but the answer's body takes ``seconds``.

    The body dribbles in.
    """
    RATE_LIMITED = "rate limited"
    """429 with ``Retry-After``."""
    SERVER_ERROR_EMPTY = "server error, empty"
    """500 with an empty body."""
    SERVER_ERROR_HTML = "server error, html"
    """500 with a proxy's HTML page."""
    BAD_GATEWAY = "bad gateway"
    """Done, but a proxy says 502.

    With an HTML page; it did not wait for the answer.
    """
    GATEWAY_BEFORE_COMMIT = "gateway before commit"
    """Nothing was done, and a gateway says ``status``.

    It has an HTML page: 408, 499, 504, a redirection…
    """
    GATEWAY_AFTER_COMMIT = "gateway after commit"
    """Done, but a gateway says ``status``.

    With an HTML page; it gave up waiting.
    """
    PROXY_NOT_FOUND = "proxy's not found"
    """404 of a proxy that knows no such route.

    With an HTML page; nothing was looked at.
    """
    TRUNCATED_JSON = "truncated json"
    """Done, but the JSON ends in the middle."""
    WRONG_CONTENT_TYPE = "wrong content type"
    """Done, but the answer is a successful HTML page.

    Its status is that of success.
    """
    OTHER_BODY_BEFORE_COMMIT = "other body before commit"
    """Nothing was done, and the answer is 200 with ``body``.

    One that says no, or nothing.
    """
    OTHER_BODY_AFTER_COMMIT = "other body after commit"
    """Done, but the answer is 200 with ``body``.

    One that says no, or nothing.
    """
    CONTRADICTION_BEFORE_COMMIT = "contradiction before commit"
    """Nothing was done, and the answer contradicts itself.

    It says Success and the opposite in one, as ``is_blocked: false`` to a block, or a paid invoice that is open.
    """
    CONTRADICTION_AFTER_COMMIT = "contradiction after commit"
    """Done, but the answer contradicts itself.

    It says Success and the opposite in one, as ``is_blocked: false`` to a block, or a paid invoice that is open.
    """
    TOKEN_OUTAGE = "token outage"  # noqa: S105 - no password
    """The token endpoint answers 503; for the operation ``auth.token``."""
    TOKEN_REVOKED = "token revoked"  # noqa: S105 - no password
    """The request's token is revoked before it is looked at."""

    STALE_READ = "stale read"
    """A lie: a look-up sees an older state.

    As it was ``seconds`` ago, as a replica that lags behind would.

    Nothing from before the fault was added is hidden. The seconds run on the sandbox's clock, and are right to a
    hundredth of them. While the fault waits, a hundred copies of the whole state are kept at most.
    """
    WRONG_DATE = "wrong date"
    """A lie: the header ``Date`` is ``seconds`` ahead.

    In any answer, of the clock that stamps ``created``; behind it if they are negative.
    """
    TIMES_WITHOUT_ZONE = "times without zone"
    """A lie: no time has a zone.

    As with some of Tilia's (money, 0.8), and all are ``seconds`` ahead of UTC.
    """
    OTHER_ID = "other id"
    """A lie: the answer is about another resource.

    It is about another id or username than the one that was asked for.
    """
    OTHER_ENVELOPE = "other envelope"
    """A lie: an envelope is missing or added.

    An answer comes bare that has an envelope, or the other way around. Tilia does both (money, 0.3).
    """
    WRONG_ORDER = "wrong order"
    """A lie: a list comes in the opposite order.

    Ascending although descending was asked for.
    """
    OTHER_CURRENCY = "other currency"
    """A lie: refunds and payouts are in EUR.

    They are told as 95 for 100, as in the sample of a refund (money, D8).
    """
    LESS_FEE = "less a fee"
    """A lie: refunds and payouts are net of 5 %.

    They are told net of that fee. Payouts have a field for it, refunds have not.
    """
    SPLIT = "split"
    """A lie: each refund is told as two.

    Each of the two has half the amount.
    """
    PENDING = "pending"
    """A lie: what was done is still under way.

    It is told as such. The word for such a refund is inferred.
    """
    LISTED_ELSEWHERE = "listed elsewhere"
    """A lie: refunds stand by their id alone.

    In the maps, and not under the payments.
    """
    CLOSED_WHEN_IDLE = "closed when idle"
    """A lie: an idle connection is closed early.

    ``seconds`` after the answer, which promised to keep it.
    """


AFTER_COMMIT: Final = frozenset(
    {
        Fault.DROP_AFTER_COMMIT,
        Fault.HANG_AFTER_COMMIT,
        Fault.SLOW_BODY,
        Fault.BAD_GATEWAY,
        Fault.GATEWAY_AFTER_COMMIT,
        Fault.TRUNCATED_JSON,
        Fault.WRONG_CONTENT_TYPE,
        Fault.OTHER_BODY_AFTER_COMMIT,
        Fault.CONTRADICTION_AFTER_COMMIT,
    }
)
LIES: Final = frozenset(
    {
        Fault.STALE_READ,
        Fault.WRONG_DATE,
        Fault.TIMES_WITHOUT_ZONE,
        Fault.OTHER_ID,
        Fault.OTHER_ENVELOPE,
        Fault.WRONG_ORDER,
        Fault.OTHER_CURRENCY,
        Fault.LESS_FEE,
        Fault.SPLIT,
        Fault.PENDING,
        Fault.LISTED_ELSEWHERE,
        Fault.CLOSED_WHEN_IDLE,
    }
)
"""Faults that a request can meet besides others."""

OTHER_BODY: Final = '{"error": "upstream timed out"}'
"""Body of the faults with another one, by default."""

_OF_CONTENT: Final = LIES - {Fault.WRONG_DATE, Fault.CLOSED_WHEN_IDLE}
_TOKEN: Final = "auth.token"  # noqa: S105 - no password

_SECONDS: Final[Mapping[Fault, float]] = {
    Fault.STALE_READ: 60.0,
    Fault.TIMES_WITHOUT_ZONE: 0.0,
    Fault.CLOSED_WHEN_IDLE: 0.05,
}
_EITHER_WAY: Final = frozenset({Fault.WRONG_DATE, Fault.TIMES_WITHOUT_ZONE})

_ESCROWS: Final = frozenset(
    {"escrow.create", "escrow.pay", "escrow.commit", "escrow.cancel", "escrow.get", "escrow.find_by_invoice"}
)
_PAYOUTS: Final = frozenset({"payouts.request", "payouts.list", "payouts.get", "payouts.cancel"})
_REFUNDS: Final = frozenset({"refunds.list"})
_CONTRADICTING: Final = frozenset(
    {
        *("accounts.block", "accounts.unblock", "accounts.block_capability", "invoices.pay", "escrow.pay"),
        *("escrow.commit", "escrow.cancel", "payouts.cancel"),
        *("token_exchanges.execute_purchase", "token_exchanges.execute_conversion"),
    }
)
MADE_FOR: Final[Mapping[Fault, Collection[str]]] = {
    Fault.CONTRADICTION_BEFORE_COMMIT: _CONTRADICTING,
    Fault.CONTRADICTION_AFTER_COMMIT: _CONTRADICTING,
    Fault.WRONG_ORDER: frozenset({"invoices.list", "escrow.list_by_reference", "payouts.list", "payment_methods.list"}),
    Fault.OTHER_CURRENCY: _REFUNDS | _PAYOUTS,
    Fault.LESS_FEE: _REFUNDS | _PAYOUTS,
    Fault.SPLIT: _REFUNDS,
    Fault.LISTED_ELSEWHERE: _REFUNDS,
    Fault.PENDING: _REFUNDS | _PAYOUTS | _ESCROWS | {"invoices.pay", "invoices.get", "invoices.list"},
}
"""Operations by the fault that is made for them.

Faults that are not in it are made for all operations.
"""


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


class FaultScript:
    """The requests that go wrong, each with its fault.

    Faults of one operation are met in the order they were added.

    Args:
        changed: called after faults were added or forgotten.
    """

    def __init__(self, known: KnownOperations, changed: Callable[[], object] | None = None) -> None:
        self._known = known
        self._changed = changed
        self._scheduled: list[ScheduledFault] = []

    def add(
        self,
        operation: str,
        fault: Fault | str,
        times: int | None = 1,
        *,
        seconds: float | None = None,
        retry_after: float | str = 1,
        status: int = 408,
        body: str = OTHER_BODY,
    ) -> None:
        """Let the next requests of an operation go wrong.

        Args:
            operation: its name, ``auth.token`` for the token endpoint, or ``*`` for every request that the fault is
                made for. What an answer holds is true for tokens then.
            fault: what happens; by its name in any case, too: ``"drop_after_commit"``.
            times: how many requests meet it; None: all from now on.
            seconds: of the faults that name them. None: 1.0, for ``STALE_READ`` 60.0, for ``TIMES_WITHOUT_ZONE`` 0.0,
                for ``CLOSED_WHEN_IDLE`` 0.05.
            retry_after: the ``Retry-After`` of ``Fault.RATE_LIMITED``; seconds, or a text as it is.
            status: of the gateway's faults, 300 to 599.
            body: of the faults with another body.

        Raises:
            InvalidRequestError: there is no such operation or fault, the fault is not made for the operation, the
                body is not a text, or a number is out of its range. It is a ``ValueError``.
        """
        problems: dict[str, list[str]] = {}
        chosen = _fault(fault)
        if chosen is None:
            problems["fault"] = [unknown_name("fault", fault, [each.name.lower() for each in Fault])]
        if operation != "*" and operation not in self._known.names:
            problems["operation"] = [unknown_name("operation", operation, self._known.names)]
        elif chosen is not None and operation != "*":
            problems |= self._misplaced(operation, chosen)
        if times is not None and not _whole(times, 1):
            problems["times"] = [f"is at least 1, or None for always, not {times!r}"]
        wait = (1.0 if chosen is None else _SECONDS.get(chosen, 1.0)) if seconds is None else seconds
        least = -math.inf if chosen in _EITHER_WAY else 0
        if not _finite(wait) or wait < least:
            problems["seconds"] = [f"is a number of at least 0 for {fault}, not {seconds!r}"]
        if not _whole(status, 300, 599):
            problems["status"] = [f"is an integer from 300 to 599, not {status!r}"]
        if not _is_text(body):
            problems["body"] = [f"is a text, not {type(body).__name__}"]
        if problems or chosen is None:
            raise InvalidRequestError(problems, operation="faults.add")
        self._scheduled.append(ScheduledFault(operation, chosen, times, wait, str(retry_after), status, body))
        self._tell()

    def clear(self) -> None:
        """Forget all faults that wait."""
        self._scheduled.clear()
        self._tell()

    def return_to(self, scheduled: Iterable[ScheduledFault]) -> None:
        """Let these faults wait, and no others."""
        self._scheduled[:] = map(attrs.evolve, scheduled)

    @property
    def scheduled(self) -> tuple[ScheduledFault, ...]:
        """The faults that wait for a request, in order."""
        return tuple(self._scheduled)

    @property
    def pending(self) -> int:
        """Number of faults that wait for a request."""
        return len(self._scheduled)

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

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed()

    def _is_for(self, scheduled: ScheduledFault, operation: str) -> bool:
        if scheduled.operation != "*":
            return operation in self._known.same_route(scheduled.operation)
        if operation == _TOKEN and scheduled.fault in _OF_CONTENT:
            return False
        made_for = self._made_for(scheduled.fault)
        return made_for is None or operation in made_for

    def _misplaced(self, operation: str, fault: Fault) -> dict[str, list[str]]:
        """Refuse a fault that would never be met.

        Nobody should wait for it.
        """
        made_for = self._made_for(fault)
        if made_for is None or not made_for.isdisjoint(self._known.same_route(operation)):
            return {}
        kinds = {Fault.STALE_READ: "operations that only read", Fault.TOKEN_REVOKED: "operations that send a token"}
        fitting = kinds.get(fault) or ", ".join(sorted(made_for))
        return {"fault": [f"{fault.name.lower()} is made for {fitting}, not for {operation}"]}

    def _made_for(self, fault: Fault) -> frozenset[str] | None:
        if fault is Fault.STALE_READ:
            return frozenset(self._known.reading)
        if fault is Fault.TOKEN_REVOKED:
            return frozenset(self._known.names) - {_TOKEN}
        return frozenset(MADE_FOR[fault]) if fault in MADE_FOR else None


def _fault(given: object) -> Fault | None:
    if isinstance(given, Fault):
        return given
    if not isinstance(given, str):
        return None
    by_text = {text: fault for fault in Fault for text in (fault.name.lower(), fault.value)}
    return by_text.get(given.lower())


def _is_text(value: object) -> bool:
    # Callers may have no checker for types.
    return isinstance(value, str)


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _whole(value: object, least: int, most: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def unknown_name(what: str, given: object, names: Iterable[str]) -> str:
    """Say that there is no such name.

    Those that are near are named, or else all of them.
    """
    names = sorted(names)
    near = difflib.get_close_matches(str(given).lower().replace(" ", "_"), names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
    return f"there is no {what} {given!r}; {hint}"
