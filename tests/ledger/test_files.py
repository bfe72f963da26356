"""Files of a ledger and of an export: who may read them, where they lead, and what is told of those that fail."""

from __future__ import annotations

import asyncio
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tilia_async import errors
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction

RIGHTS = """
import ctypes, os, subprocess, sys
# Root without its privilege to read and write what it may not.
libc = ctypes.CDLL(None, use_errno=True)
for capability in (1, 2):
    libc.prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def read(path: Path) -> None:
    async with BlockLedger.open(f"sqlite:///{path}") as ledger:
        await ledger.history("acct_1")


async def write(path: Path, account_id: str = "acct_1") -> None:
    async with BlockLedger.open(f"sqlite:///{path}") as ledger:
        await (await journal_of(ledger)).intend(account_id, account_id, Intent(BlockAction.BLOCK))
        for beside in path.parent.glob(f"{path.name}-*"):
            assert mode(beside) == mode(path)


def test_a_new_ledger_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        asyncio.run(write(tmp_path / "new.db"))
    finally:
        os.umask(before)
    assert mode(tmp_path / "new.db") == 0o600


def test_a_ledger_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    path.touch()
    path.chmod(0o664)
    asyncio.run(write(path))
    assert mode(path) == 0o664


def test_a_link_to_a_ledger_that_is_not_there_yet_leads_to_one_that_is_its_owners_alone(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "real.db")
    asyncio.run(write(link))
    assert mode(tmp_path / "real.db") == 0o600


@pytest.mark.parametrize(
    "modes",
    [
        pytest.param((0o444, 0o755), marks=pytest.mark.nightly),
        (0o444, 0o555),
        pytest.param((0o644, 0o555), marks=pytest.mark.nightly),
    ],
)
def test_what_may_only_be_read_is_read(tmp_path: Path, modes: tuple[int, int]) -> None:
    directory = tmp_path / "there"
    directory.mkdir()
    path = directory / "blocks.db"
    asyncio.run(write(path))
    path.chmod(modes[0])
    directory.chmod(modes[1])
    try:
        read = without_rights("-m", "tilia_async", "ledger", "history", "acct_1", "--json", "--ledger", path)
        assert '"acct_1"' in read.stdout, read.stderr
        program = "import asyncio, sys; from test_files import *; asyncio.run(write(Path(sys.argv[1]), 'acct_2'))"
        written = without_rights("-c", program, path)
        assert "it can be read, but not written" in written.stderr
    finally:
        directory.chmod(0o755)


def test_what_is_not_in_the_file_yet_is_not_kept_silent(tmp_path: Path) -> None:
    directory = tmp_path / "there"
    directory.mkdir()
    path = directory / "blocks.db"
    asyncio.run(write(path))
    log = directory / "blocks.db-wal"
    log.write_bytes(b"what a process that died left behind")
    log.chmod(0o444)
    directory.chmod(0o555)
    try:
        read = without_rights("-m", "tilia_async", "ledger", "history", "acct_1", "--ledger", path)
    finally:
        directory.chmod(0o755)
    assert read.returncode != 0
    assert "holds records that are not in it yet" in " ".join(read.stderr.split())


def without_rights(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RIGHTS, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_the_database_of_another_program_is_no_ledger_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE mine (x)")
        other.commit()
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "tilia_async", "ledger", "history", "acct_1", "--ledger", path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "there is no ledger in" in done.stderr
    assert done.returncode == 1
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    assert len(path.read_bytes()) == len(before)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("no such directory", "make the directory"),
        ("directory", "it is a directory"),
        ("damaged", "damaged"),
        ("text", "no SQLite database"),
    ],
)
def test_the_message_says_what_is_wrong_with_a_file_and_what_to_do(tmp_path: Path, broken: str, told: str) -> None:
    path = tmp_path / "blocks.db"
    if broken == "no such directory":
        path = tmp_path / "no" / "blocks.db"
    elif broken == "directory":
        path.mkdir()
    elif broken == "text":
        path.write_bytes(b"these are my notes\n" * 1_000)
    else:
        asyncio.run(write(path))
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)
    with pytest.raises(errors.LedgerError, match=told) as failed:
        asyncio.run(read(path))
    assert str(failed.value).lower().count("no such file or directory") <= 1


@pytest.mark.asyncio
async def test_the_password_is_in_nothing_that_is_shown(tmp_path: Path) -> None:
    password = "hunter2-the-password"
    ledger = BlockLedger.open(f"postgresql://app:{password}@127.0.0.1:1/x?sslpassword={password}")
    with pytest.raises(errors.LedgerError) as failed:
        await ledger.history("acct_1")
    assert password not in str(failed.value) + repr(failed.value) + repr(pickle.dumps(failed.value))
    from tilia_async.ledger.database import Database

    database = Database(ledger._url)
    engine = database._engine
    for shown in (
        engine.sync_engine.url,
        tuple(engine.sync_engine.url),
        vars(engine.sync_engine.dialect),
        vars(database),
    ):
        assert password not in repr(shown)
    trace = failed.value.__traceback__
    while trace is not None:
        assert all(
            password not in repr(value)
            for value in trace.tb_frame.f_locals.values()
            if value is not password and not isinstance(value, str)
        )
        trace = trace.tb_next
    await database.aclose()
