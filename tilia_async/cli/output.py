"""What the commands print: tables for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import attrs
import orjson
from rich.console import Console
from rich.table import Table

from tilia_async.errors import readable

Cell: TypeAlias = str | float | bool | datetime | Sequence[object] | Mapping[str, object] | None


def show(value: attrs.AttrsInstance, *, as_json: bool) -> None:
    """One model: a line for each field that is set, or a JSON object with all of them."""
    show_fields(attrs.asdict(value), as_json=as_json)


def show_fields(fields: Mapping[str, Cell], *, as_json: bool) -> None:
    """One thing: a line for each field that is set, or a JSON object with all of them."""
    if as_json:
        _print_json(fields)
        return
    table = Table.grid(padding=(0, 2))
    for name, content in fields.items():
        if content not in (None, "", (), [], {}):
            table.add_row(f"[dim]{name}[/]", cell(content))
    Console(highlight=False).print(table)


def show_rows(rows: Sequence[Mapping[str, Cell]], *, as_json: bool) -> None:
    """Several things of a kind: a table, or a JSON list."""
    if as_json:
        _print_json(list(rows))
        return
    console = Console(highlight=False)
    if not rows:
        console.print("[dim]none[/]")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(cell(content) for content in row.values()))
    console.print(table)


def _print_json(value: object) -> None:
    print(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())


def cell(content: Cell) -> str:
    """The content as text with markup, in which nothing of the content is markup."""
    if isinstance(content, datetime):
        text = content.isoformat(sep=" ", timespec="seconds")
    elif isinstance(content, Sequence) and not isinstance(content, str):
        text = ", ".join(map(str, content))
    else:
        text = "" if content is None else str(content)
    # What a file, a player or a server wrote must not command the terminal.
    return readable(text).replace("[", r"\[")
