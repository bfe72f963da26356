"""Threads of SQLite's connections: none outlives its connection, none answers an event loop that has ended."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

# Its libraries are loaded here, and not while a test measures time or counts threads.
import tilia_async.ledger.journal  # noqa: F401 - loaded late otherwise, and patched here by name
from tilia_async import errors
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.claims import RecordedOutcome
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction, RecordState
from tilia_async.ledger.sqlite_connections import SqliteConnections

BLOCK = Intent(BlockAction.BLOCK)
SETTLEMENT = RecordedOutcome("acct_1", RecordState.CONFIRMED)


class SlowQueue(SimpleQueue):
    """Work of a thread, done a while after it was asked for: as on a machine that has much to do."""

    def get(self, *arguments: object) -> object:
        request = super().get(*arguments)
        time.sleep(0.015)
        return request


class Threads:
    """The threads that began during a test, and what they raised."""

    def __init__(self) -> None:
        self.before = set(threading.enumerate())
        self.raised: list[BaseException | None] = []

    def left(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread not in self.before]

    def end(self) -> None:
        for thread in self.left():
            thread.join(10)
        assert self.left() == []
        assert self.raised == []


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    monkeypatch.setattr("tilia_async.ledger.sqlite_connections._new_queue", SlowQueue)
    found = Threads()
    monkeypatch.setattr(threading, "excepthook", lambda args: found.raised.append(args.exc_value))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        yield found
        gc.collect()
        found.end()
    assert [str(each.message) for each in warned] == []


def files_open(directory: Path) -> list[str]:
    """The files in that directory that this process has open."""
    if not Path("/proc/self/fd").is_dir():
        return []
    held = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith(f"{directory}/"):
            held.append(target)
    return held


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "blocks.db"
    # Cursors that an error holds keep a file open.
    gc.collect()
    assert files_open(tmp_path) == []


async def written(ledger: BlockLedger, account_id: str) -> None:
    await (await journal_of(ledger)).intend("a call", account_id, BLOCK)


async def opened_and_left(ledger: BlockLedger) -> None:
    async with ledger:
        pass


@pytest.mark.parametrize("times", [1, 5])
def test_a_database_that_cannot_be_opened_leaves_no_thread(threads: Threads, tmp_path: Path, times: int) -> None:
    async def fail() -> None:
        for _ in range(times):
            with pytest.raises(errors.LedgerError, match="unable to open database file"):
                await opened_and_left(BlockLedger.open(f"sqlite:///{tmp_path}/no such directory/blocks.db"))

    asyncio.run(fail())
    assert threads.left() == []


def test_a_file_that_is_no_database_leaves_no_thread(threads: Threads, path: Path) -> None:
    async def fail() -> None:
        with pytest.raises(errors.LedgerError):
            await opened_and_left(BlockLedger.open(f"sqlite:///{path}"))

    path.write_bytes(b"these are my notes\n" * 1_000)
    asyncio.run(fail())
    assert threads.left() == []


def test_a_ledger_that_is_closed_leaves_no_thread(threads: Threads, path: Path) -> None:
    asyncio.run(opened_and_left(BlockLedger.open(f"sqlite:///{path}")))
    assert threads.left() == []


@pytest.mark.parametrize(
    "turns", [0, 2, 5, 9, *(pytest.param(turns, marks=pytest.mark.nightly) for turns in (1, 3, 4, 6, 7, 8, 10, 11))]
)
def test_a_loop_that_ends_during_the_opening_gets_no_answer_after_its_end(
    threads: Threads, path: Path, turns: int
) -> None:
    async def begin() -> asyncio.Task[None]:
        opening = asyncio.create_task(opened_and_left(BlockLedger.open(f"sqlite:///{path}")))
        for _ in range(turns):
            await asyncio.sleep(0.03)
        return opening

    assert asyncio.run(begin()).done()
    threads.end()


def test_a_connection_that_comes_after_the_end_of_its_loop_is_closed(
    threads: Threads, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may = threading.Event(), threading.Event()

    def connect(*arguments: object, **settings: object) -> sqlite3.Connection:
        asked.set()
        may.wait(10)
        return really(*arguments, **settings)

    async def begin() -> None:
        opening = asyncio.create_task(opened_and_left(BlockLedger.open(f"sqlite:///{path}")))
        await asyncio.to_thread(asked.wait, 10)
        opening.cancel()

    really = sqlite3.connect
    monkeypatch.setattr("sqlite3.connect", connect)
    asyncio.run(begin())
    may.set()
    threads.end()


@pytest.mark.parametrize(
    "cancellations", [pytest.param(1, marks=pytest.mark.nightly), 2, pytest.param(3, marks=pytest.mark.nightly)]
)
def test_a_closing_that_is_cancelled_goes_on(threads: Threads, path: Path, cancellations: int) -> None:
    async def close() -> None:
        ledger = BlockLedger.open(f"sqlite:///{path}")
        await written(ledger, "acct_1")
        journal = await journal_of(ledger)
        journal.settle_soon("a call", SETTLEMENT)
        closing = asyncio.create_task(ledger.aclose())
        for _ in range(cancellations):
            await asyncio.sleep(0.01)
            closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await ledger.aclose()
        assert threads.left() == []

    asyncio.run(close())
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT account_id, state FROM tilia_block_records").fetchall() == [
            ("acct_1", "confirmed")
        ]
    database.close()


def test_a_loop_that_ends_during_the_closing_gets_no_answer_after_its_end(threads: Threads, path: Path) -> None:
    async def close() -> None:
        ledger = BlockLedger.open(f"sqlite:///{path}")
        await written(ledger, "acct_1")
        closing = asyncio.create_task(ledger.aclose())
        await asyncio.sleep(0.01)
        closing.cancel()

    asyncio.run(close())
    threads.end()


def test_a_loop_that_ends_during_a_statement_gets_no_answer_after_its_end(threads: Threads, path: Path) -> None:
    ledger = BlockLedger.open(f"sqlite:///{path}")

    async def begin() -> None:
        await written(ledger, "acct_1")
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(written(ledger, "acct_2"))
        await asyncio.sleep(0.1)
        assert not writing.done()
        threading.Timer(0.3, other.rollback).start()

    async def use_again() -> None:
        await written(ledger, "acct_3")
        await ledger.aclose()

    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    asyncio.run(begin())
    asyncio.run(use_again())
    other.close()
    threads.end()


@pytest.mark.parametrize("end", ["used", pytest.param("closed", marks=pytest.mark.nightly)])
def test_a_ledger_whose_loop_has_ended_is_closed_by_its_next_use(threads: Threads, path: Path, end: str) -> None:
    ledger = BlockLedger.open(f"sqlite:///{path}")

    async def use() -> None:
        await asyncio.gather(written(ledger, "acct_1"), ledger.history("acct_1"), ledger.history("acct_2"))

    for _ in range(3):
        # A loop that is closed without a word, unlike those of asyncio.run.
        loop = asyncio.new_event_loop()
        loop.run_until_complete(use())
        loop.close()
    assert len(threads.left()) <= 3, "connections of loops that ended are still there"
    if end == "used":
        asyncio.run(opened_and_left(ledger))
    else:
        asyncio.run(ledger.aclose())
    threads.end()


def test_a_ledger_that_nobody_closes_ends_with_its_loop(threads: Threads, path: Path) -> None:
    ledger = BlockLedger.open(f"sqlite:///{path}")
    for number in range(3):
        asyncio.run(written(ledger, f"acct_{number}"))
        assert threads.left() == []
        assert files_open(path.parent) == []


def test_a_ledger_whose_loop_gives_it_no_time_gets_pythons_warning_and_ends_its_threads(
    threads: Threads, path: Path
) -> None:
    def forget() -> None:
        ledger = BlockLedger.open(f"sqlite:///{path}")
        loop = asyncio.new_event_loop()
        loop.run_until_complete(written(ledger, "acct_1"))
        loop.close()
        del ledger, loop
        gc.collect()

    with pytest.warns(ResourceWarning, match="never closed|before being closed"):
        forget()
    threads.end()


def test_a_connection_that_is_closed_and_given_up_at_once_ends_for_both(threads: Threads, path: Path) -> None:
    async def close() -> None:
        connections = SqliteConnections()
        connection = await connections.connect(str(path))
        closing = asyncio.create_task(connection.close())
        await asyncio.sleep(0)
        connections.stop()
        connection.stop()
        async with asyncio.timeout(10):
            await closing
            await connection.close()
            await connections.aclose()
        assert threads.left() == []

    asyncio.run(close())


COMMAND = """
import sys, time
from queue import SimpleQueue
from tilia_async.ledger import sqlite_connections

