"""Jobs that are cancelled, closed or left: they end at once, and what was in flight is on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from time import monotonic

import anyio
import pytest
from support.interruption import elsewhere, tasks_left
from support.job_reports import PATIENT, Start, UserError
from support.ledgers import states
from support.machine_lag import within
from support.scripted import (
    DONE,
    Reply,
    ScriptedTilia,
    at_once,
    client_of,
    failing,
    ids,
    never,
    until,
)

from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, RecordState


@pytest.mark.asyncio
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_source_that_raises_ends_the_job_in_order(
    start: Start, ledger: BlockLedger, asynchronous: bool
) -> None:
    def breaks_off() -> Iterator[str]:
        yield from ids(30)
        raise UserError("in the source")

    async def breaks_off_later() -> AsyncIterator[str]:
        for each in breaks_off():
            yield each

    scripted, tilia = await start(ledger=ledger)
    with pytest.raises((UserError, errors.BulkStoppedError)) as caught:
        await tilia.bulk.block(breaks_off_later() if asynchronous else breaks_off(), job_id="wave", concurrency=4)
    if isinstance(caught.value, errors.BulkStoppedError):
        assert "in the source" in f"{caught.value.cause!r}"
    kept = await states(ledger, "wave")
    assert set(scripted.arrived) <= kept.keys()
    assert {kept[each] for each in scripted.arrived} <= {RecordState.CONFIRMED, RecordState.UNKNOWN}
    async with asyncio.timeout(10):
        assert (await tilia.bulk.block(ids(30), job_id="wave")).complete
    assert await states(ledger, "wave") == dict.fromkeys(ids(30), RecordState.CONFIRMED)


@pytest.mark.asyncio
async def test_a_client_that_is_closed_ends_its_jobs_and_what_was_sent_is_unknown(
    start: Start, ledger: BlockLedger
) -> None:
    async def some_of_them(scripted: ScriptedTilia, _account_id: str) -> Reply:
        if len(scripted.arrived) > 10:
            await never(scripted, "")
        return DONE

    scripted, tilia = await start(some_of_them, ledger=ledger)
    job = asyncio.create_task(tilia.bulk.block(ids(100), concurrency=4, job_id="wave"))
    await until(lambda: scripted.in_flight >= 2)
    await tilia.aclose()
    with pytest.raises((errors.ClientClosedError, errors.BulkStoppedError)) as caught:
        async with asyncio.timeout(2):
            await job
    assert isinstance(getattr(caught.value, "cause", caught.value), errors.ClientClosedError)
    kept = await states(ledger, "wave")
    assert {kept[each] for each in set(scripted.arrived) - set(scripted.answered)} == {RecordState.UNKNOWN}


async def half_silent(scripted: ScriptedTilia, _account_id: str) -> Reply:
    """Twenty are answered, and every second one after them."""
    if len(scripted.arrived) > 20 and len(scripted.arrived) % 2:
        await never(scripted, "")
    return DONE


def some_hang(scripted: ScriptedTilia) -> bool:
    return len(scripted.arrived) > 24 and scripted.in_flight >= 2


async def by_task(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    job = asyncio.create_task(tilia.bulk.block(ids(100), concurrency=8, job_id="wave"))
    await until(lambda: some_hang(scripted))
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job


async def by_task_again_and_again(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    job = asyncio.create_task(tilia.bulk.block(ids(100), concurrency=8, job_id="wave"))
    await until(lambda: some_hang(scripted))
    while not job.done():
        job.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await job


async def by_scope(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def cancels() -> None:
                await until(lambda: some_hang(scripted))
                scope.cancel()

            group.start_soon(cancels)
            await tilia.bulk.block(ids(100), concurrency=8, job_id="wave")
    assert scope.cancelled_caught


async def by_leaving(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    async with tilia.bulk.stream_block(ids(100), concurrency=8, job_id="wave") as items:
        async for _ in items:
            if some_hang(scripted):
                break


async def by_closing(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    items = tilia.bulk.stream_block(ids(100), concurrency=8, job_id="wave")
    async for _ in items:
        if some_hang(scripted):
            break
    await items.aclose()
    await items.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(items)


async def by_raising(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    async def raises() -> None:
        async with tilia.bulk.stream_block(ids(100), concurrency=8, job_id="wave") as items:
            async for _ in items:
                if some_hang(scripted):
                    raise UserError

    with pytest.raises(UserError):
        await raises()


async def by_cancelling_the_reader(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    async def reads() -> None:
        async with tilia.bulk.stream_block(ids(100), concurrency=8, job_id="wave") as items:
            async for _ in items:
                pass

    reader = asyncio.create_task(reads())
    await until(lambda: some_hang(scripted))
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


Way = Callable[[TiliaClient, ScriptedTilia], Awaitable[None]]


WAYS = (
    by_task_again_and_again,
    by_scope,
    by_closing,
    by_raising,
    *(pytest.param(way, marks=pytest.mark.nightly) for way in (by_task, by_leaving, by_cancelling_the_reader)),
)


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
async def test_a_job_that_is_cancelled_stops_at_once_and_what_was_in_flight_is_on_record(
    ledger: BlockLedger, way: Way
) -> None:
    scripted = ScriptedTilia(half_silent)
    with elsewhere(scripted.serve) as server:
        async with client_of(server.template, ledger=ledger) as tilia:
            await tilia.bulk.block(ids(2), job_id="before")
            before = tasks_left()
            scripted.arrived.clear()
            scripted.answered.clear()
            began = monotonic()
            async with asyncio.timeout(5):
                await way(tilia, scripted)
            ended = monotonic()
            assert ended - began < 2
            assert tasks_left() <= before
            # What was sent before may still arrive.
            await asyncio.sleep(0.02)
            sent = len(scripted.arrived)
            await asyncio.sleep(0.05)
            assert len(scripted.arrived) == sent, "requests after the end"
            kept = await states(ledger, "wave")
            unanswered = set(scripted.arrived) - set(scripted.answered)
            assert unanswered
            assert {kept[each] for each in unanswered} == {RecordState.UNKNOWN}
            assert set(scripted.arrived) <= kept.keys()
            pending = {record.account_id async for record in ledger.pending("wave")}
            assert unanswered <= pending

            scripted.answer = at_once
            confirmed = {each for each, state in kept.items() if state is RecordState.CONFIRMED}
            scripted.arrived.clear()
            async with asyncio.timeout(5):
                report = await tilia.bulk.block(ids(100), concurrency=8, job_id="wave")
            assert (report.counts[BulkOutcome.SKIPPED], report.complete) == (len(confirmed), True)
            assert not confirmed & set(scripted.arrived)
            assert await states(ledger, "wave") == dict.fromkeys(ids(100), RecordState.CONFIRMED)


@pytest.mark.asyncio
async def test_a_held_back_job_is_cancelled_at_once_too(start: Start) -> None:
    async def limits(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return failing(429, Retry_After="30")

    scripted, tilia = await start(limits, retry=PATIENT)
    job = asyncio.create_task(tilia.bulk.block(ids(100), concurrency=8))
    await until(lambda: scripted.answered)
    await asyncio.sleep(0.05)
    with within(1.0):
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
    assert len(scripted.arrived) <= 16


@pytest.mark.asyncio
async def test_a_job_that_waits_for_its_source_is_cancelled_at_once_too(start: Start) -> None:
    async def waits() -> AsyncIterator[str]:
        yield "acct_1"
        await asyncio.Event().wait()

    scripted, tilia = await start()
    source = waits()
    job = asyncio.create_task(tilia.bulk.block(source))
    await until(lambda: scripted.answered)
    with within(1.0):
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
    await source.aclose()
