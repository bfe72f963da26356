"""A bulk job that is stopped from outside, and what a terminal and a log see of it."""

import asyncio
import os
import pty
import re
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from support.commands import TILIA, blocks, environment, run

import tilia_sync
from tilia_async.cli.signals import until_signal
from tilia_async.sandbox import Fault

ANSWERED, IN_FLIGHT = 5, 4


def let_some_hang(served: tilia_sync.Sandbox) -> None:
    served.faults.add("accounts.block", Fault.LATENCY, times=ANSWERED, seconds=0)
    served.faults.add("accounts.block", Fault.HANG_BEFORE_COMMIT, times=None)


def stop_when_they_hang(served: tilia_sync.Sandbox, process: subprocess.Popen[str], number: signal.Signals) -> float:
    """Time that it took to end, in seconds."""
    until = time.monotonic() + 30
    while blocks(served) < ANSWERED + IN_FLIGHT:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    started = time.monotonic()
    process.send_signal(number)
    process.wait(timeout=20)
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("number", "status", "name"),
    [
        (signal.SIGINT, 130, "Ctrl-C"),
        pytest.param(signal.SIGTERM, 143, "SIGTERM", marks=pytest.mark.nightly),
    ],
)
def test_a_job_with_a_ledger_stops_at_once_and_says_how_to_go_on(
    served: tilia_sync.Sandbox,
    settings: dict[str, str],
    file: Path,
    tmp_path: Path,
    number: signal.Signals,
    status: int,
    name: str,
) -> None:
    let_some_hang(served)
    block = ("bulk", "block", str(file), "--reason", "it's fraud", "--concurrency", str(IN_FLIGHT))
    with subprocess.Popen(
        [*TILIA, *block, "--ledger", str(tmp_path / "b.db")],
        env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        took = stop_when_they_hang(served, process, number)
        stdout, stderr = process.communicate()
    assert process.returncode == status, stdout + stderr
    assert took < 5, "well before the answers would be given up; a busy machine needs more than the second it takes"
    told = ANSWERED + IN_FLIGHT
    assert f"block: {told} of 12 accounts" in stdout
    assert re.findall(r"^(done|unknown|left) +(\d+)", stdout, re.MULTILINE) == [
        ("done", str(ANSWERED)),
        ("unknown", str(IN_FLIGHT)),
        ("left", str(12 - told)),
    ]
    assert f"stopped: {name}; what was under way may have taken effect" in stdout
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].startswith(f"block: {told} of 12 (75.0 %)")
    (command,) = re.findall(r"^  tilia (.*)$", stdout, re.MULTILINE)
    served.faults.clear()
    went_on = run(settings, *shlex.split(command))
    assert went_on.exit_code == 0
    assert re.findall(r"^(done|skipped) +(\d+)", went_on.stdout, re.MULTILINE) == [
        ("done", str(12 - ANSWERED)),
        ("skipped", str(ANSWERED)),
    ]


def test_in_a_terminal_a_bar_is_drawn_and_ctrl_c_leaves_it_whole(
    served: tilia_sync.Sandbox, settings: dict[str, str], file: Path
) -> None:
    let_some_hang(served)
    master, slave = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        # At its end a pseudo-terminal fails to be read.
        try:
            while part := os.read(master, 4096):
                seen.append(part)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with subprocess.Popen(
            [*TILIA, "bulk", "block", str(file), "--reason", "x", "--concurrency", str(IN_FLIGHT)],
            env={**environment(settings), "COLUMNS": "80", "TERM": "xterm"},
            stdout=subprocess.PIPE, stderr=slave, text=True,
        ) as process:  # fmt: skip
            stop_when_they_hang(served, process, signal.SIGINT)
            stdout, _ = process.communicate()
    finally:
        os.close(slave)
        reader.join()
        os.close(master)
    terminal = b"".join(seen).decode()
    assert process.returncode == 130
    assert "\x1b[" in terminal
    assert f"{ANSWERED + IN_FLIGHT} of 12  75.0 %" in terminal
    assert terminal.rstrip().endswith("\x1b[?25h"), "the cursor is there again"
    assert "\x1b[" not in stdout
    assert f"unknown  {IN_FLIGHT}  may have taken effect" in stdout
    assert "unknown: accounts.block: the job was cancelled before the answer came" in stdout
    assert "left     3  not begun, or without effect so far" in stdout
    assert "Nothing was recorded: another run begins from the start." in stdout


def test_whoever_runs_a_command_in_a_process_of_theirs_keeps_their_handlers() -> None:
    def theirs(_number: int, _frame: object) -> None:
        raise AssertionError("the command was to be told")

    async def interrupt_at_once(number: signal.Signals) -> None:
        waiting = asyncio.create_task(until_signal())
        await asyncio.sleep(0)
        os.kill(os.getpid(), number)
        assert (await asyncio.wait([waiting], timeout=10))[0]

    before = {number: signal.signal(number, theirs) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            asyncio.run(interrupt_at_once(number))
        assert [signal.getsignal(number) for number in before] == [theirs, theirs]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