class SlowQueue(SimpleQueue):
    def get(self, *arguments):
        request = super().get(*arguments)
        time.sleep(0.05)
        return request

sqlite_connections._new_queue = SlowQueue
from tilia_async.cli import main
try:
    main()
finally:
    time.sleep(0.3)
"""


def test_a_command_whose_ledger_cannot_be_opened_tells_only_that(tmp_path: Path) -> None:
    there = tmp_path / "taken"
    there.mkdir()
    arguments = ["bulk", "block", "-", "--reason", "spam", "--ledger", str(there)]
    known = {
        "TILIA_CLIENT_ID": "id",
        "TILIA_CLIENT_SECRET": "secret",
        "TILIA_ENVIRONMENT": "http://127.0.0.1:1/{service}",
    }
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        input="acct_1\n",
        env={**os.environ, **known},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "unable to open database file" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize(
    ("whose", "state"),
    [
        ("same", "busy"),
        ("other", "idle"),
        pytest.param("same", "idle", marks=pytest.mark.nightly),
        pytest.param("other", "busy", marks=pytest.mark.nightly),
    ],
)
def test_nothing_that_a_forked_child_writes_is_lost_when_its_parent_closes(path: Path, whose: str, state: str) -> None:
    """SQLite takes the locks of the parent for the child's own, if the child has its connections when it opens."""
    script = Path(__file__).parents[1] / "support" / "forking.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", str(script), str(path), whose, state],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    first, last = done.stdout.splitlines()
    if state == "idle":
        assert first == last == "parent_1 child_1 child_2 child_3"
    else:
        assert "forked while the ledger was in use" in first
        assert last == "parent_1 parent_2"
    assert done.returncode == 0


def test_the_last_connection_that_is_closed_leaves_the_file_alone(path: Path) -> None:
    async def use() -> None:
        async with BlockLedger.open(f"sqlite:///{path}") as ledger:
            await asyncio.gather(*(written(ledger, f"acct_{n}") for n in range(5)), ledger.history("acct_1"))
            assert len(list(path.parent.iterdir())) == 3

    asyncio.run(use())
    assert list(path.parent.iterdir()) == [path]


def test_uses_that_follow_each_other_share_their_connections(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    async def connect(connections: SqliteConnections, *arguments: object, **settings: object) -> object:
        opened.append(arguments)
        return await really(connections, *arguments, **settings)

    async def use() -> None:
        async with BlockLedger.open(f"sqlite:///{path}") as ledger:
            for number in range(5):
                await written(ledger, f"acct_{number}")
                await ledger.history("acct_1")

    really = SqliteConnections.connect
    monkeypatch.setattr(SqliteConnections, "connect", connect)
    asyncio.run(use())
    assert len(opened) == 2, "one to write, one for all else"
