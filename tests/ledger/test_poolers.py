"""A ledger behind PgBouncer in transaction mode, which hands the server's connections on between transactions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.hostile import hostile_server
from support.pooler import pooled
from support.postgres import connected, new_database, rows
from support.scripted import ScriptedTilia, at_once, client_of, ids

from tilia_async import errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction
from tilia_async.ledger.schema import RECORDS

pytestmark = pytest.mark.asyncio

DIRECT = "tilia_async.ledger.postgres_connections._is_direct"


async def always(_connection: object) -> bool:
    return True


async def use(*ledgers: BlockLedger) -> None:
    """Transactions of several ledgers at once, so that the pooler mixes up who gets which connection."""
    for turn in range(10):
        async with asyncio.TaskGroup() as tasks:
            for number, ledger in enumerate(ledgers):
                journal = await journal_of(ledger)
                tasks.create_task(journal.intend(f"{number}-{turn}", f"acct_{turn}", Intent(BlockAction.BLOCK)))
                tasks.create_task(ledger.history(f"acct_{turn}"))
                tasks.create_task(ledger.history("acct_0"))


async def test_the_pooler_of_these_tests_hands_connections_on(tmp_path: Path) -> None:
    async with new_database() as url, pooled(url, tmp_path) as through:
        async with connected(through) as connection:
            servers = {tuple(await rows(connection, "SELECT pg_backend_pid()")) for _ in range(6)}
    assert len(servers) > 1


async def test_a_ledger_behind_a_pooler_works_by_itself(tmp_path: Path) -> None:
    async with new_database() as url, pooled(url, tmp_path) as through:
        async with BlockLedger.open(through) as one, BlockLedger.open(through) as other:
            await use(one, other)
            assert [len(await one.history(f"acct_{turn}")) for turn in range(10)] == [2] * 10


async def test_a_job_behind_a_pooler_blocks_each_account_once(tmp_path: Path) -> None:
    scripted = ScriptedTilia(at_once)
    async with new_database() as url, pooled(url, tmp_path) as through, hostile_server(scripted.serve) as server:
        async with BlockLedger.open(through) as ledger, client_of(server.template, ledger=ledger) as tilia:
            reports = await asyncio.gather(*(tilia.bulk.block(ids(60), job_id=f"wave {n}") for n in range(2)))
            undone = await tilia.bulk.undo("wave 0", undo_job_id="undo")
    assert [report.counts[BulkOutcome.DONE] for report in reports] == [60, 60]
    assert undone.total == 60


async def test_an_option_of_the_url_says_that_there_is_a_pooler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DIRECT, always)
    async with new_database() as url, pooled(url, tmp_path) as through:
        for option in ("statement_cache_size=0", "prepared_statement_cache_size=0"):
            async with (
                BlockLedger.open(f"{through}?{option}") as one,
                BlockLedger.open(f"{through}?{option}&application_name=tests") as other,
            ):
                await use(one, other)


async def test_the_error_of_a_pooler_that_is_not_recognised_names_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DIRECT, always)
    async with new_database() as url, pooled(url, tmp_path) as through:
        ledgers = [BlockLedger.open(through) for _ in range(3)]
        with pytest.raises((errors.LedgerError, ExceptionGroup)) as failed:
            await use(*ledgers)
        for ledger in ledgers:
            await ledger.aclose()
    failure = failed.value
    while isinstance(failure, ExceptionGroup):
        failure = failure.exceptions[0]
    assert "?statement_cache_size=0" in str(failure)


async def test_a_connection_without_a_pooler_keeps_its_statements() -> None:
    async with new_database() as url, BlockLedger.open(url) as ledger:
        await use(ledger)
        database = (await journal_of(ledger)).database

        async def kept(connection: object) -> int:
            await connection.execute(RECORDS.select())
            driver = (await connection.get_raw_connection()).driver_connection
            [(count,)] = await rows(
                driver, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%tilia_%'"
            )
            return count

        assert await database.read(kept) > 0
