"""``python -m benchmarks [--check] [--quick] [--put] [section …]``.

All sections together write ``benchmarks/results.md`` and its picture; some of them, or a quick look, only print. With
``--put``, some are put in their places there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from rich.console import Console

from benchmarks import machine, plot, report, summary
from benchmarks.budgets import judge
from benchmarks.programme import SECTIONS
from benchmarks.section import Section
from benchmarks.stage import set_stage

ROUNDS = 15
QUICK_ROUNDS = 3
QUICK_EFFORT = 0.1
WIDTH = 120
"""Width of what is printed into a file, in characters."""


def main() -> int:
    options = arguments()
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    about = machine.described()
    for told in about:
        console.print(told, highlight=False)
    found = measured(console, options.sections or list(SECTIONS), quick=options.quick)
    series = {name: values for section in found for name, values in section.series.items()}
    verdicts = [each for each in judge(series) if each.found is not None or not options.sections]
    report.show(console, "Budgets", report.of_budgets(verdicts))
    if not options.sections and not options.quick:
        plot.draw(series, report.PLOT)
        report.write(found, verdicts, about)
        console.print(f"written: {report.RESULTS}")
    if options.put and options.sections and not options.quick:
        page = report.RESULTS.read_text(encoding="utf-8")
        report.RESULTS.write_text(report.put(page, found, verdicts), encoding="utf-8")
        if plot.is_whole(series):
            plot.draw(series, report.PLOT)
    if summary.is_whole(series):
        console.print("\nFor the README:\n")
        # As it is: what rich makes of brackets and long lines is for people.
        print(summary.part("\n".join(summary.lines(series))))
    for verdict in verdicts:
        if verdict.found is None:
            console.print(f"not measured: {verdict.budget.name}", style="yellow")
    missed = [verdict for verdict in verdicts if verdict.missed]
    for verdict in missed:
        console.print(f"MISSED: {verdict.budget.name}: {verdict.told}, wanted {verdict.budget.told}", style="bold red")
    return 1 if missed and options.check else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What a call costs, beside other clients."
    )
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; none: all")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a budget is missed")
    parser.add_argument("--quick", action="store_true", help="a quick look, too rough to be told")
    parser.add_argument("--put", action="store_true", help="put these sections among the results of an earlier run")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return options


def measured(console: Console, names: Sequence[str], *, quick: bool) -> list[Section]:
    found: list[Section] = []
    with set_stage(QUICK_ROUNDS if quick else ROUNDS, QUICK_EFFORT if quick else 1.0) as stage:
        for name in names:
            begun = time.monotonic()
            section = SECTIONS[name](stage)
            report.show(console, section.title, section.table, section.notes)
            console.print(f"({name}: {time.monotonic() - begun:.0f} s)", style="dim")
            found.append(section)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
