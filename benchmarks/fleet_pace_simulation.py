"""Workers of a fleet at a server with a hidden limit, in simulated time.

The workers' code is the real one. Its event loop jumps from one moment to the next instead of waiting.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import attrs

from benchmarks.pace_simulation import Hidden, Server
from tilia_async.fleet.budget import Budget, BudgetState, Permits
from tilia_async.fleet.leased_pace import LeasedPace
from tilia_async.fleet.pace import BatchPermits, WorkerPermits
from tilia_async.fleet.redis_budget import OpenRedisBudget

T = TypeVar("T")

STORE_SECONDS = 0.003
"""A transaction's time."""


class _Jumping(selectors.SelectSelector):
    """Nothing comes from outside, so each wait is over at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += max(0.0, timeout or 0.0)
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose waits take no time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run something in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(work)


class Counted(Budget, Protocol):
    """A budget that counts its leases."""

    leases: int


class SimulatedBudget:
    """A budget whose transactions take a moment, one at a time."""

    def __init__(self) -> None:
        self.state = BudgetState()
        self.leases = 0
        self._lock = asyncio.Lock()

    async def lease(self, wanted: int) -> Permits:
        self.leases += 1
        async with self._lock:
            await asyncio.sleep(STORE_SECONDS)
            self.state, permits = self.state.lease(wanted, asyncio.get_running_loop().time())
        return permits

    async def report(self, epoch: int, wait: float) -> None:
        async with self._lock:
            await asyncio.sleep(STORE_SECONDS)
            self.state = self.state.refused(epoch, wait, asyncio.get_running_loop().time())


class SimulatedRedis:
    """A Redis whose answers take a moment, and which may serve others between two of them."""

    def __init__(self) -> None:
        self._kept: str | None = None

    async def eval(self, script: str, numkeys: int, /, *keys_and_args: str | int) -> object:
        await asyncio.sleep(STORE_SECONDS * random.uniform(0.2, 0.5))
        if "SET" not in script:
            return str(asyncio.get_running_loop().time()), self._kept
        expected, new = keys_and_args[numkeys : numkeys + 2]
        if expected != (self._kept or ""):
            return 0
        self._kept = str(new)
        return 1

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


class RedisBudgetSimulated(OpenRedisBudget):
    """The real one, with that Redis."""

    def __init__(self) -> None:
        super().__init__(SimulatedRedis(), "budget")
        self.leases = 0

    async def lease(self, wanted: int) -> Permits:
        self.leases += 1
        return await super().lease(wanted)


@attrs.frozen
class FleetOutcome:
    """Result of a simulated job.

    Attributes:
        used: the part of the hidden limit that was used.
        refusals: 429 answers for each account.
        most_refused: how often one account was refused at most.
        leases: transactions for each account.
        seconds: until the last account was done.
    """

    used: float
    refusals: float
    most_refused: int
    leases: float
    seconds: float


async def simulate(
    hidden: Hidden,
    workers: int,
    concurrency: int,
    accounts: int,
    seed: int,
    make: Callable[[], Counted] = SimulatedBudget,
) -> FleetOutcome:
    """Let a fleet do a job."""
    draw = random.Random(seed)
    random.seed(seed)
    clock = asyncio.get_running_loop().time
    server, budget = Server(hidden, hidden.burst), make()
    to_send = deque(range(accounts))
    refused = Counter[int]()
    refusals = 0
    done_at = 0.0

    async def send(account: int, epoch: int, permits: BatchPermits) -> None:
        nonlocal refusals, done_at
        await asyncio.sleep(0.04)
        comes, serves = server.answer(clock())
        await asyncio.sleep(max(0.0, comes - clock()))
        if serves:
            done_at = clock()
            return
        refusals += 1
        refused[account] += 1
        permits.refused(epoch, hidden.retry_after or draw.uniform(0, 0.2))
        to_send.append(account)

    async def work() -> None:
        async with LeasedPace(budget) as pace, asyncio.TaskGroup() as sending:
            permits = WorkerPermits(concurrency, pace).of_batch()

            async def lane() -> None:
                while to_send:
                    epoch = await permits.acquire()
                    try:
                        if to_send:
                            await send(to_send.popleft(), epoch, permits)
                    finally:
                        permits.release()

            for _ in range(concurrency):
                sending.create_task(lane())

    async with asyncio.TaskGroup() as fleet:
        for _ in range(workers):
            fleet.create_task(work())
            await asyncio.sleep(draw.uniform(0, 0.02))
    best = accounts / hidden.rate
    return FleetOutcome(
        best / done_at, refusals / accounts, max(refused.values(), default=0), budget.leases / accounts, done_at
    )
