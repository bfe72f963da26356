"""How long an import takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from statistics import median

from benchmarks.section import Section, Table
from benchmarks.stage import Stage, turns
from benchmarks.timing import median_ratio

ROUNDS = 11
MODULES = ("aiohttp", "tilia_async", "tilia_sync", "httpx", "requests", "stripe")
SCRIPT = "import time; begun = time.process_time(); import {}; print(time.process_time() - begun)"


def import_times(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of processor time, each in a fresh interpreter."""
    times: dict[str, list[float]] = {module: [] for module in MODULES}
    with tempfile.TemporaryDirectory() as byte_code:
        for module in MODULES:
            # Writes the byte code, which pip does for what it installs, but not for this package while it is edited.
            import_once(module, byte_code)
        for order in turns(MODULES, rounds):
            for module in order:
                times[module].append(import_once(module, byte_code))
    return times


def import_once(module: str, byte_code: str) -> float:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": byte_code}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(module)], check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    return float(done.stdout) * 1000


def measure(stage: Stage) -> Section:
    rounds = min(stage.rounds, ROUNDS)
    times = stage.run(import_times, rounds)
    return Section(
        "Import",
        f"Processor time of `import …` in a fresh interpreter whose files are in the system's cache; {rounds} rounds.",
        Table(
            ("module", "ms", "× aiohttp"),
            tuple(
                (f"`{module}`", f"{median(taken):.0f}", f"{median_ratio(taken, times['aiohttp']):.2f}")
                for module, taken in times.items()
            ),
        ),
        {f"import: {module}": taken for module, taken in times.items()},
    )
