"""Nothing of a job with a ledger is emitted before it is on disk, and what a kill would repeat is bounded at every moment."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from support.blocking import url
from support.hostile import hostile_server
from support.postgres import connected, rows
from support.scripted import DONE, Reply, ScriptedTilia, client_of, failing, ids, until

from tilia_async import RetryPolicy, errors
from tilia_async.bulk import BulkItem, BulkOutcome, BulkProgress
from tilia_async.ledger import BlockLedger

__all__ = ["url"]

pytestmark = pytest.mark.asyncio

Settled = Callable[[], Awaitable[int]]

_COUNT = "SELECT count(*) FROM tilia_block_records WHERE settled_at IS NOT NULL"


@pytest_asyncio.fixture
async def settled(url: str) -> AsyncIterator[Settled]:
    """Number of accounts that have an outcome, as another process sees it."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:

            async def count() -> int:
                return file.execute(_COUNT).fetchone()[0]

            yield count
        return
    async with connected(url) as server:

        async def count_there() -> int:
            [(count,)] = await rows(server, _COUNT)
            return count

        yield count_there


@pytest.mark.parametrize("concurrency", [1, 5, 32])
async def test_no_more_are_sent_and_not_settled_on_disk_than_may_be_in_flight(
    url: str, settled: Settled, concurrency: int
) -> None:
    """A process that is killed has them sent again. Those that are answered and not on disk yet count, too."""
    unsettled: list[int] = []
    sent: list[str] = []

    async def answer(_tilia: ScriptedTilia, account_id: str) -> Reply:
        sent.append(account_id)
        arrived = len(sent)
        unsettled.append(arrived - await settled())
        await asyncio.sleep(0.001 * (arrived % 4))
        return DONE

    async with hostile_server(ScriptedTilia(answer).serve) as server, BlockLedger.open(url) as ledger:
        async with client_of(server.template, ledger=ledger) as tilia:
            report = await tilia.bulk.block(ids(40 * concurrency), concurrency=concurrency, job_id="wave")
    assert report.counts[BulkOutcome.DONE] == 40 * concurrency
    assert max(unsettled) <= concurrency


async def test_a_doubtful_account_that_waits_for_its_next_attempt_counts_among_them(url: str, settled: Settled) -> None:
    unsettled: list[int] = []
    sent = set[str]()

    async def answer(_tilia: ScriptedTilia, account_id: str) -> Reply:
        is_first = account_id not in sent
        sent.add(account_id)
        unsettled.append(len(sent) - await settled())
        return failing(500) if is_first else DONE

    patient = RetryPolicy(attempts=3, initial=0.02, maximum=0.02)
    async with hostile_server(ScriptedTilia(answer).serve) as server, BlockLedger.open(url) as ledger:
        async with client_of(server.template, ledger=ledger, retry=patient) as tilia:
            report = await tilia.bulk.block(ids(80), concurrency=8, job_id="wave")
    assert report.counts[BulkOutcome.DONE] == 80
    assert max(unsettled) <= 8


@pytest.mark.parametrize("way", ["function", "coroutine", "stream"])
async def test_an_account_is_emitted_after_its_outcome_is_on_disk(url: str, settled: Settled, way: str) -> None:
    told: list[tuple[int, int]] = []

    def tell(progress: BulkProgress) -> None:
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
                told.append((progress.total, file.execute(_COUNT).fetchone()[0]))

    async def tell_slowly(progress: BulkProgress) -> None:
        told.append((progress.total, await settled()))

    async with hostile_server(ScriptedTilia().serve) as server, BlockLedger.open(url) as ledger:
        async with client_of(server.template, ledger=ledger) as tilia:
            if way == "stream":
                number = 0
                async for _ in tilia.bulk.stream_block(ids(200), concurrency=8, job_id="wave"):
                    number += 1
                    told.append((number, await settled()))
            else:
                callback = tell if way == "function" else tell_slowly
                await tilia.bulk.block(ids(200), concurrency=8, job_id="wave", on_progress=callback)
    assert len(told) == (0 if way == "function" and not url.startswith("sqlite") else 200)
    assert all(on_disk >= number for number, on_disk in told)


