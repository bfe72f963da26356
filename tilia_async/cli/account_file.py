"""A file of account ids.

One id per line, or CSV. It is read line by line, with what is wrong, and where.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import count
from typing import BinaryIO, Final, NamedTuple, TypeAlias

from tilia_async.checks import LONGEST_ID, identifier
from tilia_async.errors import readable

DEFAULT_COLUMN: Final = "account_id"

LONGEST_LINE: Final = 65_536
"""Longest line of a list, in bytes.

What is longer is not a line of a list.
"""

_MOST_LINES_OF_A_ROW: Final = 100
_BLANKS: Final = " \t"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LONGEST_QUOTE: Final = 48

_BEGINNINGS: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32 text; save it as UTF-8"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
    (b"\x1f\x8b", "compressed by gzip; unpack it first: gunzip -c FILE | tilia bulk … -"),
    (b"BZh91AY&SY", "compressed by bzip2; unpack it first"),
    (b"\xfd7zXZ", "compressed by xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it first"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook; save the sheet as CSV"),
    (b"%PDF-", "a PDF"),
    (b"SQLite format 3", "an SQLite database"),
    (b"{", "JSON; wanted is one id per line, or CSV"),
    (b"[", "JSON; wanted is one id per line, or CSV"),
    (b"<", "HTML or XML; wanted is one id per line, or CSV"),
)

_HEADINGS: Final = frozenset({"account", "accountid", "email", "id", "name", "user", "user_id", "userid", "username"})
"""Headings of columns without account ids.

