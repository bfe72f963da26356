"""The record as text: CSV for spreadsheets, JSON lines for programs."""

from __future__ import annotations

import csv
import io
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

_UNSEEN: Final = ("C", "Z")
"""Unicode's categories of blanks and of what cannot be seen; spreadsheets drop some of it from the start of a cell."""

_LINE_ENDS: Final = {ord(each): f"\\u{ord(each):04x}" for each in "\x85\u2028\u2029"}
"""Characters that end a line for some programs, although JSON lets them stand."""


@attrs.frozen
class Layout:
    """How records are written.

    Attributes:
        head: what stands before them.
        line: one of them, with its line end.
    """

    head: str
    line: Callable[[BlockRecord], str]


def layout(name: str) -> Layout:
    """The layout of a format.

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
    text = str(value)
    # A spreadsheet would run it: what stands there may come from a player, or from a server.
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Tell whether a spreadsheet may take a text for a formula, in full-width letters and after blanks, too."""
    if text.startswith(("\t", "\r", "\n")):
        return True
    start = next((each for each in text if not unicodedata.category(each).startswith(_UNSEEN)), "")
    return unicodedata.normalize("NFKC", start) in _FORMULA_STARTS


def _json(record: BlockRecord) -> str:
    return orjson.dumps(attrs.asdict(record)).decode().translate(_LINE_ENDS) + "\n"
