"""How deep JSON may be nested in JSON."""

from __future__ import annotations

from typing import Final

import orjson

from tilia_async.json_value import JsonValue

DEEPEST: Final = 128
"""Levels. What Tilia documents has eight; a few hundred are more than Python can pickle."""

_BOM: Final = b"\xef\xbb\xbf"


def loads(text: bytes | str) -> JsonValue:
    """Read JSON that can be printed, pickled and written again. A byte order mark before it is left out.

    Raises:
        ValueError: it is no JSON, or is nested too deeply.
    """
    # orjson.JSONDecodeError is a ValueError.
    text = text.removeprefix("\ufeff") if isinstance(text, str) else text.removeprefix(_BOM)
    value: JsonValue = orjson.loads(text)
    # Counting is cheap, and mostly enough.
    openings = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    if openings > DEEPEST and _too_deep(value):
        raise ValueError("it is nested too deeply")
    return value


def _too_deep(value: JsonValue) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        containers = [each for each in level if isinstance(each, dict | list)]
        level = [part for each in containers for part in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return False
    return True
