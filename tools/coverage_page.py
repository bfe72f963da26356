"""Writes ``docs/coverage.md`` from ``tests/support/facts.py`` and ``tilia_async.api.OPERATIONS``.

Usage: ``coverage_page.py`` writes the file; ``coverage_page.py --check`` fails if it differs from what would be
written.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tilia_async.api import OPERATIONS

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "coverage.md"

INTRO = """\
<!-- Written by `nox -s docs` from `tests/support/facts.py`: change that file. -->

# What is covered

Every operation and every notification that Tilia's documentation and SDKs name, with the method or class for it, or
the reason that there is none: {operations} operations, of which {covered} have a method, and {events} notifications.

How sure it is stands in the last column. *Documented* means that a page of Tilia's documentation says it; *seen*, that
code of Tilia's own SDKs does it; *inferred*, that it is a good guess; *not found*, that nobody tells. What is inferred
can be corrected in one line, `TiliaClient(..., operations={{...}})` or `Environment.at(..., services={{...}})`, and an
error that a wrong guess may have caused says so. [`tilia verify`](verify.md) checks all of it against Tilia, and writes
the corrections.
"""

EVENTS = """\
## Notifications

The classes are in `tilia_async.webhooks`; `UnknownEvent` is for all that Tilia may add. Where the documentation gives
no `event_name`, the shape of the message decides.
"""

PARTS = ("path", "host", "scope")


def facts() -> ModuleType:
    """Return the list of the fact sheets."""
    spec = importlib.util.spec_from_file_location("facts", ROOT / "tests" / "support" / "facts.py")
    if spec is None or spec.loader is None:
        raise ImportError("tests/support/facts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rendered() -> str:
    """Return the text of the page."""
    known = facts()
    covered = sum(each.here is not None for each in known.FACTS)
    counts = {"operations": len(known.FACTS), "covered": covered, "events": len(known.NOTIFICATIONS)}
    parts = [INTRO.format(**counts)]
    for noun in dict.fromkeys(each.noun for each in known.FACTS):
        rows = [_row(each) for each in known.FACTS if each.noun == noun]
        table = _table(("Tilia's name", "Request", "Here", "Evidence"), rows)
        parts.append("\n".join([f"## {noun}\n", table, *_conveniences(known.CONVENIENCES, noun)]))
    events = [
        (
            each.title,
            f"`{each.event_name}`" if each.event_name else "not documented",
            f"`{each.kind}`",
            f"`{each.page}`",
        )
        for each in known.NOTIFICATIONS
    ]
    parts.append(f"{EVENTS}\n{_table(('Event', '`event_name`', 'Here', 'Page'), events)}")
    return "\n".join(parts)


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _row(fact: Any) -> tuple[str, str, str, str]:
    request = _code(f"{fact.method} {fact.path}") if fact.path else "not found"
    here = _code(fact.here) or fact.reason
    if fact.here and fact.here not in OPERATIONS:
        here += " **missing**"
    return (fact.name, request, here, _evidence(fact))


def _evidence(fact: Any) -> str:
    marks = dict(zip(PARTS, map(str, fact.marks), strict=True))
    operation = OPERATIONS.get(fact.here) if fact.here else None
    if operation is not None and operation.evidence is not None:
        marks |= {part: "inferred" for part in sorted(operation.evidence.inferred) if part not in PARTS}
    by_mark: dict[str, list[str]] = {}
    for part, mark in marks.items():
        by_mark.setdefault(mark, []).append(part)
    if len(by_mark) == 1:
        return next(iter(by_mark))
    return "; ".join(f"{', '.join(parts)} {mark}" for mark, parts in by_mark.items() if mark != "documented")


def _conveniences(made_of: dict[str, tuple[str, ...]], noun: str) -> Iterator[str]:
    for name, operations in made_of.items():
        if name.startswith(f"{noun}."):
            used = " and ".join(map(_code, operations))
            yield f"{_code(name)} is made of {used}.\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> int:
    text = rendered()
    if "--check" not in sys.argv[1:]:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text)
    if not TARGET.exists() or TARGET.read_text() != text:
        print("docs/coverage.md is outdated; run 'nox -s docs'")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
