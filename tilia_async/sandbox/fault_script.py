"""The way in which users of the sandbox schedule faults."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tilia_async.errors import InvalidRequestError
from tilia_async.sandbox.faults import OTHER_BODY, Fault
from tilia_async.sandbox.waiting_faults import ScheduledFault, WaitingFaults

_SECONDS: Final[Mapping[Fault, float]] = {
    Fault.STALE_READ: 60.0,
    Fault.TIMES_WITHOUT_ZONE: 0.0,
    Fault.CLOSED_WHEN_IDLE: 0.05,
}
_EITHER_WAY: Final = frozenset({Fault.WRONG_DATE, Fault.TIMES_WITHOUT_ZONE})


class FaultScript:
    """The requests that go wrong, each with its fault.

    Faults of one operation are met in the order they were added.

    Args:
        waiting: keeps them until requests meet them.
        changed: called after faults were added or forgotten.
    """

    def __init__(self, waiting: WaitingFaults, changed: Callable[[], object] | None = None) -> None:
        self._waiting = waiting
        self._changed = changed

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
        if operation != "*" and operation not in self._waiting.known.names:
            problems["operation"] = [unknown_name("operation", operation, self._waiting.known.names)]
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
        self._waiting.add(ScheduledFault(operation, chosen, times, wait, str(retry_after), status, body))
        self._tell()

    def clear(self) -> None:
        """Forget all faults that wait."""
        self._waiting.clear()
        self._tell()

    @property
    def scheduled(self) -> tuple[ScheduledFault, ...]:
        """The faults that wait for a request, in order."""
        return self._waiting.scheduled

    @property
    def pending(self) -> int:
        """Number of faults that wait for a request."""
        return len(self._waiting)

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed()

    def _misplaced(self, operation: str, fault: Fault) -> dict[str, list[str]]:
        """Refuse a fault that would never be met.

        Nobody should wait for it.
        """
        made_for = self._waiting.made_for(fault)
        if made_for is None or not made_for.isdisjoint(self._waiting.known.same_route(operation)):
            return {}
        kinds = {Fault.STALE_READ: "operations that only read", Fault.TOKEN_REVOKED: "operations that send a token"}
        fitting = kinds.get(fault) or ", ".join(sorted(made_for))
        return {"fault": [f"{fault.name.lower()} is made for {fitting}, not for {operation}"]}


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
