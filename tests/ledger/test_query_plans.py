"""An account costs a job the same, however many records there are: nothing that is repeated reads a whole table."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.postgres import connected, new_database, rows

from tilia_async.ledger import BlockAction, BlockLedger, RecordState
from tilia_async.ledger.claims import RecordedOutcome
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.jobs import UNDO, JobDefinition
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.prepared import Prepared
from tilia_async.ledger.standing import _records
from tilia_async.ledger.statements import statements

MANY = 50_000
BATCH = 8

REPEATED: dict[str, Prepared] = {
    **{
        name: getattr(statements("sqlite"), name)
        for name in ("enter", "claim", "look", "settle", "settle_with_error", "settle_account")
    },
    "standing": _records("sqlite"),
}


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "blocks.db"

    async def make() -> None:
        async with BlockLedger.open(f"sqlite:///{path}"):
            pass

    asyncio.run(make())
    with closing(sqlite3.connect(path)) as file:
        file.executemany(
            "INSERT INTO tilia_block_records (job_id, action, account_id, state, source, issuer, requested_at, run_id)"
            " VALUES ('wave', 'block', ?, 'intended', 'bulk', 'publisher', '2026-01-01 00:00:00.000000', 'run')",
            ((f"acct_{number * 7919 % MANY}",) for number in range(MANY)),
        )
        file.commit()
    return path


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("name", REPEATED)
def test_no_statement_of_a_job_scans_the_records_of_a_file(large_file: Path, name: str, analyzed: bool) -> None:
    prepared = REPEATED[name]
    given = {"names": '["acct_1", "acct_2"]', "ids": "[1, 2]", "at": None, "requested_at": None}
    with closing(sqlite3.connect(large_file)) as file:
        if analyzed:
            file.execute("ANALYZE")
        plan = [
            row[3]
            for row in file.execute(
                f"EXPLAIN QUERY PLAN {prepared.sql}",
                tuple(given.get(parameter, otherwise) for parameter, otherwise in prepared.parameters),
            )
        ]
        file.rollback()
    assert not [step for step in plan if step.startswith("SCAN tilia_block_records")], plan
    if name in {"settle", "settle_with_error"}:
        assert "SEARCH tilia_block_records USING INTEGER PRIMARY KEY (rowid=?)" in plan


async def rows_read(url: str) -> int:
    """Number of records that were read by scans of the whole table, or through an index."""
    async with connected(url) as server:
        [(read,)] = await rows(
            server, "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'tilia_block_records'"
        )
    return read


@pytest.mark.asyncio
@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.parametrize("accounts", [480, pytest.param(MANY, marks=[pytest.mark.nightly, pytest.mark.timeout(600)])])
async def test_a_new_database_reads_few_records_for_each_account_of_a_job(accounts: int, undone: bool) -> None:
    """Nobody has analyzed it, and statements that are planned while it is empty are not kept."""
    intents = [(Intent(BlockAction.BLOCK, job_id="wave"), "block")]
    if undone:
        intents.append((Intent(BlockAction.UNBLOCK, job_id="undo-wave", undoes="wave"), UNDO))
    async with new_database() as url:
        async with BlockLedger.open(url) as ledger:
            journal = await journal_of(ledger)
            for intent, action in intents:
                job = JobDefinition(job_id=intent.job_id or "", origin="there", action=action, undoes=intent.undoes)
                await journal.begin_run(action, job, 30)
                for first in range(0, accounts, BATCH):
                    names = [f"acct_{number:06}" for number in range(first, first + BATCH)]
                    claims = await journal.claim(action, intent, names, 30)
                    assert claims.mine.keys() == set(names)
                    settled = [RecordedOutcome(name, RecordState.CONFIRMED, None, claims.mine[name]) for name in names]
                    await journal.settle(action, *settled)
                await journal.end_run(action)
        read = await rows_read(url)
    assert read / accounts <= 10 * len(intents)
