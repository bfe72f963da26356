"""The same tables on the screen and in ``results.md``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import rich.table
from rich.console import Console

from benchmarks import summary
from benchmarks.budgets import Verdict
from benchmarks.section import Section, Table

RESULTS = Path(__file__).parent / "results.md"
PLOT = RESULTS.with_suffix(".svg")


def of_budgets(verdicts: Sequence[Verdict]) -> Table:
    return Table(
        ("budget", "wanted", "found", ""),
        tuple((verdict.budget.name, verdict.budget.told, verdict.told, verdict.word) for verdict in verdicts),
    )


def show(console: Console, title: str, table: Table, notes: Sequence[str] = ()) -> None:
    shown = rich.table.Table(title=title, title_justify="left")
    for number, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if number else "left")
    for row in table.rows:
        shown.add_row(*row, style="bold red" if "MISSED" in row else None)
    console.print(shown)
    for note in notes:
        console.print(f"* {note}", highlight=False, markup=False)


def write(sections: Sequence[Section], verdicts: Sequence[Verdict], machine: Sequence[str]) -> None:
    RESULTS.write_text("\n".join(lines(sections, verdicts, machine)), encoding="utf-8")


def put(page: str, sections: Sequence[Section], verdicts: Sequence[Verdict]) -> str:
    """Put sections of a run of their own, and their budgets, among the results of all.

    The tables at the head are made anew if all was measured that they compare.
    """
    series = {name: values for section in sections for name, values in section.series.items()}
    head, *parts = page.split("\n## ")
    found = {part.partition("\n")[0]: part.strip() for part in parts}
    judged = {line(cells).partition(" | ")[0]: line(cells) for cells in of_budgets(verdicts).rows}
    table = {row.partition(" | ")[0]: row for row in found["Budgets"].splitlines()}
    found["Budgets"] = "\n".join({**table, **judged}.values())
    if summary.is_whole(series):
        found["In short"] = "\n".join(summary.lines(series)).removeprefix("## ").strip()
    for section in sections:
        apart = attrs.evolve(section, notes=("measured in a run of its own", *section.notes))
        found[section.title] = "\n".join(of_section(apart))
    return "\n\n## ".join([head.rstrip(), *found.values()]) + "\n"


def lines(sections: Sequence[Section], verdicts: Sequence[Verdict], machine: Sequence[str]) -> Iterator[str]:
    series = {name: values for section in sections for name, values in section.series.items()}
    yield from ("# What a call costs", "", "Written by `nox -s bench`. All of it on loopback, in one run:", "")
    yield from (f"* {line}" for line in machine)
    yield from ("", f"![The cost of a call]({PLOT.name})", "")
    yield from summary.lines(series)
    yield from ("## Budgets", "")
    yield from rows(of_budgets(verdicts))
    for section in sections:
        heading, *others = of_section(section)
        yield from ("", f"## {heading}", *others)
    yield ""


def of_section(section: Section) -> Iterator[str]:
    yield from (section.title, "", section.how, "")
    yield from rows(section.table)
    if section.notes:
        yield from ("", *(f"* {note}" for note in section.notes))


def rows(table: Table) -> Iterator[str]:
    yield line(table.columns)
    yield line([":---", *("---:" for _ in table.columns[1:])])
    yield from (line(row) for row in table.rows)


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
