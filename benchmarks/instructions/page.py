"""``instructions.md``: the figures that later counts are held to."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from benchmarks.instructions import callgrind
from benchmarks.instructions.counting import TURNS, Count, ratio
from benchmarks.instructions.subjects import IN_FLIGHT, SUBJECTS
from benchmarks.machine import installed
from benchmarks.section import Table

PAGE = Path(__file__).parents[1] / "instructions.md"
TOLERANCE = 1.05
"""Share by which a call may cost more than the page says."""
TIME = "What a call takes of a processor's time stands in [results.md](results.md)."
LIBRARIES = (
    "aiohttp",
    "aiosqlite",
    "attrs",
    "cattrs",
    "multidict",
    "orjson",
    "sqlalchemy",
    "uvloop",
    "yarl",
)
_LISTED = re.compile(r"^\* (.+)$", re.MULTILINE)
_COUNTED = re.compile(r"^\| ([^|]+) \| ([\d,]+) \|", re.MULTILINE)


def basis() -> tuple[str, ...]:
    """Describe what the figures depend on: counts are compared where it is equal."""
    python = f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}"
    return (
        f"{python}, {platform.machine()}, callgrind of Valgrind {callgrind.version()}",
        ", ".join(f"{library} {installed(library)}" for library in LIBRARIES),
    )


@attrs.frozen
class Page:
    """Figures of a page.

    Attributes:
        instructions: of one call, by subject.
    """

    basis: tuple[str, ...]
    instructions: Mapping[str, int]

    @classmethod
    def read(cls, text: str) -> Page:
        return cls(
            tuple(_LISTED.findall(text)),
            {name: int(number.replace(",", "")) for name, number in _COUNTED.findall(text)},
        )

    def differs(self, here: Sequence[str]) -> str | None:
        """Say what keeps counts of here from being compared; None if nothing."""
        others = [
            f"{there!r} there, {mine!r} here" for there, mine in zip(self.basis, here, strict=False) if there != mine
        ]
        if len(self.basis) != len(here):
            others.append(f"{len(self.basis)} lines there, {len(here)} here")
        return "; ".join(others) or None

    def excess(self, found: Count) -> float | None:
        """Divide by what the page says; None if it says nothing of this subject."""
        said = self.instructions.get(found.subject)
        return None if said is None else found.instructions / said


def table(counts: Sequence[Count]) -> Table:
    return Table(
        ("what", "instructions", "turns differ by", "×", "of"),
        tuple(row(found, counts) for found in counts),
    )


def row(found: Count, counts: Sequence[Count]) -> tuple[str, ...]:
    base = SUBJECTS[found.subject].base
    times = ratio(found, counts) if base != found.subject else None
    return (
        found.subject,
        f"{found.instructions:,.0f}",
        f"{found.spread:.2%}",
        "" if times is None else f"{times:.3g}",
        "" if times is None else base,
    )


def how(more: str) -> str:
    return (
        "Instructions that the client's process executes in user space for one call, all of its threads together, "
        f"counted by Valgrind's `callgrind`; the median of {TURNS} turns. A process for each line, warmed up before "
        "counting begins, with fixed hashes of strings; the server is another process, and not counted; asynchronous "
        f"calls with {IN_FLIGHT} in flight. The kernel's part is not counted, nor what a cache or a branch costs that "
        "was foretold wrongly. By hand is a careful user's aiohttp: one session, the header of the token, orjson. "
        f"{more}"
    )


def lines(counts: Sequence[Count], here: Sequence[str]) -> Iterator[str]:
    yield from ("# Instructions of a call", "", "Written by `nox -s instructions`.", how(TIME), "")
    yield from (f"* {line}" for line in here)
    yield ""
    shown = table(counts)
    yield f"| {' | '.join(shown.columns)} |"
    yield f"| {' | '.join([':---', *('---:' for _ in shown.columns[1:])])} |"
    yield from (f"| {' | '.join(cells)} |" for cells in shown.rows)
    held = f"fails where a call has come to cost more than {TOLERANCE:g} × what stands here"
    yield from ("", f"`nox -s instructions -- --check` counts again, and {held}.", "")


def write(counts: Sequence[Count], here: Sequence[str]) -> None:
    PAGE.write_text("\n".join(lines(counts, here)), encoding="utf-8")
