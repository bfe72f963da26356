"""Progress of a job, by callback and by stream."""

from __future__ import annotations

import asyncio

import pytest
from support.interruption import tasks_left
from support.job_reports import Source, Start, UserError, noting, numbers, stopped
from support.ledgers import states
from support.scripted import (
    DONE,
    Reply,
    ScriptedTilia,
    failing,
    ids,
)

from tilia_async import errors
from tilia_async.bulk import BulkProgress
from tilia_async.ledger import BlockLedger, RecordState


@pytest.mark.asyncio
@pytest.mark.parametrize("coroutine", [False, True])
async def test_progress_is_true(start: Start, coroutine: bool) -> None:
    seen: list[BulkProgress] = []

    async def later(progress: BulkProgress) -> None:
        await asyncio.sleep(0)
        seen.append(progress)

    _, tilia = await start()
    report = await tilia.bulk.block(["a/b", *ids(99)], concurrency=8, on_progress=later if coroutine else seen.append)
    assert numbers(report) == {"DONE": 99, "FAILED": 1}
    totals = [progress.total for progress in seen]
    assert totals == sorted(totals)
    assert totals[-1] == 100
    for progress in seen:
        assert sum(progress.counts.values()) == progress.total
        assert 0 <= progress.in_flight <= 8
        assert 1 <= progress.limit <= 8
        assert progress.elapsed >= 0
        assert progress.rate >= 0
        assert progress.holding == 0
    assert dict(seen[-1].counts) == dict(report.counts)
    assert seen[0].counts is not seen[-1].counts, "an earlier progress does not change"


@pytest.mark.asyncio
@pytest.mark.parametrize("coroutine", [False, pytest.param(True, marks=pytest.mark.nightly)])
async def test_a_progress_callback_that_raises_is_not_silenced_and_loses_nothing(
    start: Start, ledger: BlockLedger, coroutine: bool
) -> None:
    def raises(progress: BulkProgress) -> None:
        if progress.total >= 10:
            raise UserError("in the callback")

    async def raises_later(progress: BulkProgress) -> None:
        raises(progress)

    scripted, tilia = await start(ledger=ledger)
    with pytest.raises((UserError, errors.BulkStoppedError)) as caught:
        await tilia.bulk.block(
            ids(120), job_id="wave", concurrency=4, on_progress=raises_later if coroutine else raises
        )
    if isinstance(caught.value, errors.BulkStoppedError):
        assert "in the callback" in f"{caught.value.cause!r}"
    assert len(scripted.arrived) < 100
    first = await states(ledger, "wave")
    assert set(scripted.arrived) <= first.keys()
    assert {first[each] for each in scripted.answered} <= {RecordState.CONFIRMED, RecordState.UNKNOWN}
    async with asyncio.timeout(10):
        report = await tilia.bulk.block(ids(120), job_id="wave", concurrency=4)
    assert report.complete
    assert await states(ledger, "wave") == dict.fromkeys(ids(120), RecordState.CONFIRMED)


@pytest.mark.asyncio
async def test_a_stream_that_nobody_reads_starts_nothing(start: Start) -> None:
    scripted, tilia = await start()
    read: list[str] = []
    before = tasks_left()
    items = tilia.bulk.stream_block(noting(ids(10), read))
    await asyncio.sleep(0.02)
    assert (read, scripted.arrived) == ([], [])
    assert tasks_left() <= before
    await items.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(items)
    assert read == []


@pytest.mark.asyncio
async def test_a_stream_tells_each_account_once_and_then_why_it_stops(start: Start) -> None:
    async def out_of_order(scripted: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401) if len(scripted.arrived) > 20 else DONE

    _, tilia = await start(out_of_order)
    told: list[str] = []

    async def tells() -> None:
        async for item in tilia.bulk.stream_block(Source().plain(), concurrency=4):
            told.append(item.account_id)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(errors.BulkStoppedError) as caught:
        await tells()
    assert len(told) == len(set(told)) == stopped(caught).report.total
