"""The rows of a table, as spreadsheets write them."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from tilia_async.cli.text_lines import Line, Problem, ProblemKind

DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""Delimiters, and their names."""

GUESSED: Final = (",", ";", "\t")
"""Delimiters that need not be named."""

_MOST_LINES_OF_A_ROW: Final = 100
_SEP: Final = re.compile(r'"?sep=(.)"?', re.IGNORECASE)

Row: TypeAlias = "tuple[int, list[str] | Problem]"


class CsvRows:
    """The rows of lines, but for the empty ones.

    A field in quotes may have line breaks in it; one that is never closed costs only its own line.

    Args:
        choose: returns the delimiter, from the first row in which something stands.

    Attributes:
        delimiter: None until it is known.
    """

    def __init__(self, lines: Iterable[Line], choose: Callable[[int, str], str], delimiter: str | None = None) -> None:
        self.delimiter = delimiter
        self._is_delimiter_given = delimiter is not None
        self._choose = choose
        self._lines = iter(lines)
        self._again: deque[Line] = deque()

    def __iter__(self) -> Iterator[Row]:
        """Yield each row's first line number and fields."""
        while (line := self._next()) is not None:
            number, text = line
            if isinstance(text, Problem):
                yield number, text
            elif text and not text.isspace() and not self._says_delimiter(number, text):
                fields = self._fields(number, text)
                if isinstance(fields, Problem) or any(field and not field.isspace() for field in fields):
                    yield number, fields

    def _next(self) -> Line | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def _says_delimiter(self, number: int, text: str) -> bool:
        """Take a first line like ``sep=;``, as Excel does."""
        found = _SEP.fullmatch(text) if number == 1 else None
        if found is not None and not self._is_delimiter_given:
            self.delimiter = found[1]
        return found is not None

    def _fields(self, number: int, text: str) -> list[str] | Problem:
        if '"' not in text:
            return text.split(self._known_delimiter(number, text))
        taken: list[Line] = []
        while text.count('"') % 2 and len(taken) < _MOST_LINES_OF_A_ROW:
            following = self._next()
            if following is None:
                break
            taken.append(following)
            if isinstance(following[1], Problem):
                break
            text += f"\n{following[1]}"
        try:
            fields = split(text, self._known_delimiter(number, text))
            # Two stray quotes make one field of all the ids between them.
            why = "a quote is not closed on its line" if len(fields) == 1 and taken else None
        except csv.Error as error:
            fields = []
            why = "a quote is not closed" if text.count('"') % 2 else str(error)
        if why is None:
            return fields
        self._again.extendleft(reversed(taken))
        return Problem(number, ProblemKind.MALFORMED, f"is not CSV: {why}")

    def _known_delimiter(self, number: int, text: str) -> str:
        if self.delimiter is None:
            # A row of nothing but delimiters tells none of them.
            if not text.strip("".join(GUESSED)):
                return text[0]
            self.delimiter = self._choose(number, text)
        return self.delimiter


def split(text: str, delimiter: str) -> list[str]:
    """Return the fields of one row.

    Raises:
        csv.Error: its quotes are wrong.
    """
    return next(csv.reader([text], delimiter=delimiter, strict=True))
