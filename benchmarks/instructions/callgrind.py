"""A process under ``callgrind``, counted while it works.

It starts and warms up uncounted, which also takes a sixth of the time. Then counting is switched on from outside, while
it waits for its next order, through ``vgdb``, which comes with Valgrind: no compiler and no header files are needed.
All threads of the process count; its children and the kernel do not.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import attrs

ROOT = Path(__file__).parents[2]
DONE = "done"
PATIENCE = 60
"""Seconds for an order to be taken."""


def missing() -> str | None:
    """Say why nothing can be counted here; None if it can."""
    absent = [tool for tool in ("valgrind", "vgdb") if shutil.which(tool) is None]
    return f"{' and '.join(absent)} not installed" if absent else None


def version() -> str:
    """Ask Valgrind, which decides what the C library finds of the processor."""
    told = subprocess.run(["valgrind", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return told.strip().removeprefix("valgrind-")


@attrs.define
class Counted:
    """A process under callgrind, and its pipes.

    Attributes:
        dumps: how many have been written.
    """

    process: subprocess.Popen[str]
    orders: IO[str]
    reports: IO[str]
    file: Path
    dumps: int = 0

    def do(self, calls: int) -> None:
        """Have it make so many calls."""
        self.orders.write(f"{calls}\n")
        self.orders.flush()
        self.wait()

    def count(self, calls: int) -> float:
        """Have it make so many calls; return the instructions of one."""
        self.do(calls)
        self.tell("dump")
        self.dumps += 1
        written = self.file.with_name(f"{self.file.name}.{self.dumps}").read_text(encoding="utf-8")
        total = re.search(r"^totals: (\d+)", written, re.MULTILINE)
        if total is None:
            raise RuntimeError("callgrind wrote no total")
        return int(total[1]) / calls

    def start_counting(self) -> None:
        self.tell("instrumentation on")

    def discard(self) -> None:
        """Forget what was counted."""
        self.tell("zero")

    def wait(self) -> None:
        """Wait until it says that it is done."""
        for line in self.reports:
            if line.strip() == DONE:
                return
        raise RuntimeError(f"the counted process ended with {self.process.wait()}; what it says stands above")

    def tell(self, command: str) -> None:
        """Tell callgrind itself something."""
        subprocess.run(
            ["vgdb", f"--pid={self.process.pid}", *command.split()],
            check=True,
            capture_output=True,
            timeout=PATIENCE,
        )


@contextmanager
def counted(module: str, *arguments: str) -> Iterator[Counted]:
    """Run a module of this Python under callgrind, and await that it is ready.

    Hashes of strings are fixed, and so the order and the collisions of sets.
    """
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "counts"
        options = ("--tool=callgrind", "--instr-atstart=no", "--quiet", f"--callgrind-out-file={file}")
        process = subprocess.Popen(
            ["valgrind", *options, sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            text=True,
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("pipes were asked for")
        with process, process.stdin as orders, process.stdout as reports:
            try:
                found = Counted(process, orders, reports, file)
                found.wait()
                yield found
            finally:
                process.kill()
