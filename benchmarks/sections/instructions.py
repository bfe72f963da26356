"""Instructions of a call beside those by hand, where Valgrind is installed."""

from __future__ import annotations

from benchmarks.instructions import callgrind, page
from benchmarks.instructions.counting import counts
from benchmarks.instructions.subjects import SUBJECTS
from benchmarks.section import Section
from benchmarks.stage import Stage

COUNTED = tuple(
    name for name in SUBJECTS if name.startswith("GET, ") and SUBJECTS[name].base.startswith("GET, aiohttp")
)


def measure(stage: Stage) -> Section:
    missing = callgrind.missing()
    found = [] if missing is not None else list(counts(COUNTED, stage.server.url))
    return Section(
        "Instructions",
        f"Not counted: {missing}." if missing is not None else page.how("[instructions.md](instructions.md) has more."),
        page.table(found),
        {f"instructions: {count.subject}": list(count.turns) for count in found},
    )
