"""Processor time of an import."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from statistics import median

from benchmarks.contenders.peers import lack
from benchmarks.section import Section, Table
from benchmarks.stage import Stage, turns
from benchmarks.timing import median_ratio

ROUNDS = 11
MODULES = ("aiohttp", "tilia_async", "tilia_sync", "httpx", "requests", "stripe")
FIRST_CLIENT = "import {0}; {0}.TiliaClient('id', 'secret', 'staging')"
STATEMENTS = {
    **{module: f"import {module}" for module in MODULES if lack(module) is None},
    "tilia_async, first client": FIRST_CLIENT.format("tilia_async"),
    "tilia_sync, first client": FIRST_CLIENT.format("tilia_sync"),
}
SCRIPT = "import time; begun = time.process_time(); {}; print(time.process_time() - begun)"


def import_times(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of processor time, each in a fresh interpreter."""
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    with tempfile.TemporaryDirectory() as byte_code:
        for statement in STATEMENTS.values():
            # Writes the byte code, which pip does for what it installs, but not for this package while it is edited.
            import_once(statement, byte_code)
        for order in turns(tuple(STATEMENTS), rounds):
            for name in order:
                times[name].append(import_once(STATEMENTS[name], byte_code))
    return times


def import_once(statement: str, byte_code: str) -> float:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": byte_code}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(statement)], check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    return float(done.stdout) * 1000


def measure(stage: Stage) -> Section:
    rounds = min(stage.rounds, ROUNDS)
    times = stage.run(import_times, rounds)
    return Section(
        "Import",
        f"Processor time of `import …` in a fresh interpreter whose files are in the system's cache; {rounds} rounds. "
        "The first client of a process brings aiohttp.",
        Table(
            ("import", "ms", "× aiohttp"),
            tuple(
                (f"`{name}`", f"{median(taken):.0f}", f"{median_ratio(taken, times['aiohttp']):.2f}")
                for name, taken in times.items()
            ),
        ),
        {f"import: {name}": taken for name, taken in times.items()},
    )
