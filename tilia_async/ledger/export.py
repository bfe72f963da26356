"""The record as text: CSV for spreadsheets, JSON lines for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal, TypeAlias

import attrs
import orjson

from tilia_async.errors import ConfigurationError
from tilia_async.ledger.record import BlockRecord

Format: TypeAlias = Literal["csv", "jsonl"]

FIELDS: Final = tuple(field.name for field in attrs.fields(BlockRecord))
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


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
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _json(record: BlockRecord) -> str:
    return orjson.dumps(attrs.asdict(record)).decode() + "\n"
