"""The pace of whole fleets at servers that hide their limit, in simulated time; and of one worker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tilia_async.errors import LedgerError
from tilia_async.fleet.budget import Permits
from tilia_async.fleet.leased_pace import LeasedPace

# Behind the installed package, which is what is tested.
sys.path.append(str(Path(__file__).resolve().parents[2]))
pytest.importorskip("benchmarks", reason="only the repository has the benchmarks")

from benchmarks.fleet_pace_simulation import (
    Counted,
    FleetOutcome,
    RedisBudgetSimulated,
    SimulatedBudget,
    run,
    simulate,
)
from benchmarks.pace_simulation import Hidden

GIVEN_UP = 3
"""Refusals of one account after which a job says that it failed."""


def fleet(
    workers: int,
    *,
    rate: int,
    seconds: int,
    burst: float,
    retry_after: float | None,
    make: Callable[[], Counted] = SimulatedBudget,
) -> FleetOutcome:
    hidden = Hidden(rate, max(1.0, rate * burst), 1_000_000, 0.2, retry_after)
    # As many in flight as the limit lets through, and half as many again.
    concurrency = max(8, int(rate * 0.3 * 1.5 / workers))
    return run(simulate(hidden, workers, concurrency, rate * seconds, workers, make))


SLOW = [
    pytest.param(workers, 200, burst, retry_after, marks=pytest.mark.nightly)
    for workers in (1, 2, 16, 64, 200)
    for burst in (0.05, 1.0)
    for retry_after in (None, 1.0)
]


@pytest.mark.parametrize(
    ("workers", "rate", "burst", "retry_after"), [(1, 50, 0.2, None), (8, 50, 0.2, 1.0), (200, 50, 0.2, None), *SLOW]
)
def test_a_fleet_uses_the_limit_and_drives_no_account_into_failure(
    workers: int, rate: int, burst: float, retry_after: float | None
) -> None:
    done = fleet(workers, rate=rate, seconds=150, burst=burst, retry_after=retry_after)
    assert done.used >= 0.9
    assert done.refusals <= 0.05
    assert done.most_refused < GIVEN_UP
    assert done.leases * rate <= 4 * workers + 20, "transactions a second"


IN_REDIS = [
    pytest.param(workers, 200, burst, retry_after, marks=pytest.mark.nightly)
    for workers in (1, 64, 200)
    for burst, retry_after in ((0.05, None), (0.2, None), (1.0, 1.0))
]


@pytest.mark.parametrize(("workers", "rate", "burst", "retry_after"), [(8, 50, 0.2, None), *IN_REDIS])
def test_a_budget_in_redis_does_the_same_although_workers_collide_there(
    workers: int, rate: int, burst: float, retry_after: float | None
) -> None:
    done = fleet(workers, rate=rate, seconds=150, burst=burst, retry_after=retry_after, make=RedisBudgetSimulated)
    assert done.used >= 0.9
    assert done.refusals <= 0.05
    assert done.most_refused < GIVEN_UP
    assert done.leases * rate <= 4 * workers + 20, "leases a second"


class Told:
    """A budget that answers as the test says, and keeps what it is told."""

    def __init__(self, *answers: Permits | LedgerError) -> None:
        self.answers = list(answers)
        self.reports: list[tuple[int, float]] = []
        self.reported = asyncio.Event()

    async def lease(self, wanted: int) -> Permits:
        answer = self.answers.pop(0)
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    async def report(self, epoch: int, wait: float) -> None:
        self.reports.append((epoch, wait))
        self.reported.set()


def test_permits_are_handed_out_when_they_are_due() -> None:
    async def acquire() -> list[tuple[int, float]]:
        async with LeasedPace(Told(Permits(4, 1.0, 0.5, 7))) as pace:
            return [(await pace.acquire(), asyncio.get_running_loop().time()) for _ in range(4)]

    assert run(acquire()) == [(7, 1.0), (7, 1.5), (7, 2.0), (7, 2.5)]


def test_permits_that_were_not_used_in_time_are_lost() -> None:
    async def acquire(late: float) -> int:
        async with LeasedPace(Told(Permits(100, 0.0, 0.01, 0))) as pace:
            await pace.acquire()
            await asyncio.sleep(late)
            began, number = asyncio.get_running_loop().time(), 0
            while asyncio.get_running_loop().time() == began:
                await pace.acquire()
                number += 1
            return number

    # Those of a quarter of a second, then what is due within a twentieth, and no burst of ninety.
    assert 19 <= run(acquire(0.2)) <= 22
    assert 1 <= run(acquire(0.9)) <= 8


def test_a_worker_leases_what_it_used_lately_and_not_one_at_a_time() -> None:
    class Asked(SimulatedBudget):
        wanted: list[int]

        async def lease(self, wanted: int) -> Permits:
            self.wanted.append(wanted)
            return await super().lease(wanted)

    async def acquire() -> tuple[list[int], float]:
        budget = Asked()
        budget.wanted = []
        async with LeasedPace(budget) as pace:
            # Forty a second, of a hundred that there are.
            for _ in range(400):
                await pace.acquire()
                await asyncio.sleep(0.025)
        return budget.wanted, budget.state.rate

    wanted, rate = run(acquire())
    assert len(wanted) < 400 / 5
    assert max(wanted) <= 12
    assert rate < 200, "what is not used up does not grow"


def test_many_that_wait_are_leased_for_together() -> None:
    async def acquire() -> int:
        budget = SimulatedBudget()
        async with LeasedPace(budget) as pace:
            await asyncio.gather(*(pace.acquire() for _ in range(25)))
        return budget.leases

    # The first is not kept waiting for the others.
    assert run(acquire()) == 2


def test_a_refusal_takes_what_is_left_is_reported_at_once_and_holds() -> None:
    async def acquire() -> tuple[float, list[tuple[int, float]]]:
        budget = Told(Permits(100, 0.0, 0.01, 7), Permits(1, 0.0, 0.01, 8))
        async with LeasedPace(budget) as pace:
            await pace.acquire()
            for wait in (0.5, 3.0, 1.0):
                pace.refused(7, wait)
            await budget.reported.wait()
            assert asyncio.get_running_loop().time() < 0.1
            await pace.acquire()
            return asyncio.get_running_loop().time(), budget.reports

    assert run(acquire()) == (3.0, [(7, 3.0)])


def test_a_late_refusal_of_an_earlier_epoch_cuts_the_budget_no_second_time() -> None:
    async def refused() -> tuple[float, int, int]:
        budget = SimulatedBudget()
        async with LeasedPace(budget) as pace:
            first, second = await pace.acquire(), await pace.acquire()
            pace.refused(first, 0.1)
            # Long after the cut, and under a permit of the new budget.
            await asyncio.sleep(5.0)
            await pace.acquire()
            rate = budget.state.rate
            pace.refused(second, 0.5)
            await asyncio.sleep(0.1)
            assert budget.state.rate == rate
            began = asyncio.get_running_loop().time()
            latest = await pace.acquire()
            assert asyncio.get_running_loop().time() - began > 0.3, "what Tilia asked for holds all the same"
            return budget.state.rate / rate, second, latest

    ratio, second, latest = run(refused())
    assert (second, latest) == (0, 1)
    assert ratio >= 1.0


def test_a_budget_that_cannot_be_reached_is_waited_for() -> None:
    async def acquire() -> int:
        away = LedgerError("the database is away")
        async with LeasedPace(Told(away, away, Permits(3, 0.0, 1.0, 5))) as pace:
            return await pace.acquire()

    assert run(acquire()) == 5


@pytest.mark.parametrize("steps", range(5))
def test_one_that_stops_waiting_stops_no_other(steps: int) -> None:
    async def acquire() -> int:
        async with LeasedPace(SimulatedBudget()) as pace:
            waiting = asyncio.create_task(pace.acquire())
            for _ in range(steps):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            return await pace.acquire()

    assert run(acquire()) == 0


class Held(Told):
    """A budget whose leases and reports wait until the test lets them go on."""

    def __init__(self, *answers: Permits | LedgerError) -> None:
        super().__init__(*answers)
        self.may_lease, self.may_report = asyncio.Event(), asyncio.Event()
        self.asked = asyncio.Event()

    async def lease(self, wanted: int) -> Permits:
        answer = await super().lease(wanted)
        self.asked.set()
        await self.may_lease.wait()
        return answer

    async def report(self, epoch: int, wait: float) -> None:
        await self.may_report.wait()
        await super().report(epoch, wait)


def test_permits_on_their_way_when_a_refusal_comes_are_not_handed_out() -> None:
    async def acquire() -> float:
        budget = Held(Permits(1, 0.0, 0.01, 1), Permits(1, 0.0, 0.01, 1), Permits(1, 5.0, 0.01, 2))
        budget.may_lease.set()
        budget.may_report.set()
        async with LeasedPace(budget) as pace:
            await pace.acquire()
            budget.may_lease.clear()
            budget.asked.clear()
            waiting = asyncio.create_task(pace.acquire())
            await budget.asked.wait()
            pace.refused(1, 0.0)
            budget.may_lease.set()
            await waiting
            return asyncio.get_running_loop().time()

    assert run(acquire()) == 5.0


@pytest.mark.parametrize("is_under_way", [False, True])
def test_a_refusal_is_reported_by_a_worker_that_ends_with_it(is_under_way: bool) -> None:
    async def refused() -> list[tuple[int, float]]:
        budget = Held(Permits(1, 0.0, 0.01, 7))
        budget.may_lease.set()
        async with LeasedPace(budget) as pace:
            await pace.acquire()
            pace.refused(7, 1.0)
            if is_under_way:
                await asyncio.sleep(0.01)
            asyncio.get_running_loop().call_later(0.1, budget.may_report.set)
        return budget.reports

    assert run(refused()) == [(7, 1.0)]


def test_a_defect_that_ends_the_reports_is_raised() -> None:
    class Broken(Told):
        async def report(self, epoch: int, wait: float) -> None:
            raise ZeroDivisionError

    async def acquire() -> None:
        async with LeasedPace(Broken(Permits(1, 0.0, 0.01, 1))) as pace:
            await pace.acquire()
            pace.refused(1, 0.1)
            await asyncio.sleep(0.01)
            await pace.acquire()

    with pytest.raises(ZeroDivisionError):
        run(acquire())


def test_a_worker_is_held_no_longer_than_its_fleet() -> None:
    async def acquire() -> float:
        async with LeasedPace(SimulatedBudget()) as pace:
            await pace.acquire()
            pace.refused(0, 86_400.0)
            await pace.acquire()
            return asyncio.get_running_loop().time()

    assert 300 <= run(acquire()) < 310
