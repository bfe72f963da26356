"""Another process holds the write lock of a SQLite file: who waits can be interrupted, and who reads does not wait."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tilia_async import errors
from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction

SOON = 12.0
"""Seconds, on a machine that has much else to do; what waits for the lock waits for thirty."""

HOLDER = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.readline()
file.execute("COMMIT")
file.close()
"""


@contextmanager
def held(path: Path, how: str = "BEGIN IMMEDIATE") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, until the end or until it is sent a line."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        try:
            assert holder.stdout.readline() == "held\n"
            yield holder
        finally:
            if not holder.stdin.closed:
                holder.stdin.close()


def release(holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    holder.stdin.close()
    holder.wait()


def make(path: Path) -> None:
    async def fill() -> None:
        async with BlockLedger.open(f"sqlite:///{path}") as ledger:
            await (await journal_of(ledger)).intend("first", "acct_first", Intent(BlockAction.BLOCK))

    asyncio.run(fill())


def accounts_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as file:
        return [name for (name,) in file.execute("SELECT account_id FROM tilia_block_records ORDER BY id")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blocks.db"


@pytest.mark.parametrize(
    "way", ["job", *(pytest.param(each, marks=pytest.mark.nightly) for each in ("call", "closing", "sync"))]
)
def test_ctrl_c_ends_what_waits_for_another_process(path: Path, way: str) -> None:
    make(path)
    with (
        held(path),
        subprocess.Popen(
            [
                sys.executable,
                "-X",
                "dev",
                "-W",
                "error",
                Path(__file__).parents[1] / "support" / "waiting.py",
                way,
                path,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as waiting,
    ):
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "ready\n"
        assert waiting.stdin is not None
        waiting.stdin.write("\n")
        waiting.stdin.flush()
        time.sleep(0.4)
        began = time.monotonic()
        waiting.send_signal(signal.SIGINT)
        told, complaints = waiting.communicate(timeout=60)
        took = time.monotonic() - began
        assert "KeyboardInterrupt" in told
        assert "Traceback" not in complaints, complaints
        assert took < SOON, told
    assert accounts_in(path) == ["acct_first"]


@pytest.mark.parametrize("way", ["opening"])
def test_ctrl_c_ends_the_opening_of_a_new_ledger_that_another_process_holds(path: Path, way: str) -> None:
    with (
        held(path, "BEGIN EXCLUSIVE"),
        subprocess.Popen(
            [
                sys.executable,
                "-X",
                "dev",
                "-W",
                "error",
                Path(__file__).parents[1] / "support" / "waiting.py",
                way,
                path,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as waiting,
    ):
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "ready\n"
        assert waiting.stdin is not None
        waiting.stdin.write("\n")
        waiting.stdin.flush()
        time.sleep(0.4)
        began = time.monotonic()
        waiting.send_signal(signal.SIGINT)
        told, _ = waiting.communicate(timeout=60)
        assert time.monotonic() - began < SOON
        assert told.splitlines()[0] == "KeyboardInterrupt"


def test_a_time_limit_ends_a_recorded_call_and_the_closing_of_its_ledger(path: Path) -> None:
    make(path)
    with held(path):
        done = subprocess.run(
            [
                sys.executable,
                "-X",
                "dev",
                "-W",
                "error",
                Path(__file__).parents[1] / "support" / "waiting.py",
                "timeout",
                path,
            ],
            input="\n",
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    ready, took, whole = done.stdout.splitlines()
    assert ready == "ready"
    assert float(took) < SOON
    assert float(whole) < SOON + 5
    assert accounts_in(path) == ["acct_first"]


@pytest.mark.parametrize(
    ("number", "status"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.nightly), (signal.SIGTERM, 143)]
)
def test_a_signal_ends_a_command_that_waits_for_another_process(path: Path, number: int, status: int) -> None:
    make(path)
    known = {
        "TILIA_CLIENT_ID": "id",
        "TILIA_CLIENT_SECRET": "secret",
        "TILIA_ENVIRONMENT": "http://127.0.0.1:1/{service}",
    }
    command = ["bulk", "block", "-", "--reason", "spam", "--job", "wave", "--ledger", str(path)]
    with (
        held(path),
        subprocess.Popen(
            [sys.executable, "-m", "tilia_async", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **known},
            text=True,
        ) as waiting,
    ):
        assert waiting.stdin is not None
        waiting.stdin.write("acct_1\nacct_2\n")
        waiting.stdin.close()
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "block: 2 accounts\n"
        until_it_has_open(waiting.pid, path)
        time.sleep(0.3)
        began = time.monotonic()
        waiting.send_signal(number)
        waiting.wait(60)
        took = time.monotonic() - began
        complaints = waiting.stderr.read()
    assert took < SOON
    assert "Traceback" not in complaints
    assert waiting.returncode == status, complaints
    assert accounts_in(path) == ["acct_first"]


def until_it_has_open(pid: int, path: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if descriptor.readlink() == path:
                    return
            except OSError:
                continue
        time.sleep(0.01)
    raise AssertionError("it never opened the ledger")


@pytest.mark.parametrize(
    "command",
    [
        ["history", "acct_first"],
        pytest.param(["pending"], marks=pytest.mark.nightly),
        pytest.param(["blocked"], marks=pytest.mark.nightly),
        ["export"],
    ],
)
def test_what_reads_does_not_wait_for_what_writes(path: Path, command: list[str]) -> None:
    make(path)
    with held(path):
        # It would give up after half a minute.
        done = subprocess.run(
            [sys.executable, "-m", "tilia_async", "ledger", *command, "--ledger", str(path), "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    if command[0] in {"history", "export"}:
        assert '"acct_first"' in done.stdout
        assert json.loads(done.stdout.splitlines()[0] if command[0] == "export" else done.stdout)


@pytest.mark.asyncio
async def test_the_opening_of_a_new_ledger_waits_for_another_process(path: Path) -> None:
    with held(path, "BEGIN EXCLUSIVE") as holder:
        ledger = BlockLedger.open(f"sqlite:///{path}")
        opening = asyncio.create_task(ledger.history("acct_1"))
        done, _ = await asyncio.wait([opening], timeout=0.5)
        assert not done
        release(holder)
        assert await opening == []
        await ledger.aclose()


@pytest.mark.asyncio
async def test_a_migration_waits_for_another_process(path: Path) -> None:
    # The version of a newer package's table is there, its tables are not yet.
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = WAL")
    with held(path) as holder:
        ledger = BlockLedger.open(f"sqlite:///{path}")
        opening = asyncio.create_task(ledger.history("acct_1"))
        done, _ = await asyncio.wait([opening], timeout=0.5)
        assert not done
        release(holder)
        assert await opening == []
        await ledger.aclose()


@pytest.mark.asyncio
async def test_what_is_written_while_another_process_writes_is_there_when_that_ends(path: Path) -> None:
    async with BlockLedger.open(f"sqlite:///{path}") as ledger:
        journal = await journal_of(ledger)
        with held(path) as holder:
            writing = asyncio.create_task(journal.intend("a call", "acct_1", Intent(BlockAction.BLOCK)))
            done, _ = await asyncio.wait([writing], timeout=0.5)
            assert not done
            release(holder)
            await writing
        (record,) = await ledger.history("acct_1")
    assert record.state is RecordState.INTENDED


@pytest.mark.asyncio
async def test_waiting_has_an_end_that_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilia_async.ledger.sqlite_locks.LockWait.__init__.__defaults__", (0.5,))
    async with BlockLedger.open(f"sqlite:///{path}") as ledger:
        journal = await journal_of(ledger)
        with held(path):
            with pytest.raises(errors.LedgerError, match="another process wrote all the while"):
                await journal.intend("a call", "acct_1", Intent(BlockAction.BLOCK))
        await journal.intend("another", "acct_2", Intent(BlockAction.BLOCK))
    assert accounts_in(path) == ["acct_2"]
