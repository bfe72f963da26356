"""Budgets of the measurements: ratios of one run wherever time is concerned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def _typed(kind: str, told: str, wanted: float, aim: float) -> Iterator[Budget]:
    """A typed call beside aiohttp by hand, on both loops."""
    for loop in ("asyncio", "uvloop"):
        yield Budget(
            f"typed {told}, processor time against aiohttp by hand, {loop}",
            over=f"{kind}: tilia, {loop}",
            under=f"{kind}: aiohttp, {loop}",
            wanted=wanted,
            aim=aim,
        )


def _fastest_peer(loop: str, wanted: float, aim: float) -> Budget:
    """The fastest client that a Python user can pick, beside a typed call."""
    return Budget(
        f"pyreqwest, processor time against a typed GET, {loop}",
        over=f"call: pyreqwest, {loop}",
        under=f"call: tilia, {loop}",
        wanted=wanted,
        at_least=True,
        aim=aim,
    )


def _instructions(loop: str) -> Budget:
    return Budget(
        f"typed GET, instructions against aiohttp by hand, {loop}",
        over=f"instructions: GET, typed, {loop}",
        under=f"instructions: GET, aiohttp by hand, {loop}",
        wanted=0.56,
        aim=0.48,
    )


BUDGETS = (
    *_typed("call", "GET", wanted=0.5, aim=0.36),
    *_typed("post", "POST", wanted=0.45, aim=0.35),
    _fastest_peer("asyncio", wanted=1.15, aim=1.4),
    _fastest_peer("uvloop", wanted=0.9, aim=1.1),
    _instructions("asyncio"),
    _instructions("uvloop"),
    Budget(
        "httpx with 8 in flight, against a typed call",
        over="growth: httpx, asyncio, 8 in flight",
        under="growth: tilia, asyncio, 8 in flight",
        wanted=5,
        at_least=True,
    ),
    Budget(
        "token at hand, `await tilia.access_token(…)` against aiohttp by hand",
        over="token: asked",
        under="token: aiohttp by hand",
        wanted=0.006,
        aim=0.004,
    ),
    Budget("token requests of a stampede of 10,000 tasks", over="token: exchanges of a stampede", under=None, wanted=1),
    Budget(
        "an invoice of 319 kB, against json.loads",
        over="invoice: models",
        under="invoice: json",
        wanted=2.8,
        aim=2.2,
    ),
    Budget(
        "import of tilia_async, against aiohttp alone",
        over="import: tilia_async",
        under="import: aiohttp",
        wanted=1.25,
    ),
    Budget(
        "import of the first client, against aiohttp alone",
        over="import: tilia_async, first client",
        under="import: aiohttp",
        wanted=1.35,
        aim=1.2,
    ),
    Budget(
        "sync, calls/s against requests.Session",
        over="sync: requests",
        under="sync: tilia_sync",
        wanted=2.8,
        at_least=True,
        aim=3.2,
    ),
    Budget(
        "sync, 16 threads, calls/s against requests",
        over="sync: requests, threads",
        under="sync: tilia_sync, threads",
        wanted=4.5,
        at_least=True,
        aim=6,
    ),
    Budget(
        "sync, calls/s against httpx.Client",
        over="sync: httpx",
        under="sync: tilia_sync",
        wanted=1.2,
        at_least=True,
    ),
    Budget("sync, an item of an iterator, against a call", over="sync: item", under="sync: tilia_sync", wanted=0.2),
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
        "SQLite ledger, processor time for an account of bulk, against aiohttp by hand",
        over="bulk: processor of the ledger",
        under="bulk: processor of a call by hand",
        wanted=0.3,
        aim=0.22,
    ),
    Budget(
        "bulk with a SQLite ledger at 50 ms latency, accounts/s against bulk without",
        over="bulk, late: bulk",
        under="bulk, late: bulk, SQLite ledger",
        wanted=0.95,
        at_least=True,
        aim=0.98,
    ),
    Budget("MiB more for 1,000,000 ids than for 10,000", over="bulk: memory", under=None, wanted=16),
    Budget(
        "sync, crossing of an item of bulk, against a sync call",
        over="bulk: crossing",
        under="bulk: sync call",
        wanted=0.2,
    ),
    Budget(
        "fleet, accounts/s of 4 workers against one",
        over="fleet: 4 workers",
        under="fleet: 1 workers",
        wanted=3.2,
        at_least=True,
    ),
    Budget(
        "fleet, accounts/s of 8 workers against one",
        over="fleet: 8 workers",
        under="fleet: 1 workers",
        wanted=5,
        at_least=True,
    ),
    *(
        Budget(
            f"fleet, {number} worker{'s' * (number > 1)}: in flight at the server, of what is possible",
            over=f"fleet: part in flight, {number} workers",
            under=None,
            wanted=0.9,
            at_least=True,
        )
        for number in (1, 4, 8)
    ),
    Budget(
        "fleet, accounts/s of one worker against bulk with the same ledger",
        over="fleet: 1 workers",
        under="fleet: plain",
        wanted=0.85,
        at_least=True,
    ),
    Budget("fleet, ms for the status of 1,000,000 accounts", over="fleet: status", under=None, wanted=20),
    Budget("fleet, s to submit 1,000,000 accounts", over="fleet: submit", under=None, wanted=60),
    Budget("fleet, MiB more to submit 1,000,000 than 200,000", over="fleet: memory", under=None, wanted=16),
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
    """A budget, and its measurement; None if there is none."""

    budget: Budget
    found: float | None

    @property
    def missed(self) -> bool:
        return self.found is not None and not self.budget.met(self.found)

    @property
    def told(self) -> str:
        return "" if self.found is None else f"{self.found:.3g}"

    @property
    def word(self) -> str:
        if self.found is None:
            return "not measured"
        return "MISSED" if self.missed else "met"


def judge(series: Mapping[str, Sequence[float]]) -> tuple[Verdict, ...]:
    """Hold the measurements to all budgets."""
    return tuple(Verdict(budget, budget.found(series)) for budget in BUDGETS)
