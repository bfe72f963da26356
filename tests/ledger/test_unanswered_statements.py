"""Statements that PostgreSQL does not answer, and connections that are cut while it does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from time import monotonic

import pytest
from psycopg import Capabilities
from support.postgres import connected, new_database, rows
from support.relay import relayed

from tilia_async import errors
from tilia_async.config import Credentials
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.database import Database
from tilia_async.ledger.ledger import journal_of
from tilia_async.postgres import TimedConnection
from tilia_async.secret import Secret
from tilia_async.tokens import Identity, PostgresTokenStore

WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
OPEN = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ours'"
IN_TIME = "tilia_async.ledger.database.BUSY_SECONDS"


@pytest.mark.asyncio
async def test_a_statement_that_is_not_answered_ends_at_the_server_and_leaves_no_connection_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(IN_TIME, 2.0)
    async with (
        new_database() as url,
        BlockLedger.open(f"{url}?application_name=ours") as ledger,
        connected(url) as other,
    ):
        await ledger.history("acct_1")
        async with other.transaction():
            await other.execute("LOCK TABLE tilia_block_records")
            with pytest.raises(errors.LedgerError, match="nothing was heard in time"):
                await ledger.history("acct_1")
            assert await rows(other, WAITING) == []
        assert await ledger.history("acct_1") == []
        assert len(await rows(other, OPEN)) == 1


async def close_impatiently(database: Database) -> None:
    closing = asyncio.create_task(database.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()


async def abandon_elsewhere(database: Database) -> None:
    await asyncio.to_thread(database.abandon)


@pytest.mark.asyncio
@pytest.mark.parametrize("end", [close_impatiently, abandon_elsewhere])
async def test_a_connection_that_is_ended_in_use_leaves_its_descriptor_to_nobody_and_tells_who_waits(
    end: Callable[[Database], Awaitable[None]],
) -> None:
    async with new_database() as url, BlockLedger.open(url) as ledger, connected(url) as other:
        await ledger.history("acct_1")
        database = (await journal_of(ledger)).database
        async with other.transaction():
            await other.execute("LOCK TABLE tilia_block_records")
            asked = asyncio.create_task(ledger.history("acct_1"))
            async with asyncio.timeout(10):
                while not await rows(other, WAITING):  # noqa: ASYNC110 - it is another process that waits
                    await asyncio.sleep(0.01)
            await end(database)
            with ExitStack() as opened:
                # One of so many has the descriptor, if it is free.
                for _ in range(64):
                    here, there = (opened.enter_context(each) for each in socket.socketpair())
                    here.setblocking(False)
                    receiving = asyncio.create_task(asyncio.get_running_loop().sock_recv(here, 1))
                    await asyncio.sleep(0)
                    there.send(b"x")
                    assert await receiving == b"x"
                async with asyncio.timeout(5):
                    with pytest.raises(errors.LedgerError):
                        await asked


@pytest.mark.asyncio
async def test_the_end_of_a_loop_waits_for_no_server_that_says_nothing() -> None:
    async with new_database() as url:
        assert await asyncio.to_thread(seconds_to_end, url) < 5


@pytest.mark.asyncio
async def test_a_new_connection_on_which_no_transaction_begins_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async with new_database() as url:
        # So refuses a pooler, which lets in whoever comes, for a server that is down.
        monkeypatch.setattr("tilia_async.ledger.postgres_connections._BEGIN", "BEGIN NOTHING")
        with pytest.raises(errors.LedgerError, match='syntax error at or near "NOTHING"'):
            await BlockLedger.open(f"{url}?statement_cache_size=0").history("acct_1")


@pytest.mark.asyncio
async def test_a_libpq_that_can_only_block_is_asked_for_no_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[TimedConnection] = []

    def cannot(_: Capabilities) -> bool:
        return False

    monkeypatch.setattr(Capabilities, "has_cancel_safe", cannot)
    monkeypatch.setattr(TimedConnection, "cancel", asked.append)
    async with new_database() as url:
        with relayed(url) as relay:
            connection = await TimedConnection.connect(relay.url, autocommit=True)
            connection.seconds = 0.2
            relay.is_silent = True
            with pytest.raises(TimeoutError):
                await connection.execute("SELECT 1")
            assert connection.closed
    assert asked == []


def seconds_to_end(url: str) -> float:
    """End a loop while a statement is under way."""
    with relayed(url) as relay:
        ledger = BlockLedger.open(relay.url)

        async def use() -> None:
            await ledger.history("acct_1")
            relay.is_silent = True
            asked = asyncio.create_task(ledger.history("acct_1"))
            await asyncio.sleep(0)
            assert not asked.done()

        began = monotonic()
        asyncio.run(use())
        return monotonic() - began


@pytest.mark.asyncio
async def test_a_store_that_is_given_up_waits_for_no_server_that_says_nothing() -> None:
    mine = Identity.of("https://auth.example/token", Credentials("id", Secret("a secret")))
    async with new_database() as url:
        with relayed(url) as relay:
            store = PostgresTokenStore(relay.url)
            await store.load(mine)
            relay.is_silent = True
            began = monotonic()
            with pytest.raises(ConnectionError, match="TimeoutError"):
                await store.load(mine)
            assert monotonic() - began < 4


@pytest.mark.asyncio
async def test_a_statement_that_is_cancelled_in_time_leaves_its_connection_usable() -> None:
    async with new_database() as url:
        connection = await TimedConnection.connect(url, autocommit=True)
        connection.seconds = 0.2
        async with connection:
            with pytest.raises(TimeoutError):
                await connection.execute("SELECT pg_sleep(20)")
            assert await rows(connection, "SELECT 1") == [(1,)]
