"""Slots for a job's requests.

Who waits longest is sent next, and nobody is woken in vain.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import pytest

from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.bulk.send_slots import SendSlots
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.work_item import WorkItem
from tilia_async.bulk.work_queue import WorkQueue

pytestmark = pytest.mark.asyncio

LIMIT = 8
"""Requests in flight, at most, of a pace that has not heard anything yet."""


class Job:
    """Workers that send what a queue has, in as many slots as a pace allows."""

    def __init__(self, works: int, workers: int) -> None:
        self.sent: list[str] = []
        self.in_flight = self.most = 0
        self.stop = StopSignal()
        self.looks: Counter[str] = Counter()
        self.slots = SendSlots(AdaptiveLimit(workers), self.stop, self._look)
        self._queue = WorkQueue(works)
        self._queue.bring([WorkItem(f"acct_{number}") for number in range(works)])
        self._queue.complete()
        self._workers = workers

    def _look(self, _now: float) -> None:
        """Count how often somebody asks whether he may send."""
        self.looks["asked"] += 1

    async def run(self) -> None:
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._workers):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while (work := await self._queue.take()) is not None:
            if not await self.slots.take(work):
                return
            self.sent.append(work.account_id)
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            await asyncio.sleep(0)
            self.in_flight -= 1
            self.slots.answered()
            self.slots.let_go_on()
            self.slots.settled(work)
            self._queue.finished()


async def test_accounts_are_sent_in_their_order_although_more_workers_wait_than_there_are_slots() -> None:
    job = Job(works=200, workers=4 * LIMIT)
    await job.run()
    places = [job.sent.index(f"acct_{number}") for number in range(200)]
    assert max(abs(place - number) for number, place in enumerate(places)) < 4 * LIMIT
    assert job.most == LIMIT


async def test_nobody_is_woken_for_a_slot_that_another_takes() -> None:
    job = Job(works=200, workers=4 * LIMIT)
    await job.run()
    # Each asks when it comes and, if it had to wait, once more when its turn has come.
    assert job.looks["asked"] <= 2 * 200


def held_by(_now: float) -> None:
    """Hold nobody back."""


async def begun(slots: SendSlots, order: list[str], *works: WorkItem) -> list[asyncio.Task[None]]:
    """Let each work wait for its slot, in their order; each that has been sent makes room for the next."""

    async def send(work: WorkItem) -> None:
        assert await slots.take(work)
        order.append(work.account_id)
        await asyncio.sleep(0)
        settle(slots, work)

    tasks = []
    for work in works:
        tasks.append(asyncio.create_task(send(work)))
        await asyncio.sleep(0)
    return tasks


def settle(slots: SendSlots, work: WorkItem) -> None:
    slots.answered()
    slots.let_go_on()
    slots.settled(work)


def works(*names: str) -> list[WorkItem]:
    return [WorkItem(name) for name in names]


async def ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)


class Hold:
    """A hold that comes and goes."""

    def __init__(self) -> None:
        self.is_on = False
        self.over = asyncio.Event()

    def __call__(self, _now: float) -> Awaitable[object] | None:
        return self.over.wait() if self.is_on else None


async def line(
    hindrance: Callable[[float], Awaitable[object] | None] = held_by,
) -> tuple[SendSlots, WorkItem, list[str], list[asyncio.Task[None]]]:
    """Have one slot taken by a work, and two others wait for it.

    Returns:
        The slots, the work that has one, the order in which the others are sent, and their tasks.
    """
    slots, order = SendSlots(AdaptiveLimit(1), StopSignal(), hindrance), list[str]()
    (first,) = works("first")
    assert await slots.take(first)
    return slots, first, order, await begun(slots, order, *works("a", "b"))


async def test_what_was_sent_before_goes_before_all_who_wait() -> None:
    slots, order = SendSlots(AdaptiveLimit(1), StopSignal(), held_by), list[str]()
    first, again = works("first", "again")
    again.attempts = 1
    assert await slots.take(first)
    tasks = await begun(slots, order, *works("a", "b"), again, *works("c"))
    settle(slots, first)
    await ended(tasks)
    assert order == ["again", "a", "b", "c"]


async def test_what_is_sent_again_at_once_keeps_its_slot_and_whoever_was_woken_his_place() -> None:
    slots, first, order, tasks = await line()
    settle(slots, first)
    first.attempts = 1
    assert await slots.take(first)
    await asyncio.sleep(0)
    assert (order, slots.in_flight, slots.unsettled) == ([], 1, 1)
    settle(slots, first)
    await ended(tasks)
    assert order == ["a", "b"]


async def test_those_for_whom_the_pace_has_become_too_slow_keep_their_places() -> None:
    limit, order = AdaptiveLimit(LIMIT), list[str]()
    slots = SendSlots(limit, StopSignal(), held_by)
    before = works(*map(str, range(LIMIT)))
    for work in before:
        assert await slots.take(work)
    names = [f"acct_{number}" for number in range(2 * LIMIT)]
    tasks = await begun(slots, order, *works(*names))
    for _ in before:
        slots.answered()
    slots.let_go_on()
    limit.refused(monotonic(), monotonic(), 0.0)
    for work in before:
        slots.settled(work)
    await ended(tasks)
    assert (order, limit.limit < LIMIT) == (names, True)


async def test_nobody_who_comes_during_a_hold_goes_before_those_who_waited() -> None:
    hold = Hold()
    slots, first, order, tasks = await line(hold)
    hold.is_on = True
    settle(slots, first)
    tasks += await begun(slots, order, *works("late"))
    hold.is_on = False
    hold.over.set()
    await ended(tasks)
    assert order == ["a", "b", "late"]


async def test_the_slot_of_one_that_is_cancelled_as_its_turn_comes_is_the_next_ones() -> None:
    slots, first, order, tasks = await line()
    settle(slots, first)
    tasks[0].cancel()
    await ended(tasks[1:])
    assert (order, tasks[0].cancelled()) == (["b"], True)


async def test_the_slot_of_one_that_is_cancelled_in_a_hold_is_the_next_ones() -> None:
    hold = Hold()
    slots, first, order, tasks = await line(hold)
    hold.is_on = True
    settle(slots, first)
    await asyncio.sleep(0)
    hold.is_on = False
    tasks[0].cancel()
    await ended(tasks[1:])
    assert (order, tasks[0].cancelled()) == (["b"], True)


async def test_nobody_who_comes_as_a_hold_ends_goes_before_those_who_waited() -> None:
    hold = Hold()
    slots, first, order, tasks = await line(hold)
    hold.is_on = True
    settle(slots, first)
    await asyncio.sleep(0)
    # The first in line is held, and has not heard yet that this is over.
    hold.is_on = False
    tasks += await begun(slots, order, *works("late"))
    hold.over.set()
    await ended(tasks)
    assert order.index("b") < order.index("late")


class NoPermits:
    """Permits that nobody ever gets."""

    async def acquire(self) -> int:
        return await asyncio.get_running_loop().create_future()

    def release(self) -> None:
        raise AssertionError("nobody had one")

    def refused(self, epoch: int, wait: float) -> None:
        raise AssertionError("nobody sent anything")


async def test_the_slot_of_one_that_is_cancelled_as_it_waits_for_a_permit_is_the_next_ones() -> None:
    slots = SendSlots(AdaptiveLimit(1), StopSignal(), held_by, NoPermits())
    tasks = await begun(slots, [], *works("a", "b"))
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    await asyncio.sleep(0)
    assert slots.in_flight == slots.unsettled == 1
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert slots.in_flight == slots.unsettled == 0


async def hold_back(draw: random.Random, hold: list[asyncio.Event]) -> None:
    """Hold all back, again and again."""
    while True:
        for _ in range(draw.randint(1, 5)):
            await asyncio.sleep(0)
        hold.append(asyncio.Event())
        await asyncio.sleep(0)
        hold.pop().set()


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_nobody_waits_for_ever_and_no_more_are_unsettled_than_may_be(seed: int) -> None:
    """The limit falls, holds come and go, works fail and are sent again, some who wait are cancelled."""
    draw = random.Random(seed)
    most = draw.randint(1, 12)
    limit, hold, waiting = AdaptiveLimit(most), list[asyncio.Event](), set[str]()
    slots = SendSlots(limit, StopSignal(), lambda _now: hold[0].wait() if hold else None)

    async def send(work: WorkItem) -> None:
        for _ in range(draw.choice([1, 1, 1, 2, 3])):
            waiting.add(work.account_id)
            assert await slots.take(work)
            waiting.discard(work.account_id)
            work.attempts += 1
            assert 0 < slots.in_flight <= slots.unsettled <= most
            started = monotonic()
            for _ in range(draw.randint(0, 3)):
                await asyncio.sleep(0)
            slots.answered()
            if draw.random() < 0.2:
                limit.refused(started, monotonic(), 0.0)
            else:
                limit.answered(started, monotonic())
            slots.let_go_on()
            if draw.random() < 0.5:
                await asyncio.sleep(0)
            slots.settled(work)

    holding = asyncio.create_task(hold_back(draw, hold))
    tasks = {name: asyncio.create_task(send(WorkItem(name))) for name in (f"acct_{number}" for number in range(60))}
    for _ in range(10):
        await asyncio.sleep(0)
        for name in draw.sample(sorted(waiting), min(1, len(waiting))):
            tasks[name].cancel()
            waiting.discard(name)
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    holding.cancel()
    assert all(task.cancelled() or task.exception() is None for task in tasks.values())
    assert slots.in_flight == slots.unsettled == 0


async def test_all_who_wait_go_when_the_job_stops() -> None:
    job = Job(works=50, workers=4 * LIMIT)
    running = asyncio.create_task(job.run())
    await asyncio.sleep(0)
    job.stop.call(RuntimeError("enough"))
    async with asyncio.timeout(5):
        await running
    assert len(job.sent) <= 2 * LIMIT
