"""The output of the commands.

Tables for people, JSON for programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import orjson
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from tilia_async.cli.terminal import Screen, say_json
from tilia_async.json_model import JsonModel
from tilia_async.text import readable

_GAP: Final = 2
_UNSET: Final[tuple[object, ...]] = (None, "", (), [], {})

Cell: TypeAlias = str | float | bool | datetime | Sequence[object] | Mapping[str, object] | None


def show(value: JsonModel, *, as_json: bool) -> None:
    """Print one model.

    A line for each field that is set, or a JSON object with all of them.
    """
    show_fields(value.to_dict(), as_json=as_json)


def show_fields(fields: Mapping[str, Cell], *, as_json: bool) -> None:
    """Print the fields of one thing.

    A line for each field that is set, or a JSON object with all of them.
    """
    if as_json:
        say_json(fields)
        return
    show_lines(Screen(), {name: cell(content) for name, content in fields.items() if content not in _UNSET})


def show_rows(rows: Sequence[Mapping[str, Cell]], *, as_json: bool) -> None:
    """Print several things of a kind.

    A table, a block of lines for each where it is too wide, or a JSON list.
    """
    if as_json:
        say_json(list(rows))
        return
    console = Screen()
    if not rows:
        console.print(Text("none", "dim"))
        return
    shown = [{name: cell(content) for name, content in row.items()} for row in rows]
    widths = [max(map(cell_len, (name, *(row[name] for row in shown)))) for name in rows[0]]
    width = sum(widths) + _GAP * (len(widths) - 1)
    if console.is_terminal and width > console.width:
        for number, row in enumerate(shown):
            if number:
                console.print()
            show_lines(console, {name: text for name, text in row.items() if text})
        return
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for name in rows[0]:
        table.add_column(name)
    for row in shown:
        table.add_row(*row.values())
    # What is no terminal has no width of its own: nothing is cut there.
    Screen(width=width).print(table)


def show_lines(console: Screen, fields: Mapping[str, str]) -> None:
    """Print a line for each field.

    The terminal folds what is longer than it is wide: an id is whole where it is copied.
    """
    longest = max(map(cell_len, fields), default=0)
    for name, text in fields.items():
        console.print(Text.assemble((f"{name:{longest}}", "dim"), "  ", text), soft_wrap=True)


def cell(content: Cell) -> str:
    """Return the content as text on one line."""
    if isinstance(content, datetime):
        text = content.isoformat(sep=" ", timespec="seconds")
    elif isinstance(content, Sequence) and not isinstance(content, str):
        text = ", ".join(each if isinstance(each, str) else _json(each) for each in content)
    elif isinstance(content, str):
        text = content
    else:
        text = "" if content is None else _json(content)
    return readable(text)


def _json(value: object) -> str:
    """Return a value as JSON, on one line."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
