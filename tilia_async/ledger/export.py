r"""The record as text.

CSV for spreadsheets, JSON lines for programs.

In CSV no text begins a formula, wherever a spreadsheet may let a cell begin: at the start of a text, and after a
semicolon, a bar, a tab or a line end, which other settings take for the end of a cell or a row. There it gets an
apostrophe, as does what begins with one, and a text that is empty, which so differs from none. To read it back, take
one apostrophe away wherever a cell may begin: ``re.sub(r"(\A|[;|\t\r\n])'", r"\1", cell)``.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal, TypeAlias

import attrs
import orjson

from tilia_async.errors import ConfigurationError
from tilia_async.ledger.record import BlockRecord

Format: TypeAlias = Literal["csv", "jsonl"]

FIELDS: Final = tuple(field.name for field in attrs.fields(BlockRecord))
_FORMULA_STARTS: Final = frozenset("=+-@\N{MINUS SIGN}")

_UNSEEN: Final = ("C", "Z", "M")
"""Unicode categories of characters that do not show.

Blanks, what cannot be seen and what stands on another letter; spreadsheets drop some of it from the start of a cell.
"""

_UNSEEN_LETTERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs that cannot be seen either."""

_CELL_ENDS: Final = re.compile(r"([;|\t\r\n])")
"""Characters that may end a cell or a row.

Spreadsheets may take them for that. Comma and quotation marks are not among them: those CSV can say.
"""

_LINE_ENDS: Final = {ord(each): f"\\u{ord(each):04x}" for each in "\x85\u2028\u2029"}
"""Characters that end a line for some programs.

JSON lets them stand.
"""


@attrs.frozen
class Layout:
    """The form in which records are written.

    Attributes:
        head: what stands before them.
        line: one of them, with its line end.
    """

    head: str
    line: Callable[[BlockRecord], str]


def layout(name: str) -> Layout:
    """Return the layout of a format.

    Raises:
        ConfigurationError: there is no such format.
    """
    if name == "csv":
        return Layout(_row(FIELDS), _csv)
    if name == "jsonl":
        return Layout("", _json)
    raise ConfigurationError(f"format: 'csv' or 'jsonl', not {name!r}")


def _csv(record: BlockRecord) -> str:
    return _row([_cell(getattr(record, name)) for name in FIELDS])


def _row(cells: list[str] | tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    # A spreadsheet would run it: what stands there may come from a player, or from a server.
    starts = _CELL_ENDS.split(str(value))
    first = starts[0] if len(starts) == 1 or starts[0] else starts[1]
    marked = [each if place % 2 or not _is_formula(each) else f"'{each}" for place, each in enumerate(starts)]
    # A cell that begins with another, or with nothing, is marked as well.
    needs_mark = not starts[0] and (not first or first in "\t\r\n")
    return "'" * needs_mark + "".join(marked)


def _is_formula(text: str) -> bool:
    """Tell whether a spreadsheet may see a formula.

    It may be in full-width letters and after blanks, too.

    Or for one that was marked: that begins with the mark itself.
    """
    start = next((each for each in text if not _is_unseen(each)), "")
    return text.startswith("'") or unicodedata.normalize("NFKC", start)[:1] in _FORMULA_STARTS


def _is_unseen(letter: str) -> bool:
    # A quotation mark may end where it begins.
    return letter in _UNSEEN_LETTERS or letter == '"' or unicodedata.category(letter).startswith(_UNSEEN)


def _json(record: BlockRecord) -> str:
    return orjson.dumps(attrs.asdict(record)).decode().translate(_LINE_ENDS) + "\n"
