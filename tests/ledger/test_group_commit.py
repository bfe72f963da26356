"""Rows that are handed in together are written together, urgent ones at once, and each hears of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tilia_async.errors import LedgerError
from tilia_async.ledger.group_commit import GroupCommit

pytestmark = pytest.mark.asyncio


class Disk:
    def __init__(self) -> None:
        self.written: list[list[int]] = []
        self.let_write = asyncio.Event()
        self.let_write.set()
        self.failure: Exception | None = None

    async def write(self, rows: Sequence[int]) -> None:
        await self.let_write.wait()
        if self.failure is not None:
            raise self.failure
        self.written.append(list(rows))


async def test_what_comes_while_a_transaction_runs_is_the_next_one() -> None:
    disk = Disk()
    commit = GroupCommit[int](disk.write)
    disk.let_write.clear()
    first = asyncio.ensure_future(commit.add(1))
    await asyncio.sleep(0.01)
    others = [asyncio.ensure_future(commit.add(number)) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    disk.let_write.set()
    await asyncio.gather(first, *others)
    assert disk.written == [[1], [2, 3, 4]]


async def test_rows_that_are_not_urgent_wait_for_others_and_go_with_one_that_is() -> None:
    disk = Disk()
    commit = GroupCommit[int](disk.write)
    await commit.add(0)
    told: list[BaseException | None] = []

    def tell(failure: BaseException | None) -> bool:
        told.append(failure)
        return True

    for number in (1, 2, 3):
        commit.put(number, on_durable=tell, urgent=False)
        await asyncio.sleep(0)
    assert disk.written == [[0]]
    await commit.add(4)
    assert disk.written == [[0], [1, 2, 3, 4]]
    assert told == [None, None, None]


async def test_rows_that_are_not_urgent_are_written_soon_though_nobody_asks() -> None:
    disk = Disk()
    commit = GroupCommit[int](disk.write)
    async with asyncio.timeout(5):
        for number in range(3):
            await commit.add(number, urgent=False)
    assert disk.written == [[0], [1], [2]]


async def test_who_hands_in_nothing_waits_for_what_was_handed_in_before() -> None:
    disk = Disk()
    commit = GroupCommit[int](disk.write)
    await commit.add()
    commit.put(1, urgent=False)
    await commit.add()
    assert disk.written == [[1]]


async def test_a_failure_reaches_each_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    commit = GroupCommit[int](disk.write)
    disk.failure = LedgerError("the disk is away")
    told: list[BaseException | None] = []

    def tell(failure: BaseException | None) -> bool:
        told.append(failure)
        return True

    commit.put(1, on_durable=tell, urgent=False)
    commit.put(2)
    with pytest.raises(LedgerError):
        await commit.add(3)
    assert told == [disk.failure]
    assert [record.getMessage() for record in caplog.records] == [
        "what 1 calls left to the ledger is not on record: the disk is away"
    ]
    disk.failure = None
    await commit.add(4)
    assert disk.written == [[4]]


async def test_who_is_cancelled_takes_no_other_along() -> None:
    disk = Disk()
    commit = GroupCommit[int](disk.write)
    disk.let_write.clear()
    tasks = [asyncio.ensure_future(commit.add(number)) for number in (1, 2)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    disk.let_write.set()
    await tasks[1]
    assert [number for rows in disk.written for number in rows] == [1, 2]


async def test_closing_writes_what_waits_at_once() -> None:
    disk = Disk()
    commit = GroupCommit[int](disk.write)
    await commit.add(0)
    commit.put(1, urgent=False)
    await commit.aclose()
    assert disk.written == [[0], [1]]
