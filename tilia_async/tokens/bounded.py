"""Maps that do not grow for ever."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST: Final = 256
"""Most entries of a cache.

A program asks for a dozen scope sets; one that makes up its scopes shall not fill the memory.
"""


def put(entries: MutableMapping[K, V], key: K, value: V) -> None:
    """Set an entry, within the limit.

    Of too many, those that were set longest ago go.
    """
    entries.pop(key, None)
    while len(entries) >= MOST:
        entries.pop(next(iter(entries)), None)
    entries[key] = value
