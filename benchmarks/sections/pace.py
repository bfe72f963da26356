"""The pace of a bulk job against a server with hidden limits, beside fixed concurrency: simulated, not timed."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from statistics import median

from benchmarks.pace_simulation import Fixed, Governor, Hidden, Outcome, Paced, simulate
from benchmarks.section import Section, Table
from benchmarks.stage import Stage

ACCOUNTS = 5_000
SEEDS = 5
SERVERS = {
    "200/s, then 429": Hidden(rate=200, burst=50, at_once=1000, service=0.08),
    "200/s, then 429 with Retry-After 1": Hidden(rate=200, burst=50, at_once=1000, service=0.08, retry_after=1.0),
    "serves 16 at once, the others queue": Hidden(rate=1e9, burst=1e9, at_once=16, service=0.08),
    "no limit": Hidden(rate=1e9, burst=1e9, at_once=10_000, service=0.08),
}
GOVERNORS: dict[str, Callable[[random.Random], Governor]] = {
    "fixed, 8": lambda _draw: Fixed(8),
    "fixed, 64": lambda _draw: Fixed(64),
    "fixed, 256": lambda _draw: Fixed(256),
    "paced, at most 256": functools.partial(Paced, 256),
}
PACED, TAME, WILD = "paced, at most 256", "fixed, 8", "fixed, 256"


def best_possible(hidden: Hidden) -> float:
    """Seconds of a client that knows everything and has 256 connections."""
    rate = min(hidden.rate, hidden.at_once / hidden.service, 256 / hidden.service)
    return (ACCOUNTS - min(hidden.burst, ACCOUNTS)) / rate if rate == hidden.rate else ACCOUNTS / rate


def outcome(hidden: Hidden, name: str) -> Outcome:
    """The median of several draws."""
    runs = [simulate(hidden, GOVERNORS[name], ACCOUNTS, seed) for seed in range(SEEDS)]
    return Outcome(
        median(run.seconds for run in runs), median(run.refusals for run in runs), median(run.latency for run in runs)
    )


def measure(_stage: Stage) -> Section:
    found = {(server, name): outcome(hidden, name) for server, hidden in SERVERS.items() for name in GOVERNORS}
    rows = tuple(
        (
            f"{server}: {name}",
            f"{run.seconds:.1f}",
            f"{run.seconds / best_possible(SERVERS[server]):.2f}",
            f"{run.refusals:.2f}",
            f"{run.latency * 1000:.0f}",
        )
        for (server, name), run in found.items()
    )
    return Section(
        f"Pace: {ACCOUNTS:,} accounts at servers with hidden limits, simulated",
        "Each request takes 80 ms to serve. `fixed` keeps so many in flight, and sends again what was refused, after "
        "that request's own wait; `paced` is `tilia.bulk`. The best possible client knows the limit. The median of "
        f"{SEEDS} draws.",
        Table(
            ("server: client", "seconds", "× best possible", "429s for each account", "median ms of an answer"), rows
        ),
        {
            "pace: time at a rate limit": [
                found["200/s, then 429", PACED].seconds / best_possible(SERVERS["200/s, then 429"])
            ],
            "pace: refusals at a rate limit": [found["200/s, then 429", PACED].refusals],
            "pace: time without a limit": [found["no limit", PACED].seconds / found["no limit", WILD].seconds],
        },
    )
