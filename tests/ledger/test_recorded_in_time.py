"""A ledger that is slow, closed or lost holds no call back, and lets none go unrecorded."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from support.hostile import hostile_server
from support.machine_lag import within
from support.recorded_calls import BLOCK, BLOCKS, CAPABILITY, EVERY_WAY, Answering, listed, recorded_client, url_in
from support.scripted import DONE, Reply, ScriptedTilia, client_of, failing, ids

import tilia_async.ledger.journal  # noqa: F401 - loaded late otherwise, and patched here by name
from tilia_async import RequestOptions, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, BlockRecord, RecordState

LATE = 0.4
"""Seconds by which a call may outlive its deadline, on a machine with much to do."""


async def history_when(
    ledger: BlockLedger, account: str, holds: Callable[[list[BlockRecord]], object]
) -> list[BlockRecord]:
    """History once the ledger's own task has written what a call left to it."""
    async with asyncio.timeout(10):
        while not holds(found := await ledger.history(account)):  # noqa: ASYNC110 - it tells nobody what it has written
            await asyncio.sleep(0.01)
    return found


class Held:
    """Another process that writes to the ledger for a long time."""

    def __init__(self, directory: Path) -> None:
        self.database = sqlite3.connect(directory / "blocks.db", isolation_level=None)

    def hold(self) -> None:
        if not self.database.in_transaction:
            self.database.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        if self.database.in_transaction:
            self.database.execute("ROLLBACK")

    def close(self) -> None:
        self.let_go()
        self.database.close()