@pytest.mark.parametrize("kind", ["good", "bad"])
async def test_a_consumer_that_waits_is_waited_for_with_a_ledger_too(url: str, kind: str) -> None:
    scripted = ScriptedTilia()
    read = 0

    def accounts() -> AsyncIterator[str]:
        async def one_by_one() -> AsyncIterator[str]:
            nonlocal read
            for number in range(2_000):
                read += 1
                yield f"acct_{number}" if kind == "good" else f"a/{number}"

        return one_by_one()

    async with hostile_server(scripted.serve) as server, BlockLedger.open(url) as ledger:
        async with client_of(server.template, ledger=ledger) as tilia:
            async with tilia.bulk.stream_block(accounts(), concurrency=4, job_id="wave") as items:
                first: BulkItem = await anext(items)
                await asyncio.sleep(0.3)
                assert read <= 12 * 4
                assert len(scripted.arrived) <= 3 * 4
                assert first.outcome is (BulkOutcome.DONE if kind == "good" else BulkOutcome.FAILED)
                assert items.progress().total <= 4 * 4


async def test_a_ledger_that_is_held_by_another_process_lets_no_more_be_sent(tmp_path: Path) -> None:
    """Answers that come meanwhile wait to be on disk, and nothing of them is emitted."""
    told: list[int] = []

    async with hostile_server((scripted := ScriptedTilia()).serve) as server:
        async with BlockLedger.open(f"sqlite:///{tmp_path}/blocks.db") as ledger:
            async with client_of(server.template, ledger=ledger) as tilia:
                held = asyncio.Event()

                async def accounts() -> AsyncIterator[str]:
                    for each in ids(100):
                        yield each

                def tell(progress: BulkProgress) -> None:
                    told.append(progress.total)
                    if progress.total == 20:
                        other.execute("BEGIN IMMEDIATE")
                        held.set()

                with closing(sqlite3.connect(tmp_path / "blocks.db", isolation_level=None)) as other:
                    job = asyncio.create_task(
                        tilia.bulk.block(accounts(), concurrency=6, job_id="wave", on_progress=tell)
                    )
                    await held.wait()
                    await asyncio.sleep(0.2)
                    sent, known = len(scripted.arrived), len(told)
                    assert sent <= known + 6
                    await asyncio.sleep(0.1)
                    assert (len(scripted.arrived), len(told)) == (sent, known)
                    other.execute("COMMIT")
                    report = await job
    assert report.counts[BulkOutcome.DONE] == 100
    assert len(scripted.arrived) == 100


async def test_a_callback_that_ends_the_process_ends_the_job_and_no_other(tmp_path: Path) -> None:
    class EndError(BaseException):
        pass

    def end(progress: BulkProgress) -> None:
        if progress.total == 5:
            raise EndError

    async with hostile_server(ScriptedTilia().serve) as server:
        async with BlockLedger.open(f"sqlite:///{tmp_path}/blocks.db") as ledger:
            async with client_of(server.template, ledger=ledger) as tilia:
                other = asyncio.create_task(tilia.bulk.block(ids(300), concurrency=4, job_id="other"))
                with pytest.raises(BaseExceptionGroup) as caught:
                    await tilia.bulk.block(ids(300), concurrency=4, job_id="wave", on_progress=end)
                assert caught.group_contains(EndError)
                assert (await other).counts[BulkOutcome.DONE] == 300
                await tilia.accounts.block("acct_1")


async def test_outcomes_of_a_ledger_that_is_lost_come_with_the_error_that_stops_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hostile_server((scripted := ScriptedTilia()).serve) as server:
        async with BlockLedger.open(f"sqlite:///{tmp_path}/blocks.db") as ledger:
            async with client_of(server.template, ledger=ledger) as tilia:

                def lose(progress: BulkProgress) -> None:
                    if progress.total == 10:
                        monkeypatch.setattr("tilia_async.ledger.journal._enter", fail)

                def fail(*_arguments: object) -> None:
                    raise errors.LedgerError("the disk is away")

                with pytest.raises(errors.BulkStoppedError) as caught:
                    await tilia.bulk.block(ids(100), concurrency=4, job_id="wave", on_progress=lose)
                monkeypatch.undo()
                assert isinstance(caught.value.cause, errors.LedgerError)
                assert caught.value.report.total == len(scripted.arrived)
                report = await tilia.bulk.block(ids(100), concurrency=4, job_id="wave")
    assert report.complete
    await until(lambda: len(set(scripted.arrived)) == 100)
