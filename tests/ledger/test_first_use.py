"""The first use of a ledger in a process: its libraries hold up no event loop, and what fails is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.postgres import new_database

SCRIPT = Path(__file__).parents[1] / "support" / "first_use.py"

LATE = """
import asyncio, os, resource, sys
from tilia_async import errors
from tilia_async.ledger import BlockLedger

url, loads_before = sys.argv[1:]

async def main():
    if loads_before == "loaded":
        await use(BlockLedger.open(url))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    try:
        await use(BlockLedger.open(url))
    except errors.LedgerError as error:
        told = str(error)
    for each in taken:
        os.close(each)
    print(told)
    await use(BlockLedger.open(url))

async def use(ledger):
    async with ledger:
        await ledger.history("acct_1")

asyncio.run(main())
"""

FORK = """
import asyncio, os, sys, threading
from tilia_async.ledger import BlockLedger

url = sys.argv[1]

async def use():
    async with BlockLedger.open(url) as ledger:
        return await ledger.history("acct_1")

def importing():
    return any(thread.name == "tilia-ledger-import" for thread in threading.enumerate())

thread = threading.Thread(target=lambda: asyncio.run(use()))
thread.start()
while not importing():
    pass
child = os.fork()
if child == 0:
    os._exit(0 if asyncio.run(use()) == [] else 1)
print(os.waitpid(child, 0)[1])
thread.join()
"""


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def test_the_first_use_of_a_file_holds_up_no_event_loop(tmp_path: Path) -> None:
    # Of processor time: SQLAlchemy's import takes some tenths.
    assert float(run(SCRIPT, f"sqlite:///{tmp_path}/blocks.db")) < 0.1


@pytest.mark.asyncio
async def test_the_first_use_of_a_server_holds_up_no_event_loop() -> None:
    async with new_database() as url:
        assert float(run(SCRIPT, url)) < 0.1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit here")
@pytest.mark.parametrize("loads_before", [pytest.param("loaded", marks=pytest.mark.nightly), "not loaded"])
def test_a_file_says_that_the_process_has_no_descriptors(tmp_path: Path, loads_before: str) -> None:
    assert "no file descriptor left" in run("-c", LATE, f"sqlite:///{tmp_path}/blocks.db", loads_before)


@pytest.mark.asyncio
@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit here")
@pytest.mark.parametrize("loads_before", ["loaded", pytest.param("not loaded", marks=pytest.mark.nightly)])
async def test_a_server_says_that_the_process_has_no_descriptors(loads_before: str) -> None:
    async with new_database() as url:
        assert "no file descriptor left" in run("-c", LATE, url, loads_before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_that_is_forked_while_it_loads_the_libraries_can_use_a_ledger(tmp_path: Path) -> None:
    assert run("-c", FORK, f"sqlite:///{tmp_path}/blocks.db") == "0\n"
