"""Slots for a job's requests.

Who waits longest is sent next, and nobody is woken in vain.
"""

from __future__ import annotations

import asyncio
from collections import Counter

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


async def test_a_turn_goes_to_the_next_if_its_owner_is_cancelled_in_that_instant() -> None:
    slots = SendSlots(AdaptiveLimit(1), StopSignal(), lambda _now: None)
    first = WorkItem("acct_1")
    assert await slots.take(first)
    waiting = [asyncio.create_task(slots.take(WorkItem(f"acct_{number}"))) for number in (2, 3)]
    await asyncio.sleep(0)
    slots.answered()
    slots.settled(first)
    waiting[0].cancel()
    async with asyncio.timeout(5):
        assert await waiting[1]
    assert (waiting[0].cancelled(), slots.in_flight) == (True, 1)


async def test_what_was_sent_before_does_not_wait_behind_the_others() -> None:
    slots = SendSlots(AdaptiveLimit(1), StopSignal(), lambda _now: None)
    first = WorkItem("acct_1")
    assert await slots.take(first)
    other = asyncio.create_task(slots.take(WorkItem("acct_2")))
    await asyncio.sleep(0)
    slots.answered()
    slots.settled(first)
    first.attempts = 1
    assert await slots.take(first)
    await asyncio.sleep(0)
    assert (other.done(), slots.in_flight, slots.unsettled) == (False, 1, 1)
    slots.answered()
    slots.settled(first)
    async with asyncio.timeout(5):
        assert await other


async def test_all_who_wait_go_when_the_job_stops() -> None:
    job = Job(works=50, workers=4 * LIMIT)
    running = asyncio.create_task(job.run())
    await asyncio.sleep(0)
    job.stop.call(RuntimeError("enough"))
    async with asyncio.timeout(5):
        await running
    assert len(job.sent) <= 2 * LIMIT
