"""A ledger of any earlier version becomes one of this when it is opened, and keeps what it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from support.postgres import connected, new_database, rows

from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.ledger.schema import MIGRATIONS, RECORDS, VERSIONS, add
from tilia_async.models.accounts import Block
from tilia_async.webhooks import AccountBlockChanged

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/blocks.db"
    else:
        async with new_database() as database:
            yield database


ROW = """
    INSERT INTO tilia_block_records
        (job_id, action, account_id, state, source, issuer, reason, requested_at, run_id)
    VALUES ('wave', 'block', 'acct_1', 'confirmed', 'bulk', 'publisher', 'fraud', '2026-01-02 03:04:05', 'run')
"""


def make_version(connection: Connection, version: int) -> None:
    VERSIONS.create(connection)
    for step in MIGRATIONS[:version]:
        for each in step:
            add(connection, each)
    connection.execute(VERSIONS.insert().values(version=version))
    connection.exec_driver_sql(ROW)


async def make(url: str, version: int) -> None:
    if url.startswith("sqlite"):
        engine = create_engine(url)
        with engine.begin() as connection:
            make_version(connection, version)
        engine.dispose()
    else:
        engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        async with engine.begin() as connection:
            await connection.run_sync(make_version, version)
        await engine.dispose()


async def indexes(url: str) -> set[str]:
    if url.startswith("sqlite"):
        engine = create_engine(url)
        try:
            return {str(index["name"]) for index in inspect(engine).get_indexes(RECORDS.name)}
        finally:
            engine.dispose()
    async with connected(url) as database:
        found = await rows(database, "SELECT indexname FROM pg_indexes WHERE tablename = %s", RECORDS.name)
    return {name for (name,) in found}


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
async def test_an_older_ledger_is_brought_up_with_what_it_has(url: str, version: int) -> None:
    await make(url, version)
    for _ in range(2):
        async with BlockLedger.open(url) as ledger:
            records = [record async for record in ledger.records()]
        assert [(record.account_id, record.reason, record.state) for record in records] == [
            ("acct_1", "fraud", RecordState.CONFIRMED)
        ]
    assert {"tilia_records_to_review", "tilia_one_record_for_an_event"} <= await indexes(url)
    async with BlockLedger.open(url) as ledger:
        for block_id in ("blk_1", "blk_1", "blk_2"):
            block = Block(block_id=block_id, issuer="publisher")
            event = AccountBlockChanged(account_id="acct_2", is_blocked=True, blocks=(block,))
            await ledger.apply(event)
        assert len(await ledger.history("acct_2")) == 2, "it keeps which block was told"
    if url.startswith("sqlite"):
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.execute(select(VERSIONS.c.version)).scalars().all() == [len(MIGRATIONS)]
        engine.dispose()


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
async def test_rows_that_change_have_room_beside_them(version: int) -> None:
    async with new_database() as url:
        if version:
            await make(url, version)
        async with BlockLedger.open(url):
            pass
        async with connected(url) as database:
            found = await rows(database, "SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL")
    settings = {name: set(options) for name, options in found}
    assert settings["tilia_block_records"] == {"fillfactor=80", "autovacuum_vacuum_scale_factor=0.02"}
    assert settings["tilia_bulk_batches"] == {"fillfactor=50"}


async def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/blocks.db"
    await make(url, 1)
    before = await indexes(url)
    # The second of the new ones cannot be made: it is there already.
    monkeypatch.setattr("tilia_async.ledger.schema.MIGRATIONS", (MIGRATIONS[0], (*MIGRATIONS[1], MIGRATIONS[1][0])))
    from tilia_async import errors

    with pytest.raises(errors.LedgerError, match="already exists"):
        async with BlockLedger.open(url):
            pass
    assert await indexes(url) == before
    monkeypatch.undo()
    async with BlockLedger.open(url) as ledger:
        assert len([record async for record in ledger.records()]) == 1
