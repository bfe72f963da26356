"""Reading of JSON with bounded nesting.

The bound is on how deep JSON may be nested in JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from tilia_async.json_value import JsonValue

DEEPEST: Final = 128
"""Levels.

What Tilia documents has eight; a few hundred are more than Python can pickle.
"""

_SHALLOW: Final = 2 * DEEPEST
_CONTAINERS: Final = frozenset({dict, list})
_BOM: Final = b"\xef\xbb\xbf"


def loads(text: bytes | str) -> JsonValue:
    """Read JSON that can be printed, pickled and written again.

    A byte order mark before it is left out.

    Raises:
        ValueError: it is not JSON, or is nested too deeply.
    """
    if isinstance(text, str):
        # A surrogate alone is no text; orjson says so of what it is passed on as.
        text = text.encode("utf-8", "surrogatepass")
    text = text.removeprefix(_BOM)
    # orjson.JSONDecodeError is a ValueError.
    value: JsonValue = orjson.loads(text)
    # Each level takes two characters. To count what opens one costs a fraction of the walk, and is mostly enough.
    if len(text) > _SHALLOW and text.count(b"{") + text.count(b"[") > DEEPEST and _too_deep(value):
        raise ValueError("it is nested too deeply")
    return value


def _too_deep(value: JsonValue) -> bool:
    level: list[JsonValue] = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        # The types of what orjson makes are exact, and a look at them is the cheapest one.
        level = [part for each in level for part in _parts(each) if type(part) in _CONTAINERS]
        if not level:
            return False
    return True


def _parts(container: JsonValue) -> Iterable[JsonValue]:
    if isinstance(container, dict):
        return container.values()
    return container if isinstance(container, list) else ()
