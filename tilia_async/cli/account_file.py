"""A file of account ids or usernames.

One per line, or a table with a column of them. It is read line by line, with what is wrong, and where.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import BinaryIO, Final, NamedTuple

import attrs

from tilia_async import checks
from tilia_async.checks import LONGEST_ID
from tilia_async.cli.csv_rows import DELIMITERS, GUESSED, CsvRows, split
from tilia_async.cli.text_lines import AccountFileError, Problem, ProblemKind, TextLines
from tilia_async.text import readable

_BLANKS: Final = " \t"
_LONGEST_QUOTE: Final = 48
_LONGEST_USERNAME: Final = 254

_HEADINGS: Final = frozenset({"account", "accountid", "email", "id", "name", "user", "user_id", "userid", "username"})
"""Headings of columns without account ids.

To take the first column then would be a guess about whom to block.
"""

_FORM_OF_TILIA: Final = re.compile(r"acct_\w+|[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
"""Forms of the ids that Tilia gives out (fact sheet "accounts", section C)."""

_MANY_LENGTHS: Final = 3
_BEGINNING: Final = 3
_FORM_OF_A_NAME: Final = re.compile(r"[^\W\d_]+(?:[ .'-][^\W\d_]+)*|[^@\s]+@[^@\s]+|\S+ \S.*")


def has_form_of_tilia(text: str) -> bool:
    """Return True for the form of Tilia's account ids."""
    return _FORM_OF_TILIA.fullmatch(text) is not None


class By(StrEnum):
    """Kind of name that an account is given by."""

    ID = "id"
    USERNAME = "username"


DEFAULT_COLUMNS: Final = {By.ID: "account_id", By.USERNAME: "username"}


@attrs.frozen(kw_only=True)
class FileOptions:
    """Statements of a user about a file.

    None stands for what was not said.

    Attributes:
        column: the heading of the column.
        delimiter: one character.
        encoding: as Python calls it.
        by: ids or usernames.
    """

    column: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    by: By | None = None


class Entry(NamedTuple):
    """An account id or a username, with its line.

    The line on which it stands (or its row begins), counted from 1.
    """

    line: int
    value: str


class _Layout(NamedTuple):
    column: int
    names: list[str]
    has_header: bool


class AccountFile:
    """A file of accounts, to be read once.

    Lines end as on Unix or Windows. Rows in which nothing stands are passed over, and rows that end early are read if
    they reach the column. Duplicates are not looked for here.

    Args:
        stream: opened for bytes.
        options: what was said about it. Without a name the column is ``account_id`` (``username``); if the first row
            has no field of that name and is one field, it is not a header, and each line is one account.
    """

    def __init__(self, stream: BinaryIO, options: FileOptions | None = None) -> None:
        self._options = options or FileOptions()
        self._by = self._options.by or By.ID
        self._lines = TextLines(stream, self._options.encoding)
        self._rows = CsvRows(self._lines, self._choose_delimiter, self._options.delimiter)
        self._layout: _Layout | None = None
        self._shapes = _Shapes()
        self._empty = 0

    def __iter__(self) -> Iterator[Entry | Problem]:
        """Yield the accounts in the file's order.

        A line that has none is a problem.

        Raises:
            AccountFileError: the file is no such text, has no such column, or its first row cannot be read.
        """
        for line, fields in self._rows:
            if isinstance(fields, Problem):
                if self._layout is None:
                    # It may have been the header, and without it another column would be taken.
                    raise AccountFileError(f"line {line}: {fields.what}")
                yield fields
                continue
            if self._layout is None:
                self._layout = self._layout_of(line, fields)
                if self._layout.has_header:
                    continue
            yield self._entry_of(line, fields, self._layout)

    def read_as(self) -> Mapping[str, str]:
        """Return how the file was read: encoding, delimiter, column."""
        layout = self._layout
        layout_lines = {"encoding": f"{self._lines.encoding}{' (a guess)' if self._lines.is_guessed else ''}"}
        if layout is not None and len(layout.names) > 1 and self._rows.delimiter is not None:
            layout_lines["delimiter"] = DELIMITERS.get(self._rows.delimiter, self._rows.delimiter)
        if layout is not None and layout.has_header:
            place = f" ({layout.column + 1} of {len(layout.names)})" if len(layout.names) > 1 else ""
            layout_lines["column"] = f"{_quoted(layout.names[layout.column])}{place}"
        elif layout is not None:
            layout_lines["layout"] = "no header, one on each line"
        return layout_lines

    def diagnosis(self) -> str | None:
        """Return what is wrong with the whole file, or None.

        One sentence instead of one for each line.
        """
        shapes, layout = self._shapes, self._layout
        if self._options.by is None and shapes.are_names:
            return (
                f"it has names in it, and no account ids: {', '.join(map(_quoted, shapes.first))}. "
                "Look them up first with --by username; if they are ids all the same, say --by id"
            )
        if layout is not None and self._empty and not shapes.number:
            columns = ", ".join(map(_quoted, layout.names[:20]))
            return f"the column {_quoted(layout.names[layout.column])} is empty; there are: {columns}; see --column"
        return None

    @property
    def is_strange(self) -> bool:
        """True if no id has the form of Tilia's."""
        return self._by is By.ID and self._shapes.number > 0 and not self._shapes.of_tilia

    def _choose_delimiter(self, line: int, text: str) -> str:
        wanted = _heading(self._wanted)
        splits: dict[str, list[str]] = {}
        for each in GUESSED:
            try:
                splits[each] = split(text, each) if '"' in text else text.split(each)
            except csv.Error:
                continue
        having = {each: fields for each, fields in splits.items() if wanted in map(_heading, fields)}
        if sum(len(fields) > 1 for fields in having.values()) > 1:
            raise AccountFileError(f"line {line}: the delimiter cannot be told from it; name it with --delimiter")
        if having:
            return max(having, key=lambda each: len(having[each]))
        # Blanks around a single value make no columns.
        return max(splits, key=lambda each: sum(not _is_blank(field) for field in splits[each]), default=GUESSED[0])

    @property
    def _wanted(self) -> str:
        return self._options.column or DEFAULT_COLUMNS[self._by]

    def _layout_of(self, line: int, first: list[str]) -> _Layout:
        names = [_heading(field) for field in first]
        wanted, column = _heading(self._wanted), self._options.column
        if names.count(wanted) > 1:
            raise AccountFileError(f"line {line}: {names.count(wanted)} columns are named {_quoted(wanted)}")
        if wanted in names:
            return _Layout(names.index(wanted), first, has_header=True)
        there = ", ".join(_quoted(field) for field in first[:20])
        if column is not None:
            raise AccountFileError(f"line {line}: no column is named {_quoted(column)}; there are: {there}")
        default = DEFAULT_COLUMNS[self._by]
        what = "ids" if self._by is By.ID else "usernames"
        hint = f"name the column of the {what} with --column: {there}"
        if self._by is By.ID and "username" in names:
            hint += "; or look the users up first with --by username"
        if names[0] in _HEADINGS:
            raise AccountFileError(f"line {line}: this looks like a header without {default}; {hint}")
        if len(names) > 1:
            raise AccountFileError(f"line {line}: no column is named {default}; {hint}")
        return _Layout(0, first, has_header=False)

    def _entry_of(self, line: int, fields: list[str], layout: _Layout) -> Entry | Problem:
        width = len(layout.names)
        if len(fields) > width and not all(map(_is_blank, fields[width:])):
            # A delimiter too many moves the columns, and the id would be someone else's.
            what = f"has {_columns(len(fields))}, where the first has {width}"
            return Problem(line, ProblemKind.MALFORMED, what)
        value = fields[layout.column].strip(_BLANKS) if len(fields) > layout.column else ""
        if not value:
            self._empty += 1
            return Problem(line, ProblemKind.EMPTY, f"has no {_NOUNS[self._by]}")
        self._shapes.add(value)
        problem = _problem_of_name(value) if self._by is By.USERNAME else _problem_of_id(value)
        return Entry(line, value) if problem is None else Problem(line, ProblemKind.MALFORMED, problem)