To take the first column then would be a guess about whom to block.
"""


class AccountFileError(Exception):
    """The whole file cannot be used.

    The message says what it is, with the number of the line.
    """


class ProblemKind(StrEnum):
    """Kind of problem of one line."""

    EMPTY = "empty id"
    DUPLICATE = "duplicate"
    MALFORMED = "malformed"
    TOO_LONG = "too long"
    NOT_TEXT = "not text"


class Entry(NamedTuple):
    """An account id, with its line.

    The line on which it stands (or its row begins), counted from 1.
    """

    line: int
    account_id: str


class Problem(NamedTuple):
    """A line that gives no account id.

    ``what`` is a sentence without its subject, fit for a terminal.
    """

    line: int
    flaw: ProblemKind
    what: str


_Line: TypeAlias = "tuple[int, str | Problem]"
_Row: TypeAlias = "tuple[int, list[str] | Problem]"


class _Layout(NamedTuple):
    column: int
    width: int
    has_header: bool


def read(stream: BinaryIO, column: str | None = None) -> Iterator[Entry | Problem]:
    """Yield the ids of a file in its order.

    It yields the lines that have none, too.

    The text is UTF-8, with or without a byte order mark; lines end as on Unix or Windows. Blank lines at the end are
    passed over; elsewhere they are empty ids. Duplicates are not looked for here.

    Args:
        stream: opened for bytes.
        column: the name of the column, which the first row then has to have; None: ``account_id``, or, if the first
            row has no field of that name, it is not a header and the first column is taken.

    Raises:
        AccountFileError: the file is no such text, has no such column, or its first row cannot be read.
    """
    layout: _Layout | None = None
    # Blank rows wait here until something follows them: at the end of the file they mean nothing.
    first_blank, blanks = 0, 0
    for line, fields in _rows(_lines(stream)):
        if not isinstance(fields, Problem) and not fields[0].strip() and not "".join(fields).strip():
            first_blank = first_blank if blanks else line
            blanks += 1
            continue
        if blanks:
            for blank in range(first_blank, first_blank + blanks):
                yield Problem(blank, ProblemKind.EMPTY, "has no account id")
            blanks = 0
        if isinstance(fields, Problem):
            if layout is None:
                # It may have been the header, and without it another column would be taken.
                raise AccountFileError(f"line {line}: {fields.what}")
            yield fields
            continue
        if layout is None:
            layout = _layout_of(line, fields, column)
            if layout.has_header:
                continue
        yield _entry_of(line, fields, layout)


def _lines(stream: BinaryIO) -> Iterator[_Line]:
    for number in count(1):
        raw = stream.readline(LONGEST_LINE + 1)
        if not raw:
            return
        if number == 1:
            _look_at_the_beginning(raw)
            raw = raw.removeprefix(_BYTE_ORDER_MARK)
        if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(LONGEST_LINE)
            yield number, Problem(number, ProblemKind.TOO_LONG, f"is longer than {LONGEST_LINE:,} bytes")
            continue
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            what = f"is not UTF-8: byte 0x{raw[error.start]:02X} at position {error.start + 1}"
            yield number, Problem(number, ProblemKind.NOT_TEXT, what)
            continue
        text = text.removesuffix("\n").removesuffix("\r")
        if "\0" in text:
            yield number, Problem(number, ProblemKind.NOT_TEXT, "has a NUL byte in it: is this a binary file?")
        elif "\r" in text:
            what = "has a carriage return inside: save it with line ends of today"
            yield number, Problem(number, ProblemKind.MALFORMED, what)
        else:
            yield number, text


def _look_at_the_beginning(raw: bytes) -> None:
    for beginning, what in _BEGINNINGS:
        if raw.startswith(beginning):
            raise AccountFileError(f"line 1: the file is {what}")
    if b"\0" in raw:
        # Text of two bytes to a character has its zeros all at odd or all at even places.
        places = {match.start() % 2 for match in re.finditer(rb"\0", raw[:200])}
        what = "UTF-16 text; save it as UTF-8" if len(places) == 1 and len(raw) > 2 else "binary, not text"
        raise AccountFileError(f"line 1: the file is {what}")


def _rows(lines: Iterable[_Line]) -> Iterator[_Row]:
    """Rows of CSV.

    A field in quotes may have line breaks in it; one that is never closed costs only its own line.
    """
    source = iter(lines)
    again: deque[_Line] = deque()
    while (line := again.popleft() if again else next(source, None)) is not None:
        number, text = line
        if isinstance(text, Problem):
            yield number, text
            continue
        if '"' not in text:
            yield number, text.split(",")
            continue
        taken: list[_Line] = []
        while text.count('"') % 2 and len(taken) < _MOST_LINES_OF_A_ROW:
            following = again.popleft() if again else next(source, None)
            if following is None:
                break
            taken.append(following)
            if isinstance(following[1], Problem):
                break
            text += f"\n{following[1]}"
        try:
            fields = next(csv.reader([text], strict=True))
            # Two stray quotes make one field of all the ids between them.
            why = "a quote is not closed on its line" if len(fields) == 1 and taken else None
        except csv.Error as error:
            fields = []
            why = "a quote is not closed" if text.count('"') % 2 else str(error)
        if why is None:
            yield number, fields
        else:
            yield number, Problem(number, ProblemKind.MALFORMED, f"is not CSV: {why}")
            again.extendleft(reversed(taken))


def _layout_of(line: int, first: list[str], column: str | None) -> _Layout:
    names = [_heading(field) for field in first]
    wanted = _heading(column or DEFAULT_COLUMN)
    if names.count(wanted) > 1:
        raise AccountFileError(f"line {line}: {names.count(wanted)} columns are named {_quoted(wanted)}")
    if wanted in names:
        return _Layout(names.index(wanted), len(names), has_header=True)
    there = ", ".join(_quoted(field) for field in first[:20])
    if column is not None:
        raise AccountFileError(f"line {line}: no column is named {_quoted(column)}; there are: {there}")
    if names[0] in _HEADINGS:
        raise AccountFileError(
            f"line {line}: this looks like a header without {DEFAULT_COLUMN}; "
            f"name the column of the ids with --column: {there}"
        )
    if len(names) > 1:
        raise AccountFileError(
            f"line {line}: no column is named {DEFAULT_COLUMN}; name the column of the ids with --column: {there}"
        )
    return _Layout(0, len(names), has_header=False)


def _heading(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip()).casefold()


def _entry_of(line: int, fields: list[str], layout: _Layout) -> Entry | Problem:
    if len(fields) != layout.width:
        # A comma too many moves the columns, and the id would be someone else's.
        what = f"has {_columns(len(fields))}, where the first has {layout.width}"
        return Problem(line, ProblemKind.MALFORMED, what)
    account_id = fields[layout.column].strip(_BLANKS)
    if account_id.isascii() and account_id.replace("-", "").replace("_", "").isalnum():
        if len(account_id) <= LONGEST_ID:
            return Entry(line, account_id)
    elif not account_id:
        return Problem(line, ProblemKind.EMPTY, "has no account id")
    elif re.search(r"[\s;|\"]", account_id):
        what = "one id per line is wanted, or columns separated by commas"
        return Problem(line, ProblemKind.MALFORMED, f"{_quoted(account_id)} is no account id: {what}")
    if reasons := identifier(account_id):
        return Problem(line, ProblemKind.MALFORMED, f"the id {_quoted(account_id)} {', '.join(reasons)}")
    return Entry(line, account_id)


def _columns(number: int) -> str:
    return "1 column" if number == 1 else f"{number} columns"


def _quoted(text: str) -> str:
    shown = readable(text)
    return f"'{shown if len(shown) <= _LONGEST_QUOTE else shown[: _LONGEST_QUOTE - 1] + '…'}'"
