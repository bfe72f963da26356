"""A fleet's connections to a PostgreSQL that says nothing, or nothing yet."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from time import monotonic

import pytest
from support.postgres import connected as asking
from support.postgres import new_database
from support.relay import relayed

from tilia_async import errors
from tilia_async.fleet.connections import connected, connection_to
from tilia_async.secret import Secret

pytestmark = pytest.mark.asyncio


async def test_a_statement_that_is_not_answered_is_given_up() -> None:
    async with new_database() as url:
        with relayed(url) as relay:

            async def ask() -> None:
                async with connected(Secret(relay.url), seconds=0.5) as connection:
                    relay.is_silent = True
                    await connection.execute("SELECT 1")

            with pytest.raises(errors.LedgerError, match="nothing was heard in time"):
                await ask()


async def test_a_cancelled_statement_waits_for_no_server_that_says_nothing() -> None:
    async with new_database() as url:
        with relayed(url) as relay:
            async with connected(Secret(relay.url)) as connection:
                relay.is_silent = True
                asked = asyncio.create_task(connection.execute("SELECT 1"))
                await asyncio.sleep(0)
                began = monotonic()
                asked.cancel()
                await asyncio.wait([asked])
                assert asked.cancelled()
                assert monotonic() - began < 4


async def test_notifications_may_be_long_in_coming_and_who_stops_waiting_keeps_the_connection() -> None:
    async with new_database() as url, asking(url) as other:
        async with await connection_to(Secret(url), 0.2).connect(autocommit=True) as connection:
            await connection.execute("LISTEN news")
            # As procrastinate waits.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(connection.notifies()), 0.5)
            async with aclosing(connection.notifies()) as notifications:
                coming = asyncio.ensure_future(anext(notifications))
                done, _ = await asyncio.wait([coming], timeout=0.5)
                assert not done
                await other.execute("NOTIFY news, 'here'")
                assert (await coming).payload == "here"
            assert [each async for each in connection.notifies(timeout=0.1)] == []
            await connection.execute("SELECT 1")