@pytest.mark.asyncio
@EVERY_WAY
async def test_a_ledger_that_is_slow_to_settle_holds_no_call_back_and_is_logged_later(
    tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        async with recorded_client(Answering(other.hold), tmp_path) as (tilia, ledger):
            with within(0.5 + LATE):
                await BLOCKS[way](tilia, "acct_1", RequestOptions(timeout=0.5))
            (record,) = await ledger.history("acct_1")
            assert (record.state, record.settled_at) == (RecordState.INTENDED, None)
            assert await listed(ledger.blocked()) == []
            assert "not on record yet" in caplog.text
            other.let_go()
            (record,) = await history_when(ledger, "acct_1", lambda found: found[0].settled_at)
            assert record.state is RecordState.CONFIRMED


@pytest.mark.asyncio
@EVERY_WAY
async def test_a_call_without_an_answer_ends_in_time_whatever_the_ledger_does(tmp_path: Path, way: str) -> None:
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        async with recorded_client(Answering(other.hold, silent=True), tmp_path) as (tilia, ledger):
            with within(0.5 + LATE), pytest.raises(errors.TiliaError) as late:
                await BLOCKS[way](tilia, "acct_1", RequestOptions(timeout=0.5))
            assert late.value.took_effect is None
            other.let_go()
            (record,) = await history_when(ledger, "acct_1", lambda found: found[0].settled_at)
            assert record.state is RecordState.UNKNOWN


@pytest.mark.asyncio
@EVERY_WAY
@pytest.mark.parametrize("cancellations", [1, 2])
async def test_a_cancelled_call_ends_in_time_whatever_the_ledger_does(
    tmp_path: Path, way: str, cancellations: int
) -> None:
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        answering = Answering(other.hold, silent=True)
        async with recorded_client(answering, tmp_path) as (tilia, ledger):
            call = asyncio.ensure_future(BLOCKS[way](tilia, "acct_1", None))
            await answering.came.wait()
            with within(LATE):
                for _ in range(cancellations):
                    call.cancel()
                    await asyncio.sleep(0)
                with pytest.raises(asyncio.CancelledError):
                    await call
            other.let_go()
            (record,) = await history_when(ledger, "acct_1", lambda found: found[0].settled_at)
            assert (record.state, record.error) == (RecordState.UNKNOWN, "the call was cancelled")


@pytest.mark.asyncio
async def test_a_call_that_its_caller_gives_up_waits_a_little_for_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tilia_async.ledger.calls.SETTLING_SECONDS", 10.0)
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        answering = Answering(other.hold, silent=True)
        async with recorded_client(answering, tmp_path) as (tilia, ledger):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as together:
                    together.start_soon(tilia.accounts.block, "acct_1")
                    await answering.came.wait()
                    asyncio.get_running_loop().call_later(0.3, other.let_go)
                    scope.cancel()
            (record,) = await ledger.history("acct_1")
    assert (record.state, record.error) == (RecordState.UNKNOWN, "the call was cancelled")


@pytest.mark.asyncio
async def test_what_the_ledger_took_is_no_more_there_for_the_call(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        async with recorded_client(Answering(silent=True), tmp_path) as (tilia, _):
            other.hold()
            asyncio.get_running_loop().call_later(0.7, other.let_go)
            with within(1.0 + LATE), pytest.raises(errors.TiliaError):
                await tilia.accounts.block("acct_1", options=RequestOptions(timeout=1.0))


@pytest.mark.asyncio
@EVERY_WAY
@pytest.mark.parametrize("opened", [True, False])
async def test_a_ledger_that_is_slow_to_begin_with_lets_nothing_be_sent(tmp_path: Path, way: str, opened: bool) -> None:
    answering = Answering()
    async with hostile_server(answering.serve) as server:
        ledger = BlockLedger.open(url_in(tmp_path))
        if opened:
            await ledger.history("acct_1")
        async with client_of(server.template, ledger=ledger) as tilia:
            with closing(Held(tmp_path)) as other:
                other.database.execute("BEGIN IMMEDIATE" if opened else "BEGIN EXCLUSIVE")
                with within(0.3 + LATE), pytest.raises(errors.DeadlineExceededError, match="ledger") as late:
                    await BLOCKS[way](tilia, "acct_1", RequestOptions(timeout=0.3))
            assert late.value.took_effect is False
            assert late.value.operation in {BLOCK.name, CAPABILITY.name}
            if opened:
                (record,) = await history_when(ledger, "acct_1", lambda found: found and found[0].settled_at)
                assert record.state is RecordState.FAILED
            else:
                assert await ledger.history("acct_1") == []
        await ledger.aclose()
    assert answering.arrived == []


@pytest.mark.asyncio
async def test_what_cannot_be_settled_is_logged_also_when_nobody_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        async with recorded_client(Answering(other.hold), tmp_path) as (tilia, ledger):
            await tilia.accounts.block("acct_1", options=RequestOptions(timeout=0.3))
            caplog.clear()
            other.database.execute("DROP TABLE tilia_block_records")
            other.database.execute("COMMIT")
            await ledger.aclose()
    told = [each for each in caplog.records if each.levelno == logging.ERROR]
    (message,) = [each.getMessage() for each in told]
    assert message.startswith("what 1 calls left to the ledger is not on record: ")
    assert message.endswith("no such table: tilia_block_records (OperationalError)")


@pytest.mark.asyncio
async def test_a_call_that_ends_with_what_nobody_expected_is_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with recorded_client(Answering(), tmp_path) as (tilia, ledger):
        await tilia.accounts.block("acct_1")

        async def exchange(*_: object) -> object:
            raise ZeroDivisionError

        monkeypatch.setattr(type(tilia._pool), "send_once", exchange)
        with pytest.raises(ZeroDivisionError):
            await tilia.accounts.block("acct_2")
        (record,) = await history_when(ledger, "acct_2", lambda found: found and found[0].settled_at)
    assert (record.state, record.error) == (RecordState.UNKNOWN, "the call ended with ZeroDivisionError")


@pytest.mark.asyncio
async def test_a_ledger_that_is_closed_under_a_call_is_reported_and_stays_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answered = asyncio.Event()
    scripted = ScriptedTilia(waits_for(answered))
    async with hostile_server(scripted.serve) as server:
        async with BlockLedger.open(url_in(tmp_path)) as ledger:
            tilia = client_of(server.template, ledger=ledger)
            call = asyncio.create_task(tilia.accounts.block("acct_1"))
            async with asyncio.timeout(10):
                while not scripted.arrived:  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0.01)
        answered.set()
        assert (await call).is_blocked
        await tilia.aclose()
    assert "stays on record as intended, although it is confirmed: the ledger is closed" in caplog.text
    assert not [each for each in threading.enumerate() if each.name == "tilia-ledger"]


def waits_for(event: asyncio.Event) -> Callable[[ScriptedTilia, str], Awaitable[Reply]]:
    async def answer(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        await event.wait()
        return DONE

    return answer


@pytest.mark.asyncio
async def test_a_job_sends_nothing_while_its_lease_is_not_live(tmp_path: Path) -> None:
    """The job waits for its turn, and its lease runs out meanwhile: another run may have the accounts in hand."""
    refused = asyncio.Event()

    async def answers(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        if refused.is_set():
            return DONE
        other.hold()
        refused.set()
        return failing(429, retry_after="1")

    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    scripted = ScriptedTilia(answers)
    with closing(Held(tmp_path)) as other:
        async with hostile_server(scripted.serve) as server:
            async with BlockLedger.open(url_in(tmp_path), lease=0.4) as ledger:
                async with client_of(server.template, ledger=ledger) as tilia:
                    job = asyncio.create_task(tilia.bulk.block(ids(2), "spam", job_id="wave", concurrency=1))
                    await refused.wait()
                    await asyncio.sleep(1.8)
                    assert len(scripted.arrived) == 1
                    other.let_go()
                    report = await job
    assert report.counts[BulkOutcome.DONE] == 2
    assert len(scripted.arrived) == 3
