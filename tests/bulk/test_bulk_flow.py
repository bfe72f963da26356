"""Flow of a job: in flight, read ahead, waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from time import monotonic

import anyio
import pytest
from support.job_reports import PATIENT, SMALL_MULTIPLE, Source, Start, numbers
from support.scripted import (
    DONE,
    Reply,
    ScriptedTilia,
    failing,
    ids,
    never,
    until,
)

from tilia_async import Limits
from tilia_async.bulk import BulkProgress
from tilia_async.ledger import BlockLedger


@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 3, 24])
async def test_no_more_are_in_flight_than_allowed_and_as_many_if_nothing_speaks_against_it(
    start: Start, concurrency: int
) -> None:
    async def soon(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        await asyncio.sleep(0.03)
        return DONE

    scripted, tilia = await start(soon)
    report = await tilia.bulk.block(iter(ids(10 + 8 * concurrency)), concurrency=concurrency)
    assert numbers(report) == {"DONE": 10 + 8 * concurrency}
    assert concurrency / 2 < scripted.peak <= concurrency


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("asynchronous", "recorded"),
    [
        (False, False),
        (True, True),
        *(pytest.param(each, not each, marks=pytest.mark.nightly) for each in (False, True)),
    ],
)
async def test_the_accounts_are_read_a_little_ahead_of_the_answers(
    start: Start, ledger: BlockLedger, asynchronous: bool, recorded: bool
) -> None:
    source = Source()
    furthest = 0

    async def watches(scripted: ScriptedTilia, _account_id: str) -> Reply:
        nonlocal furthest
        await asyncio.sleep(0.001)
        furthest = max(furthest, source.taken - len(scripted.answered))
        if len(scripted.answered) > 80:
            await never(scripted, "")
        return DONE

    scripted, tilia = await start(watches, **({"ledger": ledger} if recorded else {}))
    accounts = source.asynchronous() if asynchronous else source.plain()
    with anyio.move_on_after(10) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: tilia.bulk.block(accounts, concurrency=4))
            await until(lambda: len(scripted.answered) > 80 and scripted.in_flight)
            await asyncio.sleep(0.05)
            group.cancel_scope.cancel()
    assert not scope.cancelled_caught
    furthest = max(furthest, source.taken - len(scripted.answered))
    assert furthest <= 4 * SMALL_MULTIPLE
    if asynchronous:
        # Nobody is in the middle of it any more.
        await accounts.aclose()


@pytest.mark.asyncio
async def test_a_consumer_that_waits_is_waited_for(start: Start) -> None:
    scripted, tilia = await start()
    source = Source()
    async with tilia.bulk.stream_block(source.plain(), concurrency=4) as items:
        await anext(aiter(items))
        await asyncio.sleep(0.1)
        assert len(scripted.arrived) <= 4 * SMALL_MULTIPLE
        assert source.taken <= 8 * SMALL_MULTIPLE


@pytest.mark.asyncio
async def test_a_slow_source_holds_nothing_up(start: Start) -> None:
    scripted, tilia = await start()
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[str]:
        yield "acct_1"
        await more.wait()
        yield "acct_2"

    async with tilia.bulk.stream_block(slowly(), concurrency=8) as items:
        async with asyncio.timeout(2):
            assert (await anext(aiter(items))).account_id == "acct_1"
        more.set()
        assert [item.account_id async for item in items] == ["acct_2"]
    assert scripted.arrived == ["acct_1", "acct_2"]


@pytest.mark.asyncio
async def test_a_retry_after_holds_back_the_whole_job(start: Start) -> None:
    refused: list[float] = []
    seen: list[BulkProgress] = []

    async def limits(scripted: ScriptedTilia, _account_id: str) -> Reply:
        if len(scripted.arrived) == 60:
            refused.append(monotonic())
            return failing(429, Retry_After="0.5")
        # The others of that moment are answered a little later, while the job is held back.
        await asyncio.sleep(0.02)
        return DONE

    scripted, tilia = await start(limits, retry=PATIENT)
    report = await tilia.bulk.block(ids(120), concurrency=8, on_progress=seen.append)
    assert numbers(report) == {"DONE": 120}
    quiet = [at - refused[0] for at in scripted.arrived_at if 0.1 < at - refused[0] < 0.45]
    assert quiet == [], "requests while Tilia asked for quiet"
    assert any(0 < progress.holding <= 0.5 for progress in seen)
    assert seen[-1].holding == 0
    assert len(scripted.arrived) == 121, "only the refused one is sent again"


@pytest.mark.asyncio
async def test_the_pace_gives_way_to_server_errors_and_comes_back(start: Start) -> None:
    served = 0
    during: list[int] = []
    after: list[int] = []

    async def fails_for_a_while(scripted: ScriptedTilia, _account_id: str) -> Reply:
        nonlocal served
        served += 1
        number = served
        if 400 < number <= 500:
            during.append(scripted.in_flight)
        await asyncio.sleep(0.004)
        if number > 1000:
            after.append(scripted.in_flight)
        return failing(503) if 300 < number <= 500 else DONE

    def until_it_is_over() -> Iterator[str]:
        number = 0
        while served < 1600:
            number += 1
            yield f"acct_{number}"

    _, tilia = await start(fails_for_a_while, retry=PATIENT)
    report = await tilia.bulk.block(until_it_is_over(), concurrency=32)
    assert set(numbers(report)) <= {"DONE", "UNKNOWN"}, "a 503 to a write does not say that nothing happened"
    in_the_outage = sum(during[-30:]) / len(during[-30:])
    assert in_the_outage <= 16
    assert max(after) >= 1.5 * in_the_outage
    assert max(after) > 12, "and not only a little"
    assert report.total > 100


@pytest.mark.asyncio
@pytest.mark.nightly
async def test_the_pace_gives_way_to_rising_latency(start: Start) -> None:
    """Eight at once are answered quickly; more than that only make each other slow."""
    flying: list[int] = []

    async def queues(scripted: ScriptedTilia, _account_id: str) -> Reply:
        flying.append(scripted.in_flight)
        await asyncio.sleep(0.008 * max(1.0, scripted.in_flight / 8) ** 2)
        return DONE

    _, tilia = await start(queues, limits=Limits(200, 200))
    report = await tilia.bulk.block(ids(500), concurrency=96)
    assert numbers(report) == {"DONE": 500}
    later = flying[250:]
    assert sum(later) / len(later) < 48
