"""A ledger in one event loop after the other.

It tells how many connections the server has after each.

``one_loop_per_event.py WAY URL APPLICATION``; run with warnings as errors it says nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys

import psycopg

from tilia_async import errors
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.claims import RecordedOutcome
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction, RecordState


async def count(url: str, application: str) -> int:
    """Count an application's connections at the server.

    Once their number has stayed the same for a while.
    """
    async with await connect(url) as connection:
        seen = [-1, -2, -3]
        while len(set(seen[-3:])) > 1:
            await asyncio.sleep(0.05)
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            cursor = await connection.execute(query, [application])
            seen += [count for (count,) in await cursor.fetchall()]
    return seen[-1]


async def connect(url: str) -> psycopg.AsyncConnection[tuple[int]]:
    return await psycopg.AsyncConnection.connect(url.partition("?")[0], autocommit=True)


async def use(ledger: BlockLedger) -> None:
    journal = await journal_of(ledger)
    await asyncio.gather(*(journal.intend(str(n), f"acct_{n}", Intent(BlockAction.BLOCK)) for n in range(3)))
    await asyncio.gather(*(ledger.history(f"acct_{n}") for n in range(3)))


def run_bare(ledger: BlockLedger) -> None:
    """Run in a loop that is closed without a word."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(use(ledger))
    loop.close()


async def settle_late(ledger: BlockLedger) -> None:
    """Settle a call after the ledger is closed."""
    journal = await journal_of(ledger)
    await journal.intend("late", "acct_late", Intent(BlockAction.BLOCK))
    await ledger.aclose()
    try:
        await journal.settle("late", RecordedOutcome("acct_late", RecordState.CONFIRMED))
    except errors.LedgerError:
        return
    raise AssertionError("it was written by nobody knows what")


async def cancel_closing(ledger: BlockLedger) -> None:
    await use(ledger)
    closing = asyncio.create_task(ledger.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    try:
        await closing
    except asyncio.CancelledError:
        return
    raise AssertionError("it was not cancelled")


async def interrupt(ledger: BlockLedger) -> None:
    """Interrupt what is under way when the loop ends."""
    using = [asyncio.create_task(use(ledger)) for _ in range(3)]
    await asyncio.sleep(0.02)
    assert using


async def fail(url: str) -> None:
    """Fail to open after connecting."""
    async with await connect(url) as connection:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS tilia_ledger_version (version integer PRIMARY KEY);"
            "DELETE FROM tilia_ledger_version; INSERT INTO tilia_ledger_version VALUES (999)"
        )
    try:
        await use(BlockLedger.open(url))
    except errors.LedgerError:
        return
    raise AssertionError("it is not of this version")


def fork(ledger: BlockLedger) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(use(ledger))
    child = os.fork()
    if child == 0:
        asyncio.run(use(ledger))
        gc.collect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    loop.run_until_complete(use(ledger))
    loop.run_until_complete(ledger.aclose())
    loop.close()


def main(way: str, url: str, application: str) -> None:
    # It complains of a machine that is slow.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    ledger = BlockLedger.open(f"{url}?application_name={application}")
    told = []
    for _ in range(3):
        if way == "run":
            asyncio.run(use(ledger))
        elif way == "bare":
            run_bare(ledger)
        elif way == "late":
            asyncio.run(settle_late(ledger))
            ledger = BlockLedger.open(f"{url}?application_name={application}")
        elif way == "cancelled":
            asyncio.run(cancel_closing(ledger))
            ledger = BlockLedger.open(f"{url}?application_name={application}")
        elif way == "interrupted":
            asyncio.run(interrupt(ledger))
        elif way == "failed":
            asyncio.run(fail(f"{url}?application_name={application}"))
        else:
            fork(ledger)
            ledger = BlockLedger.open(f"{url}?application_name={application}")
        told.append(asyncio.run(count(url, application)))
    if way == "bare":
        asyncio.run(ledger.aclose())
        told.append(asyncio.run(count(url, application)))
    del ledger
    gc.collect()
    sys.stdout.write(f"{told}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
