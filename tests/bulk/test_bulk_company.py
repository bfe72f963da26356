"""Jobs beside each other, on tokens that end in the middle, and of many accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from support.job_reports import PATIENT, Start, numbers
from support.scripted import (
    DONE,
    Reply,
    ScriptedTilia,
    ids,
    people,
    sandbox_client,
)

from tilia_async.sandbox import Fault, Sandbox


@pytest.mark.asyncio
async def test_two_jobs_of_one_client_do_not_mix(start: Start) -> None:
    _, tilia = await start()

    async def streamed(prefix: str) -> set[str]:
        accounts = [f"{prefix}{each}" for each in range(50)]
        return {item.account_id async for item in tilia.bulk.stream_block(accounts, concurrency=4)}

    first, second = await asyncio.gather(streamed("a"), streamed("b"))
    assert (len(first), len(second)) == (50, 50)
    assert all(each.startswith("a") for each in first)
    assert all(each.startswith("b") for each in second)


@pytest.mark.asyncio
async def test_tokens_that_expire_or_are_revoked_in_the_middle_disturb_nothing(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 60)
    sandbox.faults.add("accounts.block", Fault.TOKEN_REVOKED, times=1)
    async with sandbox_client(sandbox) as tilia:
        taken = 0

        def hours_pass() -> Iterator[str]:
            nonlocal taken
            for each in accounts:
                taken += 1
                if taken == 30:
                    sandbox.clock.advance(3_600)
                yield each

        report = await tilia.bulk.block(hours_pass(), concurrency=8)
    assert numbers(report) == {"DONE": 60}
    assert len([each for each in sandbox.requests if each.operation == "auth.token"]) <= 4


@pytest.mark.asyncio
async def test_a_token_endpoint_that_is_away_for_a_moment_loses_nothing(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 20)
    sandbox.faults.add("auth.token", Fault.TOKEN_OUTAGE, times=1)
    async with sandbox_client(sandbox, retry=PATIENT) as tilia:
        report = await tilia.bulk.block(accounts, concurrency=8)
    assert numbers(report) == {"DONE": 20}


@pytest.mark.asyncio
@pytest.mark.nightly
@pytest.mark.timeout(300)
async def test_thousands_of_accounts_take_no_more_memory_than_a_few(start: Start) -> None:
    import tracemalloc

    scripted, tilia = await start()
    number = 6_000

    async def forgets(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        for each in (scripted.arrived, scripted.arrived_at, scripted.answered):
            each.clear()
        return DONE

    scripted.answer = forgets
    await tilia.bulk.block(ids(1_000))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    report = await tilia.bulk.block((f"acct_{each}" for each in range(number)), concurrency=64)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert numbers(report) == {"DONE": number}
    assert peak - before < 5 * 1024 * 1024
    assert after - before < 512 * 1024