_NOUNS: Final = {By.ID: "account id", By.USERNAME: "username"}


class _Shapes:
    """The shapes of the values of a file.

    They are counted until the first that is an id of Tilia's.
    """

    def __init__(self) -> None:
        self.number = self.of_tilia = self.like_names = 0
        self.first: list[str] = []
        self._lengths: set[int] = set()
        self._beginnings: set[str] = set()

    def add(self, value: str) -> None:
        if self.of_tilia:
            # One is enough to know that the file has ids in it.
            return
        self.number += 1
        if len(self.first) < 3:
            self.first.append(value)
        if _FORM_OF_TILIA.fullmatch(value):
            self.of_tilia += 1
            return
        self.like_names += _FORM_OF_A_NAME.fullmatch(value) is not None
        self._lengths.add(len(value))
        if len(self._beginnings) < 2:
            self._beginnings.add(value[:_BEGINNING])

    @property
    def are_names(self) -> bool:
        """True if most are like names, and none like ids.

        A machine makes ids of a few lengths, or with the same beginning.
        """
        if self.of_tilia:
            return False
        are_alike = len(self._lengths) < _MANY_LENGTHS or len(self._beginnings) == 1
        return self.like_names * 2 > self.number or not are_alike


def _is_blank(field: str) -> bool:
    return not field or field.isspace()


def _heading(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip()).casefold()


def _problem_of_id(value: str) -> str | None:
    if value.isascii() and value.replace("-", "").replace("_", "").isalnum():
        if len(value) <= LONGEST_ID:
            return None
    elif re.search(r"[\s;,|\"]", value):
        return f"{_quoted(value)} is no account id: one id per line is wanted, or columns"
    reasons = checks.identifier(value)
    return f"the id {_quoted(value)} {', '.join(reasons)}" if reasons else None


def _problem_of_name(value: str) -> str | None:
    reasons = checks.text(value, longest=_LONGEST_USERNAME)
    return f"the username {_quoted(value)} {', '.join(reasons)}" if reasons else None


def _columns(number: int) -> str:
    return "1 column" if number == 1 else f"{number} columns"


def _quoted(text: str) -> str:
    shown = readable(text)
    return f"'{shown if len(shown) <= _LONGEST_QUOTE else shown[: _LONGEST_QUOTE - 1] + '…'}'"
