"""A server with a hidden limit, in simulated time, and clients that do not know it.

The server serves so many requests at once, each in a fixed time; more wait in a queue. Beyond so many a second it
answers 429 at once, by a bucket of tokens. Nothing waits in real time: events are taken in the order of their moments.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Protocol

import attrs

from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.config import RetryPolicy
from tilia_async.wire.retry import backoff


@attrs.frozen
class Hidden:
    """Facts that the clients do not know.

    Attributes:
        rate: requests a second that are let through.
        burst: how many at once after a rest.
        at_once: how many are served at the same time.
        service: seconds that one takes.
        retry_after: seconds that a 429 asks to wait; None: it does not say.
    """

    rate: float
    burst: float
    at_once: int
    service: float
    retry_after: float | None = None


class Governor(Protocol):
    """Decides how much is in flight."""

    def room(self, now: float) -> int: ...

    def resumes(self, now: float) -> float: ...

    def answered(self, started: float, now: float) -> None: ...

    def refused(self, started: float, now: float, retry_after: float | None) -> None: ...


class Fixed:
    """So many in flight, always; a refused request is sent again after the wait that was asked for, or a backoff.

    That wait is each request's own: the others go on.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def room(self, _now: float) -> int:
        return self.limit

    def resumes(self, now: float) -> float:
        return now

    def answered(self, _started: float, _now: float) -> None:
        """Learns nothing."""

    def refused(self, _started: float, _now: float, _retry_after: float | None) -> None:
        """Learns nothing."""


class Paced:
    """The pace of ``tilia.bulk``."""

    def __init__(self, most: int, draw: random.Random) -> None:
        self._pace = AdaptiveLimit(most)
        self._draw = draw
        self._rounds = 0

    def room(self, now: float) -> int:
        return 0 if self._pace.hold(now) > 0 else self._pace.limit

    def resumes(self, now: float) -> float:
        return now + max(0.0, self._pace.hold(now))

    def answered(self, started: float, now: float) -> None:
        self._rounds = 0
        self._pace.answered(started, now)

    def refused(self, started: float, now: float, retry_after: float | None) -> None:
        wait = max(retry_after or 0.0, backoff(RetryPolicy(), self._rounds + 1, self._draw.random()))
        if self._pace.refused(started, now, wait):
            self._rounds += 1


@attrs.frozen
class Outcome:
    """Result of a simulated job.

    Attributes:
        seconds: until the last account was done.
        refusals: 429 answers for each account.
        latency: the median time of the answers that served, in seconds.
    """

    seconds: float
    refusals: float
    latency: float


@attrs.define
class Server:
    """The hidden limits at work."""

    hidden: Hidden
    tokens: float
    at: float = 0.0
    free_at: list[float] = attrs.field(factory=list)

    def answer(self, now: float) -> tuple[float, bool]:
        """Time at which the answer to a request comes, and whether it serves."""
        self.tokens = min(self.hidden.burst, self.tokens + (now - self.at) * self.hidden.rate)
        self.at = now
        if self.tokens < 1:
            return now + 0.02, False
        self.tokens -= 1
        begins = now if len(self.free_at) < self.hidden.at_once else max(now, heapq.heappop(self.free_at))
        heapq.heappush(self.free_at, begins + self.hidden.service)
        return begins + self.hidden.service, True


def simulate(hidden: Hidden, make: Callable[[random.Random], Governor], accounts: int, seed: int) -> Outcome:
    """Let a governor do a job."""
    draw = random.Random(seed)
    governor, server = make(draw), Server(hidden, hidden.burst)
    now, flying, to_send, waiting, refusals = 0.0, 0, accounts, 0, 0
    # Each event: when, a number that tells equals apart, when it was sent, and what: served, refused, or back in line.
    events: list[tuple[float, int, float, str]] = []
    latencies: list[float] = []
    number = 0
    while len(latencies) < accounts:
        while to_send and flying + waiting < governor.room(now):
            number += 1
            to_send -= 1
            flying += 1
            comes, serves = server.answer(now)
            heapq.heappush(events, (comes, number, now, "served" if serves else "refused"))
        if not events:
            now = governor.resumes(now)
            continue
        if to_send and not flying and not waiting and governor.resumes(now) > now:
            now = governor.resumes(now)
            continue
        now, _, started, what = heapq.heappop(events)
        if what == "back":
            waiting -= 1
            to_send += 1
            continue
        flying -= 1
        if what == "served":
            latencies.append(now - started)
            governor.answered(started, now)
            continue
        refusals += 1
        governor.refused(started, now, hidden.retry_after)
        if isinstance(governor, Fixed):
            # The one that was refused keeps its place while it waits; the others go on.
            waiting += 1
            number += 1
            wait = hidden.retry_after or backoff(RetryPolicy(), 1, draw.random())
            heapq.heappush(events, (now + wait, number, started, "back"))
        else:
            to_send += 1
    latencies.sort()
    return Outcome(now, refusals / accounts, latencies[len(latencies) // 2])
