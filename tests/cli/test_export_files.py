"""``tilia ledger export FILE``: whose the file is, where it leads, and what becomes of one that was there."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.commands import run

from tilia_async.ledger import BlockLedger
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction


async def write(path: Path) -> None:
    async with BlockLedger.open(f"sqlite:///{path}") as ledger:
        await (await journal_of(ledger)).intend("a call", "acct_1", Intent(BlockAction.BLOCK))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def exported(ledger: str, file: Path | str) -> None:
    done = run({}, "ledger", "export", str(file), "--ledger", ledger)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("before", [None, 0o640])
def test_an_export_is_its_owners_alone_and_keeps_the_mode_of_what_it_replaces(
    tmp_path: Path, before: int | None
) -> None:
    asyncio.run(write(tmp_path / "blocks.db"))
    file = tmp_path / "all.csv"
    if before is not None:
        file.write_text("old")
        file.chmod(before)
    exported(str(tmp_path / "blocks.db"), file)
    assert mode(file) == (before or 0o600)
    assert "acct_1" in file.read_text()
    assert {each.name for each in tmp_path.iterdir()} == {"all.csv", "blocks.db"}


def test_an_export_writes_through_no_link_that_lies_in_wait(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path / "blocks.db"))
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    (tmp_path / "all.csv.part").symlink_to(victim)
    exported(str(tmp_path / "blocks.db"), tmp_path / "all.csv")
    assert victim.read_text() == "as it was"


def test_an_export_follows_a_link_of_ones_own(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path / "blocks.db"))
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "all.csv"
    link.symlink_to("elsewhere/real.csv")
    exported(str(tmp_path / "blocks.db"), link)
    assert link.is_symlink()
    assert "acct_1" in (tmp_path / "elsewhere" / "real.csv").read_text()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can lay somebody else's link")
def test_an_export_follows_no_link_of_somebody_else_where_everybody_may_lay_one(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path / "blocks.db"))
    everybodys = tmp_path / "tmp"
    everybodys.mkdir()
    everybodys.chmod(0o1777)
    link = everybodys / "all.csv"
    link.symlink_to(tmp_path / "victim")
    os.lchown(link, 65534, 65534)
    done = run({}, "ledger", "export", str(link), "--ledger", str(tmp_path / "blocks.db"))
    assert done.exit_code == 1
    assert "somebody else's symbolic link" in done.stderr
    assert not (tmp_path / "victim").exists()


def test_an_export_into_a_pipe(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path / "blocks.db"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    exported(str(tmp_path / "blocks.db"), pipe)
    reader.join()
    assert "acct_1" in read[0]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="there is no such name here")
def test_an_export_to_the_name_of_standard_output_is_appended_where_that_is(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path / "blocks.db"))
    into = tmp_path / "into"
    into.write_text("before\n")
    with into.open("a") as out:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "tilia_async",
                "ledger",
                "export",
                "/dev/stdout",
                "--ledger",
                tmp_path / "blocks.db",
            ],
            stdout=out,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )
    assert into.read_text().startswith("before\n")
    assert "acct_1" in into.read_text()
    assert Path("/dev/stdout").is_symlink()
