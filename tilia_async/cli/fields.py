"""Fields of JSON on the command line: ``name=value`` and ``name:=json``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click
import orjson

from tilia_async.json_value import JsonValue
from tilia_async.wire.redactor import is_named_secret


def read_fields(given: Iterable[str]) -> dict[str, JsonValue]:
    """Read fields as they are typed.

    A value that begins with ``@`` names a file; ``@-`` is standard input.

    Raises:
        click.BadParameter: one is no field, twice there, or a secret that anybody could have seen.
    """
    values: dict[str, JsonValue] = {}
    for each in given:
        name, is_field, text = each.partition("=")
        if not is_field or not name.rstrip(":"):
            raise _wrong(f"{each!r} is neither name=value nor name:=json")
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        if name in values:
            raise _wrong(f"{name} is there twice")
        if text.startswith("@"):
            text = _file(name, text[1:])
        elif is_named_secret(name):
            raise _wrong(
                f"{name} is a secret, and what is typed stands in the list of processes: "
                f"say {name}=@- and give it on standard input, or {name}=@FILE"
            )
        values[name] = _json(name, text) if is_json else text
    return values


def as_text(value: JsonValue) -> str:
    """Return a value as a path or query has it."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _file(name: str, file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise _wrong(f"{name}: {file} cannot be read: {why}") from None
    return text.removesuffix("\n").removesuffix("\r")


def _json(name: str, text: str) -> JsonValue:
    try:
        found: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _wrong(f"{name}: that is no JSON: {error}") from None
    return found


def _wrong(why: str) -> click.BadParameter:
    return click.BadParameter(why, param_hint="FIELD")
