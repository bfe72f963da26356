"""Sections that are measured, in this order."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.section import Section
from benchmarks.sections import (
    bulk,
    calls,
    endurance,
    fleet,
    growth,
    imports,
    instructions,
    invoice,
    memory,
    pace,
    sync,
    tokens,
)
from benchmarks.stage import Stage

SECTIONS: dict[str, Callable[[Stage], Section]] = {
    "calls": calls.measure,
    "posts": calls.measure_posts,
    "growth": growth.measure,
    "tokens": tokens.measure,
    "invoice": invoice.measure,
    "sync": sync.measure,
    "bulk": bulk.measure,
    "fleet": fleet.measure,
    "pace": pace.measure,
    "instructions": instructions.measure,
    "imports": imports.measure,
    "memory": memory.measure,
    "endurance": endurance.measure,
}
"""By the name that the command knows them by."""
