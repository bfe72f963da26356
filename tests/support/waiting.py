"""A wait for a locked SQLite file.

Another process has locked it; the wait lasts until it is interrupted.

``waiting.py WAY PATH`` says ``ready`` when it is open, reads a line, begins to wait, and tells how it ended.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from time import monotonic

import tilia_async
import tilia_sync
from tilia_async import errors
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction

NOWHERE = tilia_async.Environment.at("http://127.0.0.1:1/{service}")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def go() -> None:
    say("ready")
    sys.stdin.readline()


async def call(path: str) -> None:
    ledger = tilia_async.ledger.BlockLedger.open(f"sqlite:///{path}")
    async with ledger, tilia_async.TiliaClient("id", "secret", NOWHERE, ledger=ledger) as tilia:
        await ledger.history("acct_1")
        go()
        await tilia.accounts.block("acct_1")


async def job(path: str) -> None:
    ledger = tilia_async.ledger.BlockLedger.open(f"sqlite:///{path}")
    async with ledger, tilia_async.TiliaClient("id", "secret", NOWHERE, ledger=ledger) as tilia:
        await ledger.history("acct_1")
        go()
        await tilia.bulk.block([f"acct_{number}" for number in range(100)], job_id="wave")


async def opening(path: str) -> None:
    go()
    async with tilia_async.ledger.BlockLedger.open(f"sqlite:///{path}"):
        say("opened")


async def closing(path: str) -> None:
    """Interrupt a closing that something holds up.

    What is being written holds up a closing that is itself interrupted.
    """
    ledger = tilia_async.ledger.BlockLedger.open(f"sqlite:///{path}")
    journal = await journal_of(ledger)
    go()
    writing = asyncio.create_task(journal.intend("a call", "acct_1", Intent(BlockAction.BLOCK)))
    await asyncio.sleep(0)
    try:
        await ledger.aclose()
    finally:
        try:
            await writing
        except errors.LedgerError as error:
            say(str(error))


async def timeout(path: str) -> None:
    """Wait with a time limit.

    No signal is needed: it has a time limit of its own.
    """
    ledger = tilia_async.ledger.BlockLedger.open(f"sqlite:///{path}")
    await ledger.history("acct_1")
    go()
    began = monotonic()
    try:
        async with (
            asyncio.timeout(0.3),
            ledger,
            tilia_async.TiliaClient("id", "secret", NOWHERE, ledger=ledger) as tilia,
        ):
            await tilia.accounts.block("acct_1")
    except TimeoutError:
        say(f"{monotonic() - began:.1f}")


def sync(path: str) -> None:
    ledger = tilia_sync.BlockLedger.open(f"sqlite:///{path}")
    with ledger, tilia_sync.TiliaClient("id", "secret", NOWHERE, ledger=ledger) as tilia:
        ledger.history("acct_1")
        go()
        tilia.accounts.block("acct_1")


def main(way: str, path: str) -> None:
    began = monotonic()
    try:
        if way == "sync":
            sync(path)
        else:
            asyncio.run(
                {"call": call, "job": job, "opening": opening, "closing": closing, "timeout": timeout}[way](path)
            )
    except (KeyboardInterrupt, sqlite3.Error) as error:
        say(type(error).__name__)
    say(f"{monotonic() - began:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
