"""A fleet's budget of requests a second, and its rules.

Values in, values out: no clock, no task. Where it is kept is another module's business.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

import attrs

FIRST_RATE: Final = 100.0
"""Requests a second of a new budget."""
LEAST_RATE: Final = 0.5
"""Requests a second that are always left."""
SLICE_SECONDS: Final = 0.25
"""Longest time that a lease of several permits covers."""

_HORIZON_SECONDS: Final = 0.3
"""Time that is given away ahead.

What is given is sent even if the budget is cut meanwhile.
"""
SPARE_SECONDS: Final = 0.05
"""Time that was not used and still may be."""
_SLOWEST_LEASE: Final = 1.0
"""Seconds that a worker may take to lease again."""
_FAST: Final = 1.6
_PAST: Final = 1.25
_HALF: Final = 0.5
_KNEE: Final = 0.95
_WARY_KNEE: Final = 0.75
_ELBOW: Final = 1.05
_RETURN_SECONDS: Final = 1.0
_CREEP_SECONDS: Final = 8.0
_STEADIEST: Final = 3
_DEAREST: Final = 5.0
_NEAR: Final = 0.15
_CUT_SECONDS: Final = 1.0
MEMORY_SECONDS: Final = 600.0
"""Time without a lease that makes a budget new."""
LONGEST_HOLD: Final = 300.0
"""Longest hold, in seconds: then one request asks Tilia again."""
_LONGEST_AHEAD: Final = LONGEST_HOLD + 10.0
"""Bound of its times: beyond, the clock was put back."""


@attrs.frozen
class Permits:
    """Permits to send, for one worker.

    Attributes:
        number: as many may be sent; 0: none now.
        begins_in: seconds until the first may be sent; with none, until it is worth asking again.
        interval: seconds between two of them.
        epoch: which budget they are of; every cut begins another.
    """

    number: int
    begins_in: float
    interval: float
    epoch: int


class Budget(Protocol):
    """The requests a second of a whole fleet."""

    async def lease(self, wanted: int) -> Permits:
        """Return permits for this worker alone.

        As many as are wanted or fewer. They are not given back: what is not used in time is lost.

        Args:
            wanted: as many as it can use in a quarter of a second, at least 1.

        Raises:
            LedgerError: the budget cannot be reached.
        """
        ...

    async def report(self, epoch: int, wait: float) -> None:
        """Tell that Tilia asked for less: 429, 503.

        The budget is halved, once for all that was sent under it, and nothing is sent for as long as Tilia said.

        Args:
            epoch: that of the permits under which the refused request was sent.
            wait: seconds for which nobody shall send.

        Raises:
            LedgerError: the budget cannot be reached.
        """
        ...


@attrs.frozen
class BudgetState:
    """The budget at a moment.

    By a clock that all workers share. It grows by three fifths a second until the first refusal, which halves it and
    tells it a ceiling. From then on it is back just below its ceiling in a second, then creeps past it, the slower the
    oftener the ceiling was found there and the longer the refusal stopped all. Once it is past, it grows fast again.
    What is not used up does not grow.

    Attributes:
        rate: requests a second.
        ceiling: the rate at the last refusal; None before the first.
        steadiness: how often in a row the ceiling was found about where it was before.
        cost: seconds for which the last refusal stopped all, 5 at most.
        epoch: rises with every cut.
        cut_at: when it was cut last.
        grown_at: up to when it has grown.
        free_at: up to when its time is given away.
    """

    rate: float = FIRST_RATE
    ceiling: float | None = None
    steadiness: int = 0
    cost: float = 0.0
    epoch: int = 0
    cut_at: float = float("-inf")
    grown_at: float = float("-inf")
    free_at: float = float("-inf")

    def lease(self, wanted: int, now: float) -> tuple[BudgetState, Permits]:
        """Return permits, and the budget without them."""
        grown = _grown(_recalled(_on_this_clock(self, now), now), wanted, now)
        begins = max(grown.free_at, now - SPARE_SECONDS)
        if begins - now > _HORIZON_SECONDS:
            return grown, Permits(0, begins - now - _HORIZON_SECONDS / 2, 0.0, grown.epoch)
        number = min(wanted, _most(grown))
        interval = 1.0 / grown.rate
        left = attrs.evolve(grown, free_at=begins + number * interval)
        return left, Permits(number, begins - now, interval, grown.epoch)

    def refused(self, epoch: int, wait: float, now: float) -> BudgetState:
        """Return the budget after a refusal.

        Args:
            epoch: that of the permits under which the refused request was sent.
            wait: seconds for which nobody shall send; no more than 300 count.
        """
        wait = min(wait, LONGEST_HOLD)
        before = _on_this_clock(self, now)
        held = attrs.evolve(before, free_at=max(before.free_at, now + wait))
        if epoch != before.epoch or now - before.cut_at < _CUT_SECONDS:
            return held
        is_near = before.ceiling is not None and abs(before.rate - before.ceiling) <= before.ceiling * _NEAR
        return attrs.evolve(
            held,
            rate=max(LEAST_RATE, before.rate * _HALF),
            ceiling=before.rate,
            steadiness=min(_STEADIEST, before.steadiness + 1) if is_near else 0,
            epoch=before.epoch + 1,
            cost=min(wait, _DEAREST),
            cut_at=now,
            grown_at=now + wait,
        )


def _on_this_clock(state: BudgetState, now: float) -> BudgetState:
    if max(state.free_at, state.grown_at) <= now + _LONGEST_AHEAD and state.cut_at <= now:
        return state
    return attrs.evolve(state, free_at=now, grown_at=now, cut_at=min(state.cut_at, now - _CUT_SECONDS))


def _recalled(state: BudgetState, now: float) -> BudgetState:
    return state if now - state.free_at < MEMORY_SECONDS else BudgetState(epoch=state.epoch)


def _grown(state: BudgetState, wanted: int, now: float) -> BudgetState:
    elapsed = min(now - state.grown_at, 1.0)
    if elapsed <= 0:
        return state
    # Else time was lost that nobody asked for; unless one that wants more than there is was only slow to lease again.
    is_short = wanted > _most(state) and state.free_at >= now - _SLOWEST_LEASE
    is_used = is_short or state.free_at >= now - SPARE_SECONDS
    return attrs.evolve(state, rate=_next_rate(state, elapsed) if is_used else state.rate, grown_at=now)


def _most(state: BudgetState) -> int:
    return max(1, int(state.rate * SLICE_SECONDS))


def _next_rate(state: BudgetState, elapsed: float) -> float:
    rate, ceiling = state.rate, state.ceiling
    if ceiling is None or rate >= ceiling * _ELBOW:
        return rate * math.pow(_FAST if ceiling is None else _PAST, elapsed)
    knee = ceiling * (_KNEE if state.steadiness else _WARY_KNEE)
    if rate < knee:
        return min(knee, rate + elapsed * (knee - ceiling * _HALF) / _RETURN_SECONDS)
    seconds = _CREEP_SECONDS * math.pow(2, state.steadiness)
    if state.steadiness:
        # A refusal that stops the fleet for a second is worth avoiding for longer.
        seconds *= 1.0 + state.cost
    return rate + elapsed * (ceiling * _ELBOW - knee) / seconds
