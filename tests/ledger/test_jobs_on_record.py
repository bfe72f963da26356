"""The jobs of a ledger, and filters of its blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from support.ledgers import ledger_url

import tilia_sync
from tilia_async import TiliaClient, errors
from tilia_async.ledger import BlockLedger, JobState, RecordState
from tilia_async.ledger.job_list import summaries
from tilia_async.ledger.ledger import journal_of
from tilia_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    async with ledger_url(request.param, tmp_path) as where:
        yield where


@pytest_asyncio.fixture
async def ids(url: str) -> AsyncIterator[list[str]]:
    """Three jobs and a call: a wave, one that left something to do, an undoing, and a single block."""
    async with Sandbox(wallet_delay=0) as sandbox, BlockLedger.open(url) as ledger:
        given = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        async with TiliaClient(*given, ledger=ledger) as tilia:
            found = [(await tilia.accounts.register(f"u{n}", email=f"u{n}@mail.example")).account_id for n in range(6)]
            await tilia.bulk.block([*found[:3], "nobody"], "cheating", "ann", job_id="wave")
            sandbox.faults.add("accounts.block", Fault.SERVER_ERROR_EMPTY, times=10)
            await tilia.bulk.block(found[3:4], "fraud", "bob", job_id="later")
            sandbox.faults.clear()
            await tilia.accounts.block(found[4], "cheating", "bob")
            await tilia.bulk.block(found[5:], "spam", "ann", job_id="mistake")
            await tilia.bulk.undo("mistake", "wrong list", "ann")
        yield found


async def test_the_jobs_are_listed_with_their_outcomes(url: str, ids: list[str]) -> None:
    async with BlockLedger.open(url) as ledger:
        found = [job async for job in ledger.jobs()]
    assert [(job.job_id, job.action, job.reason, job.actor, job.state, job.total) for job in found] == [
        ("wave", "block", "cheating", "ann", JobState.FINISHED, 4),
        ("later", "block", "fraud", "bob", JobState.PAUSED, 1),
        ("mistake", "block", "spam", "ann", JobState.FINISHED, 1),
        ("undo-mistake", "undo", "wrong list", "ann", JobState.FINISHED, 1),
    ]
    assert found[0].counts == {RecordState.CONFIRMED: 3, RecordState.NOT_FOUND: 1}
    assert found[1].counts == {RecordState.UNKNOWN: 1}
    assert found[3].undoes == "mistake"
    begun = [job.started_at for job in found]
    assert all(at is not None and abs(datetime.now(UTC) - at) < timedelta(minutes=5) for at in begun)
    assert all("{service}" in job.environment or "127.0.0.1" in job.environment for job in found)


async def test_a_job_under_way_is_running(url: str) -> None:
    async with Sandbox(wallet_delay=0) as sandbox, BlockLedger.open(url) as ledger:
        given = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        async with TiliaClient(*given, ledger=ledger) as tilia:
            account_id = (await tilia.accounts.register("u", email="u@mail.example")).account_id
            seen: list[JobState] = []
            read = asyncio.Event()

            async def given_until_read() -> AsyncIterator[str]:
                yield account_id
                await read.wait()

            async with tilia.bulk.stream_block(given_until_read(), "x", job_id="wave") as items:
                async for _ in items:
                    seen += [job.state async for job in ledger.jobs()]
                    read.set()
            seen += [job.state async for job in ledger.jobs()]
    assert seen == [JobState.RUNNING, JobState.FINISHED]


@pytest.mark.usefixtures("ids")
async def test_many_jobs_are_read_in_portions(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilia_async.ledger.job_list._PAGE", 2)
    async with BlockLedger.open(url) as ledger:
        names = [job.job_id async for job in ledger.jobs()]
    assert names == ["wave", "later", "mistake", "undo-mistake"]


@pytest.mark.usefixtures("ids")
async def test_the_synchronous_ledger_lists_them_too(url: str) -> None:
    def names() -> list[str]:
        with tilia_sync.BlockLedger.open(url) as opened:
            return [job.job_id for job in opened.jobs()]

    assert await asyncio.to_thread(names) == ["wave", "later", "mistake", "undo-mistake"]


@pytest.mark.usefixtures("ids")
async def test_sums_by_reason_and_actor_have_the_calls_in_them(url: str) -> None:
    async with BlockLedger.open(url) as ledger:
        database = (await journal_of(ledger)).database
        by_reason = [(each.value, each.action, each.total) for each in await summaries(database, "reason")]
        by_actor = [(each.value, each.action, each.total) for each in await summaries(database, "actor")]
    assert by_reason == [("cheating", "block", 5), ("fraud", "block", 1), ("spam", "block", 1), ("wrong list", "unblock", 1)]  # fmt: skip
    assert by_actor == [("ann", "block", 5), ("bob", "block", 2), ("ann", "unblock", 1)]


async def test_the_blocks_in_force_are_filtered(url: str, ids: list[str]) -> None:
    async with BlockLedger.open(url) as ledger:

        async def blocked(**wanted: object) -> set[str]:
            return {record.account_id async for record in ledger.blocked(**wanted)}

        assert await blocked() == {*ids[:3], ids[4]}
        assert await blocked(reason="cheating") == {*ids[:3], ids[4]}
        assert await blocked(reason="cheating", actor="bob") == {ids[4]}
        assert await blocked(job_id="wave") == set(ids[:3])
        assert await blocked(issuer="publisher", job_id="mistake") == set()
        assert await blocked(since=datetime.now(UTC) + timedelta(hours=1)) == set()
        assert await blocked(until=datetime.now(UTC) + timedelta(hours=1)) == {*ids[:3], ids[4]}
        with pytest.raises(errors.InvalidRequestError, match="state"):
            ledger.blocked(state="confirmed")
        with pytest.raises(errors.InvalidRequestError, match="time zone"):
            ledger.blocked(since=datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused
