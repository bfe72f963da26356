"""``python -m benchmarks.instructions [--check] [subject …]``.

Counts all subjects and writes ``benchmarks/instructions.md``. With ``--check``, or of some subjects, it writes nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from rich.console import Console

from benchmarks import report
from benchmarks.instructions import callgrind, page
from benchmarks.instructions.counting import Count, counts
from benchmarks.instructions.subjects import SUBJECTS
from benchmarks.section import Table
from benchmarks.server import running_server

WIDTH = 140
"""Width of what is printed into a file, in characters."""


def main() -> int:
    options = arguments()
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    missing = callgrind.missing()
    if missing is not None:
        console.print(f"nothing was counted: {missing}", style="bold red")
        return 1
    here = page.basis()
    for line in here:
        console.print(line, highlight=False)
    found: list[Count] = []
    with running_server(frozenset()) as server:
        for count in counts(options.subjects or SUBJECTS, server.url):
            found.append(count)
            console.print(f"{count.subject}: {count.instructions:,.0f}", style="dim", highlight=False)
    report.show(console, "Instructions of a call", page.table(found))
    if options.check:
        return compared(console, found, here)
    if not options.subjects:
        page.write(found, here)
        console.print(f"written: {page.PAGE}")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.instructions", description="How many instructions a call executes."
    )
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"of {'; '.join(SUBJECTS)}. None: all")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a call costs more than the page says")
    options = parser.parse_args()
    unknown = set(options.subjects) - set(SUBJECTS)
    if unknown:
        parser.error(f"there is no subject {'; '.join(sorted(unknown))}; there are {'; '.join(SUBJECTS)}")
    return options


def compared(console: Console, found: Sequence[Count], here: Sequence[str]) -> int:
    """Hold the counts to the page."""
    written = page.Page.read(page.PAGE.read_text(encoding="utf-8"))
    differs = written.differs(here)
    if differs is not None:
        console.print(f"not compared with {page.PAGE.name}, which was counted elsewhere: {differs}", style="yellow")
        return 0
    report.show(
        console, f"Beside {page.PAGE.name}", Table(("what", "there", "here", "×", ""), tuple(beside(found, written)))
    )
    return 1 if any((written.excess(count) or 0) > page.TOLERANCE for count in found) else 0


def beside(found: Sequence[Count], written: page.Page) -> Iterator[tuple[str, ...]]:
    for count in found:
        excess = written.excess(count)
        if excess is None:
            yield (count.subject, "", f"{count.instructions:,.0f}", "", "not on the page")
        else:
            verdict = "MISSED" if excess > page.TOLERANCE else "met"
            yield (
                count.subject,
                f"{written.instructions[count.subject]:,}",
                f"{count.instructions:,.0f}",
                f"{excess:.3f}",
                verdict,
            )


if __name__ == "__main__":
    raise SystemExit(main())
