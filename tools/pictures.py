"""Draws the pictures of the pages into ``docs/assets``.

The states of an invoice, an escrow and a payout, from the tables that the sandbox goes by; and the way of a call. Each
is as narrow as a phone, has a ground of its own, and follows the reader's light or dark setting.

Usage: ``pictures.py`` writes the files; ``pictures.py --check`` fails if they differ from what would be written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

import attrs

from tilia_async.sandbox.transitions import ESCROW, HOLD, INVOICE, PAYOUT, S, Transition

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "docs" / "assets"
WIDTH = 360
MARGIN = 14
INDENT = 26
ROW = 52
BOX = 26
LETTER = 7.3
"""Width of a letter of the boxes' font."""

STYLE = """
  .ground { fill: #ffffff; stroke: #d0d5dc }
  .box { fill: #e8eefb; stroke: #3b5bab }
  .end { fill: #ddf0e0; stroke: #2c7a3f }
  .bad { fill: #fbe6e4; stroke: #b3382c }
  .line { fill: none; stroke: #68717d; stroke-width: 1.5 }
  text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #16191d }
  .by { font: 12px system-ui, sans-serif; fill: #4a525c }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #1c2026; stroke: #3a414b }
    .box { fill: #22304f; stroke: #86a5ef }
    .end { fill: #1d3a25; stroke: #6cc182 }
    .bad { fill: #4a221f; stroke: #f0897e }
    .line { stroke: #98a2af }
    text { fill: #eef1f5 }
    .by { fill: #b9c2cd }
  }
"""


@attrs.frozen
class Row:
    """A box, below the one that leads to it.

    Attributes:
        text: what stands in the box.
        by: what leads to it.
        depth: how far it is from the margin.
        parent: row that leads to it; None: the first one.
        kind: class of the box, for its colours.
    """

    text: str
    by: str
    depth: int
    parent: int | None
    kind: str = "box"


def rows_of(table: Sequence[Transition[S]]) -> list[Row]:
    """Return a table as a tree.

    A state that is reached on a second way ends there.
    """
    (start,) = (each for each in table if not each.before)
    rows = [Row(str(start.after), str(start.by), 0, None)]
    shown = {start.after}

    def grow(state: S, place: int, depth: int, seconds: float | None) -> None:
        steps = [each for each in table if state in each.before and each.after != state]
        new = {step.after for step in steps} - shown
        shown.update(new)
        for step in steps:
            leads_on = any(step.after in each.before for each in table)
            rows.append(Row(str(step.after), _cause(step, seconds), depth, place, "box" if leads_on else "end"))
            if step.after in new:
                grow(step.after, len(rows) - 1, depth + 1, step.seconds)
            if step.failed is not None:
                rows.append(Row(str(step.failed), f"{step.by} fails", depth, place, "bad"))

    grow(start.after, 0, 1, start.seconds)
    return rows


def _cause(step: Transition[S], seconds: float | None) -> str:
    if step.by == HOLD:
        return "held back by Tilia"
    if step.by is not None:
        return step.by
    return "by itself" if seconds is None else f"by itself, after {seconds / 60:.0f} minutes"


def tree(title: str, rows: Sequence[Row]) -> str:
    """Return the picture of a tree."""
    depths = [None if row.parent is None else rows[row.parent].depth for row in rows]
    shapes = [part for number, row in enumerate(rows) for part in _drawn(number, row, depths[number])]
    return _picture(title, len(rows) * ROW + MARGIN, shapes)


def _drawn(number: int, row: Row, depth_of_parent: int | None) -> Iterator[str]:
    left, top = MARGIN + row.depth * INDENT, _top(number)
    said = left + 2
    if row.parent is not None:
        begin, middle = _top(row.parent) + BOX, top + BOX / 2
        if row.depth == depth_of_parent:
            said = left + INDENT // 2 + 8
            yield f'<path class="line" d="M{left + INDENT / 2:g} {begin:g}V{top:g}"/>'
        else:
            yield f'<path class="line" d="M{left - INDENT / 2:g} {begin:g}V{middle:g}H{left:g}"/>'
    width = len(row.text) * LETTER + 16
    yield f'<text class="by" x="{said}" y="{top - 6}">{escape(row.by)}</text>'
    yield f'<rect class="{row.kind}" x="{left}" y="{top}" width="{width:.0f}" height="{BOX}" rx="5"/>'
    yield f'<text x="{left + 8}" y="{top + 17}">{escape(row.text)}</text>'


def _top(number: int) -> int:
    return MARGIN + 12 + number * ROW


CALL = (
    Row("tilia.invoices.pay(invoice_id)", "your call; its deadline begins", 0, None),
    Row("InvalidRequestError", "bad input: nothing is sent", 1, 0, "bad"),
    Row("a token for its scopes", "at hand, or one request for all who wait", 0, 0),
    Row("TokenError", "credentials or scopes are refused", 1, 2, "bad"),
    Row("a connection", "of a bounded pool", 0, 2),
    Row("ConnectError", "no server: nothing was sent", 1, 4, "bad"),
    Row("DeadlineExceededError", "no time left: nothing was sent", 1, 4, "bad"),
    Row("the request is sent", "from here on it may take effect", 0, 4),
    Row("the same request again", "no good answer, and it may be repeated", 1, 7),
    Row("OutcomeUnknownError", "no answer to a write: took_effect is None", 1, 7, "bad"),
    Row("ApiError", "Tilia refuses, or fails", 1, 7, "bad"),
    Row("Invoice(state=SUCCESS)", "Tilia says so, and the answer agrees", 0, 7, "end"),
)
"""Steps of a call, and its possible ends."""


def call() -> str:
    """Return the picture of the way of a call."""
    return tree("The way of a call", CALL)


def _picture(title: str, height: int, shapes: Iterable[str]) -> str:
    inside = "\n".join(f"  {shape}" for shape in shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-labelledby="title">\n  <title id="title">{escape(title)}</title>\n'
        f"  <style>{STYLE}  </style>\n"
        f'  <rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>\n{inside}\n</svg>\n'
    )


def pictures() -> dict[str, str]:
    """Return each picture by the name of its file."""
    return {
        "invoice-states.svg": tree("States of an invoice", rows_of(INVOICE)),
        "escrow-states.svg": tree("States of an escrow", rows_of(ESCROW)),
        "payout-states.svg": tree("States of a payout", rows_of(PAYOUT)),
        "call.svg": call(),
    }


def main() -> None:
    """Write the pictures, or compare them."""
    stale = []
    for name, wanted in pictures().items():
        path = ASSETS / name
        if not path.exists() or path.read_text("utf-8") != wanted:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(wanted, "utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"not as `nox -s docs` draws them: {', '.join(stale)}")


if __name__ == "__main__":
    main()
