"""A fork while a ledger is open.

The child writes to it after the parent has closed its own.

``forking.py PATH (same|other) (idle|busy)`` prints what the child wrote, or why it could not.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import sys
import threading

from tilia_async import errors
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def write(ledger: BlockLedger, *account_ids: str) -> None:
    for account_id in account_ids:
        await (await journal_of(ledger)).intend(account_id, account_id, Intent(BlockAction.BLOCK))


def fork(ledger: BlockLedger, path: str, whose: str) -> tuple[int, int, int]:
    heard, tells = os.pipe()
    hears, told = os.pipe()
    child = os.fork()
    if child == 0:
        gc.collect()
        mine = ledger if whose == "same" else BlockLedger.open(f"sqlite:///{path}")
        asyncio.run(live(mine, hears, tells))
        os._exit(0)
    return child, heard, told


async def live(ledger: BlockLedger, hears: int, tells: int) -> None:
    try:
        await write(ledger, "child_1")
    except errors.LedgerError as error:
        say(str(error))
    else:
        os.write(tells, b".")
        os.read(hears, 1)
        await write(ledger, "child_2", "child_3")
    os.write(tells, b".")
    os.read(hears, 1)
    await ledger.aclose()


def main(path: str, whose: str, state: str) -> None:
    ledger = BlockLedger.open(f"sqlite:///{path}")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(write(ledger, "parent_1"))
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writing = None
    if state == "busy":
        other.execute("BEGIN IMMEDIATE")
        writing = loop.create_task(write(ledger, "parent_2"))
        loop.run_until_complete(asyncio.sleep(0.3))
    child, heard, told = fork(ledger, path, whose)
    if writing is not None:
        other.execute("ROLLBACK")
        loop.run_until_complete(writing)
    other.close()
    os.read(heard, 1)
    loop.run_until_complete(ledger.aclose())
    loop.close()
    # Whoever reads now is the only one that SQLite knows of, if the child holds no lock.
    read(path)
    os.write(told, b".")
    if state == "idle":
        os.read(heard, 1)
        say(*read(path))
        os.write(told, b".")
    os.waitpid(child, 0)
    say(*read(path))
    assert threading.active_count() == 1


def read(path: str) -> list[str]:
    database = sqlite3.connect(path)
    try:
        return [name for (name,) in database.execute("SELECT account_id FROM tilia_block_records ORDER BY id")]
    finally:
        database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
