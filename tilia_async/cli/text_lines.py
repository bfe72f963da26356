"""The lines of a text, in the encodings of spreadsheets."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST_LINE: Final = 65_536
"""Longest line of a list, in bytes.

What is longer is not a line of a list.
"""

_BYTE_ORDER_MARK: Final = codecs.BOM_UTF8
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_HEAD: Final = 16

_BEGINNINGS: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32 text; save it as UTF-8"),
    (b"\x1f\x8b", "compressed by gzip; unpack it first: gunzip -c FILE | tilia bulk … -"),
    (b"BZh91AY&SY", "compressed by bzip2; unpack it first"),
    (b"\xfd7zXZ", "compressed by xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it first"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook; save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save the sheet as CSV"),
    (b"%PDF-", "a PDF"),
    (b"SQLite format 3", "an SQLite database"),
    (b"{", "JSON; wanted is one id per line, or CSV"),
    (b"[", "JSON; wanted is one id per line, or CSV"),
    (b"<", "HTML or XML; wanted is one id per line, or CSV"),
)


class AccountFileError(Exception):
    """The whole file cannot be used.

    The message says what it is, with the number of the line.
    """


class ProblemKind(StrEnum):
    """Kind of problem of one line."""

    EMPTY = "empty id"
    MALFORMED = "malformed"
    TOO_LONG = "too long"
    NOT_TEXT = "not text"
    UNKNOWN_NAME = "unknown name"


class Problem(NamedTuple):
    """A line that gives no account id.

    ``what`` is a sentence without its subject, fit for a terminal.
    """

    line: int
    flaw: ProblemKind
    what: str


Line: TypeAlias = "tuple[int, str | Problem]"


class TextLines:
    """The lines of a stream of bytes, without their ends.

    The encoding is what the byte order mark says, UTF-8, or, at the first line that is not, Windows-1252, unless text
    that is UTF-8 and more than ASCII has come before.

    Args:
        stream: opened for bytes.
        encoding: Python's name of it, if it was told.

    Attributes:
        encoding: as it is called in English.
        is_guessed: nobody told it, and nothing in the file does.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None = None) -> None:
        self.encoding: str = "UTF-8"
        self.is_guessed: bool = False
        self._given = encoding
        self._stream = stream
        self._may_be_windows = encoding is None

    def __iter__(self) -> Iterator[Line]:
        """Yield each line with its number.

        One that cannot be read is a problem.

        Raises:
            AccountFileError: the file is no text, or in another encoding.
        """
        head = self._stream.read(_HEAD)
        _look_at_the_beginning(head)
        readline = self._opened(head)
        for number in count(1):
            raw = readline(LONGEST_LINE + 1)
            if not raw:
                return
            if number == 1:
                raw = raw.removeprefix(_BYTE_ORDER_MARK)
                if self._given is None:
                    _look_for_zeros(raw)
            if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
                while raw and not raw.endswith(b"\n"):
                    raw = readline(LONGEST_LINE)
                yield number, Problem(number, ProblemKind.TOO_LONG, f"is longer than {LONGEST_LINE:,} bytes")
                continue
            yield number, self._text_of(number, raw)

    def _opened(self, head: bytes) -> Callable[[int], bytes]:
        """Return how to read a line as UTF-8.

        Or in the file's own encoding, where it is not yet known.
        """
        source = io.BufferedReader(_Continued(head, self._stream))
        given = self._given
        if head.startswith(_UTF_16_MARKS):
            if given is not None and not codecs.lookup(given).name.startswith("utf-16"):
                raise AccountFileError(f"line 1: the file begins as UTF-16 text does, and not as {given}")
            given = "utf-16"
        if given is None:
            self._may_be_windows = not head.startswith(_BYTE_ORDER_MARK)
            return source.readline
        self.encoding = _NAMES.get(codecs.lookup(given).name, given)
        text = io.TextIOWrapper(source, encoding=given, errors="replace", newline="\n")

        def read(size: int) -> bytes:
            try:
                return text.readline(size).encode("utf-8", "surrogatepass")
            except UnicodeError as error:
                # No byte is wrong, so none is replaced: such a text has to say in which order its bytes are.
                raise AccountFileError(f"line 1: the file is not {self.encoding}: {error}") from None

        return read

    def _text_of(self, number: int, raw: bytes) -> str | Problem:
        text = self._decoded(raw)
        if isinstance(text, UnicodeDecodeError):
            what = f"is not {self.encoding}: byte 0x{raw[text.start]:02X} at position {text.start + 1}"
            return Problem(number, ProblemKind.NOT_TEXT, what)
        text = text.removesuffix("\n").removesuffix("\r")
        if "\0" in text:
            return Problem(number, ProblemKind.NOT_TEXT, "has a NUL byte in it: is this a binary file?")
        if "\r" in text:
            what = "has a carriage return inside: save it with line ends of today"
            return Problem(number, ProblemKind.MALFORMED, what)
        if self._given is not None or self.encoding == "UTF-16":
            at = text.find(_REPLACEMENT)
            if at >= 0:
                return Problem(number, ProblemKind.NOT_TEXT, f"is not {self.encoding} at character {at + 1}")
        return text

    def _decoded(self, raw: bytes) -> str | UnicodeDecodeError:
        try:
            if self.is_guessed:
                return raw.decode("cp1252")
            text = raw.decode()
        except UnicodeDecodeError as error:
            is_utf_8_so_far = not raw[: error.start].isascii()
            if not self._may_be_windows or self.is_guessed or is_utf_8_so_far or _CONTROLS.search(raw):
                return error
            self.encoding, self.is_guessed = "Windows-1252", True
            return self._decoded(raw)
        if self._may_be_windows and not raw.isascii():
            self._may_be_windows = False
        return text


_NAMES: Final = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252", "iso8859-1": "ISO 8859-1"}


class _Continued(io.RawIOBase):
    """A stream of which some bytes were read before."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest
        # A terminal would ask for its end again.
        self._is_at_end = len(head) < _HEAD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        if self._head:
            data, self._head = self._head[: len(view)], self._head[len(view) :]
        elif self._is_at_end:
            return 0
        else:
            data = self._rest.read(len(view))
            self._is_at_end = len(data) < len(view)
        view[: len(data)] = data
        return len(data)


def _look_at_the_beginning(head: bytes) -> None:
    for beginning, what in _BEGINNINGS:
        if head.startswith(beginning):
            raise AccountFileError(f"line 1: the file is {what}")


def _look_for_zeros(raw: bytes) -> None:
    if b"\0" in raw:
        # Text of two bytes to a character has its zeros all at odd or all at even places.
        places = {match.start() % 2 for match in re.finditer(rb"\0", raw[:200])}
        is_text = len(places) == 1 and len(raw) > 2
        kind = "UTF-16 text without its mark; say so by --encoding utf-16-le, or -be" if is_text else "binary, not text"
        raise AccountFileError(f"line 1: the file is {kind}")
