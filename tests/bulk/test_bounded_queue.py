"""The queue between the job and who feeds or reads it holds no more than it may, and loses nothing."""

from __future__ import annotations

import asyncio

import pytest

from tilia_async.bulk.bounded_queue import BoundedQueue

pytestmark = pytest.mark.asyncio


async def test_who_puts_more_than_may_wait_waits_and_is_served_in_turn() -> None:
    queue = BoundedQueue[int](2)
    assert [queue.offer(number) for number in range(2)] == [None, None]
    waits = [queue.offer(number) for number in (2, 3)]
    tasks = [asyncio.ensure_future(each) for each in waits if each is not None]
    assert len(tasks) == 2
    await asyncio.sleep(0)
    assert await queue.has_some()
    assert queue.pop() == 0
    await tasks[0]
    assert not tasks[1].done()
    assert await queue.take_all() == [1, 2]
    await tasks[1]
    assert await queue.take_all() == [3]


async def test_who_is_cancelled_puts_nothing_and_holds_nobody_up() -> None:
    queue = BoundedQueue[int](1)
    assert queue.offer(0) is None
    waits = [queue.offer(number) for number in (1, 2)]
    first, second = (asyncio.ensure_future(each) for each in waits if each is not None)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert await queue.take_all() == [0]
    await second
    queue.close()
    assert await queue.take_all() == [2]
    assert await queue.take_all() == []
    assert not await queue.has_some()


async def test_an_end_wakes_who_waits() -> None:
    queue = BoundedQueue[int](1)
    waiting = asyncio.ensure_future(queue.take_all())
    await asyncio.sleep(0)
    queue.close()
    assert await waiting == []
