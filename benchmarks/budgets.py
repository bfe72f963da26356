"""What the measurements must not exceed. Budgets are ratios of one run wherever time is concerned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import attrs

from benchmarks.timing import median_ratio


@attrs.frozen
class Budget:
    """A bound for a ratio of two series, or for one.

    Attributes:
        over: the name of a series.
        under: the series that it is divided by, round by round; None: the median of ``over`` itself counts.
        wanted: the most that is allowed; with ``at_least`` the least.
        aim: what is hoped for beyond that; missing it is no failure.
    """

    name: str
    over: str
    under: str | None
    wanted: float
    at_least: bool = False
    aim: float | None = None

    def found(self, series: Mapping[str, Sequence[float]]) -> float | None:
        """The ratio; None if its sections were not run."""
        if self.over not in series or (self.under is not None and self.under not in series):
            return None
        if self.under is None:
            return median(series[self.over])
        return median_ratio(series[self.over], series[self.under])

    def met(self, found: float) -> bool:
        return found >= self.wanted if self.at_least else found <= self.wanted

    @property
    def told(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.wanted:g}" + ("" if self.aim is None else f" (aim {self.aim:g})")


BUDGETS = (
    Budget(
        "typed call, against aiohttp by hand, asyncio",
        over="call: tilia, asyncio",
        under="call: aiohttp, asyncio",
        wanted=0.95,
        aim=0.85,
    ),
    Budget(
        "typed call, against aiohttp by hand, uvloop",
        over="call: tilia, uvloop",
        under="call: aiohttp, uvloop",
        wanted=0.95,
        aim=0.85,
    ),
    Budget(
        "httpx with 8 in flight, against a typed call",
        over="growth: httpx, asyncio, 8 in flight",
        under="growth: tilia, asyncio, 8 in flight",
        wanted=5,
        at_least=True,
    ),
    Budget("token-cache hit, against a call", over="token: hit", under="token: call", wanted=0.03),
    Budget("token requests of a stampede of 10,000 tasks", over="token: exchanges of a stampede", under=None, wanted=1),
    Budget(
        "import of tilia_async, against aiohttp alone",
        over="import: tilia_async",
        under="import: aiohttp",
        wanted=1.25,
    ),
    Budget(
        "sync, calls/s against requests.Session",
        over="sync: requests",
        under="sync: tilia",
        wanted=2.5,
        at_least=True,
    ),
    Budget("sync, calls/s against httpx.Client", over="sync: httpx", under="sync: tilia", wanted=1.2, at_least=True),
    Budget(
        "sync, 16 threads, calls/s against requests",
        over="sync: requests, threads",
        under="sync: tilia, threads",
        wanted=3,
        at_least=True,
    ),
    Budget("sync, an item of an iterator, against a call", over="sync: item", under="sync: tilia", wanted=0.2),
    Budget(
        "sync, an item of an iterator, against an empty call",
        over="sync: item",
        under="sync: crossing",
        wanted=0.2,
    ),
    Budget(
        "bulk, accounts/s against gather and semaphore",
        over="bulk: by hand",
        under="bulk: bulk",
        wanted=0.95,
        at_least=True,
    ),
    Budget(
        "bulk with a SQLite ledger, accounts/s against bulk without",
        over="bulk: bulk",
        under="bulk: bulk, SQLite ledger",
        wanted=0.85,
        at_least=True,
    ),
    Budget("MiB more for 1,000,000 ids than for 10,000", over="bulk: memory", under=None, wanted=16),
    Budget(
        "sync, crossing of an item of bulk, against a sync call",
        over="bulk: crossing",
        under="bulk: sync call",
        wanted=0.2,
    ),
    Budget("pace at 200/s, time against the best possible", over="pace: time at a rate limit", under=None, wanted=1.25),
    Budget("pace at 200/s, 429s for each account", over="pace: refusals at a rate limit", under=None, wanted=0.05),
    Budget("pace without a limit, time against all at once", over="pace: time without a limit", under=None, wanted=1.5),
    Budget("objects left by 100,000 calls", over="endurance: objects", under=None, wanted=100),
    Budget("tasks left by 100,000 calls", over="endurance: tasks", under=None, wanted=0),
    Budget("sockets left by 100,000 calls", over="endurance: sockets", under=None, wanted=0),
    Budget("MB grown over 100,000 calls", over="endurance: memory", under=None, wanted=2),
)


@attrs.frozen
class Verdict:
    """A budget, and what was found."""

    budget: Budget
    found: float

    @property
    def met(self) -> bool:
        return self.budget.met(self.found)


def judge(series: Mapping[str, Sequence[float]]) -> tuple[Verdict, ...]:
    """The budgets for which there are measurements."""
    found = ((budget, budget.found(series)) for budget in BUDGETS)
    return tuple(Verdict(budget, ratio) for budget, ratio in found if ratio is not None)
