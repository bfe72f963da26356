"""Counts of subjects, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median

import attrs

from benchmarks.instructions.callgrind import counted
from benchmarks.instructions.subjects import SUBJECTS

TURNS = 3


@attrs.frozen
class Count:
    """Instructions of one call.

    Attributes:
        turns: what each turn counted.
    """

    subject: str
    turns: tuple[float, ...]

    @property
    def instructions(self) -> float:
        return median(self.turns)

    @property
    def spread(self) -> float:
        """Return the distance of lowest and highest turn, as a part of the median."""
        return (max(self.turns) - min(self.turns)) / self.instructions


def count(name: str, url: str) -> Count:
    """Count a subject; the server at the URL is another process, and not counted."""
    calls = SUBJECTS[name].calls
    with counted("benchmarks.instructions.process", name, url) as process:
        process.start_counting()
        # Once more: what happens at the first call after the collector has run, happens here.
        process.do(max(1, calls // 4))
        process.discard()
        return Count(name, tuple(process.count(calls) for _ in range(TURNS)))


def counts(names: Iterable[str], url: str) -> Iterator[Count]:
    for name in names:
        yield count(name, url)


def ratio(found: Count, others: Iterable[Count]) -> float | None:
    """Divide by what the subject is compared with; None if not counted."""
    for other in others:
        if other.subject == SUBJECTS[found.subject].base:
            return found.instructions / other.instructions
    return None
