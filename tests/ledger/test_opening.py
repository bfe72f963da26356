"""A ledger is opened with its URL, its file, its release."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from support.ledgers import QUICKLY_ON_BOTH, ledger, tilia, url
from support.postgres import connected, rows
from support.scripted import (
    people,
    sandbox_client,
)

from tilia_async import errors
from tilia_async.ledger import BlockLedger
from tilia_async.sandbox import Sandbox

__all__ = ["ledger", "tilia", "url"]


@pytest.mark.asyncio
async def test_what_was_written_is_there_after_closing(sandbox: Sandbox, url: str) -> None:
    (account,) = people(sandbox, 1)
    async with BlockLedger.open(url) as ledger, sandbox_client(sandbox, ledger=ledger) as tilia:
        await tilia.accounts.block(account, reason="fraud")
        before = await ledger.history(account)
    async with BlockLedger.open(url) as ledger:
        assert await ledger.history(account) == before


@pytest.mark.asyncio
async def test_a_url_or_a_lease_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async def opens(url: object, **settings: object) -> None:
        async with BlockLedger.open(url, **settings):
            pass

    for wrong in ("mysql://localhost/x", "blocks.db", "", "sqlite", "http://127.0.0.1/x", 7):
        with pytest.raises((errors.ConfigurationError, errors.LedgerError)):
            await opens(wrong)
    for lease in (0, -1, 61, 3_600, float("nan"), float("inf"), "30", True):
        with pytest.raises((errors.ConfigurationError, errors.InvalidRequestError, TypeError), match="lease"):
            await opens(f"sqlite:///{tmp_path}/blocks.db", lease=lease)


@pytest.mark.asyncio
async def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"these are my notes\n" * 1_000)
    with pytest.raises(errors.LedgerError, match=r"notes\.txt"):
        async with BlockLedger.open(f"sqlite:///{path}"):
            pass
    assert path.read_bytes() == b"these are my notes\n" * 1_000
    with pytest.raises((errors.LedgerError, errors.ConfigurationError)):
        async with BlockLedger.open(f"sqlite:///{tmp_path}/no such directory/blocks.db"):
            pass


async def make_newer(url: str) -> int:
    """Put the version of the schema up, wherever it is; how many places that were."""
    if url.startswith("sqlite"):
        database = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        found = 0
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version:
            database.execute(f"PRAGMA user_version = {version + 1_000}")
            found += 1
        for table, column in database.execute(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
            " WHERE m.type = 'table' AND c.name LIKE '%version%'"
        ).fetchall():
            found += database.execute(f'UPDATE "{table}" SET "{column}" = "{column}" + 1000').rowcount
        database.close()
        return found
    found = 0
    async with connected(url) as connection:
        for table, column in await rows(
            connection,
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE column_name LIKE '%version%' AND table_schema = current_schema()",
        ):
            changed = await connection.execute(f'UPDATE "{table}" SET "{column}" = "{column}" + 1000'.encode())
            found += changed.rowcount
    return found


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_a_ledger_of_a_newer_release_is_not_touched(url: str) -> None:
    async with BlockLedger.open(url):
        pass
    assert await make_newer(url) == 1
    with pytest.raises(errors.LedgerError, match="newer|version"):
        async with BlockLedger.open(url):
            pass
