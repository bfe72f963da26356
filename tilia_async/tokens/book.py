"""What stands in the file of a token store: for each identity its tokens, closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
import orjson

from tilia_async.json_value import JsonValue

_VERSION: Final = 1


@attrs.frozen
class Section:
    """The tokens of one identity.

    Attributes:
        until: when the last of them ends, in seconds since 1970: the only thing that stands there in the clear.
    """

    until: float
    closed: str


class NewerVersionError(Exception):
    """A later version of the SDK wrote it."""


def read_book(content: bytes) -> dict[str, Section]:
    """The sections by the names that their seals gave them.

    Raises:
        ValueError: the content is damaged.
        NewerVersionError: it has another shape than this version knows.
    """
    # orjson.JSONDecodeError is a ValueError.
    book: JsonValue = orjson.loads(content)
    if not isinstance(book, dict):
        raise ValueError("no book")  # noqa: TRY004 - the content is damaged, not of a wrong type
    version, identities = book.get("version"), book.get("identities")
    if isinstance(version, int) and version > _VERSION:
        raise NewerVersionError
    if version != _VERSION or not isinstance(identities, dict):
        raise ValueError("no book")
    return {name: _section(row) for name, row in identities.items()}


def write_book(sections: Mapping[str, Section]) -> bytes:
    """What :func:`read_book` reads."""
    identities = {name: attrs.asdict(section) for name, section in sections.items()}
    return orjson.dumps({"version": _VERSION, "identities": identities})


def _section(row: JsonValue) -> Section:
    if isinstance(row, dict):
        until, closed = row.get("until"), row.get("closed")
        if isinstance(until, int | float) and isinstance(closed, str):
            return Section(until, closed)
    raise ValueError("no section")
