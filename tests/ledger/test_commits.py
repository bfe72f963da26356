"""Ends of a ledger's transactions in PostgreSQL: what is told of them, and what they leave."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from support.postgres import connected, new_database, rows
from support.relay import relayed

from tilia_async import errors
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.ledger import journal_of

MADE = text("CREATE TABLE made (at timestamptz)")
MADE_TABLES = "SELECT relname FROM pg_class WHERE relname = 'made'"
PREPARED = text("SELECT count(*) FROM pg_prepared_statements")
ENDED = text("SELECT pg_terminate_backend(pg_backend_pid())")

pytestmark = pytest.mark.asyncio


async def test_a_commit_that_is_not_answered_is_not_said_to_have_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilia_async.ledger.database.BUSY_SECONDS", 1.0)
    async with new_database() as url:
        with relayed(url) as relay:
            async with BlockLedger.open(relay.url) as ledger:
                database = (await journal_of(ledger)).database

                async def make(connection: AsyncConnection) -> None:
                    await connection.execute(MADE)
                    relay.is_mute = True

                with pytest.raises(errors.LedgerError, match="may be on record all the same"):
                    await database.write(make)
        async with connected(url) as other:
            assert await rows(other, MADE_TABLES) == [("made",)]


async def test_what_ends_before_its_commit_is_not_on_record() -> None:
    async with new_database() as url, BlockLedger.open(url) as ledger:
        database = (await journal_of(ledger)).database

        async def end(connection: AsyncConnection) -> None:
            await connection.execute(MADE)
            await connection.execute(ENDED)

        with pytest.raises(errors.LedgerError) as caught:
            await database.write(end)
        assert "may be on record" not in str(caught.value)
        async with connected(url) as other:
            assert await rows(other, MADE_TABLES) == []


async def test_reading_forgets_no_prepared_statement() -> None:
    async with new_database() as url, BlockLedger.open(url) as ledger:
        database = (await journal_of(ledger)).database

        async def count(connection: AsyncConnection) -> int:
            return int((await connection.execute(PREPARED)).scalar_one())

        before = await database.read(count)
        await ledger.history("acct_1")
        assert await database.read(count) > before > 0
