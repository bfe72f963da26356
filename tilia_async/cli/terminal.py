"""The output of the commands to streams.

Text is only ever text, and no failure of a stream ends in a traceback.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TextIO

import orjson
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from tilia_async.text import readable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CLOSED_PIPE: Final = 141
"""Exit status that shells give a command ended by SIGPIPE."""


class Screen(Console):
    """A console on which text is text.

    No markup, no emoji by name, no highlighting, no control characters.

    Args:
        stderr: print on standard error.
        width: in columns; None: as wide as the terminal.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    @property
    def columns(self) -> int | None:
        """Width of the terminal; None if it is none."""
        return self.width if self.is_terminal else None

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, and escape what would command the terminal.

        It renders as any console does.
        """
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment("\n".join(map(readable, segment.text.split("\n"))), segment.style)


def say(line: str) -> None:
    """Print a line on standard output."""
    print(readable(line), flush=True)


def say_text(text: str) -> None:
    """Print lines on standard output, unescaped: they are our own."""
    print(text)


def complain(line: str) -> None:
    """Print a line on standard error."""
    print(readable(line), file=sys.stderr, flush=True)


def complain_lines(message: str) -> None:
    """Print what is wrong on standard error, after our name."""
    for line in f"tilia: {message}".split("\n"):
        complain(line)


def say_json(value: object) -> None:
    """Print JSON on standard output, over several lines."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()
    print(shown_json(text, sys.stdout.encoding))


def ask_for(question: str) -> str:
    """Ask on standard error, and return the answer."""
    print(readable(question), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def complain_json(value: object) -> None:
    """Print JSON on standard error, over several lines."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()
    print(shown_json(text, sys.stderr.encoding), file=sys.stderr, flush=True)


def shown_json(text: str, encoding: str = "utf-8") -> str:
    """Return JSON with the unprintable escaped.

    The same JSON, in which what cannot be shown or encoded is escaped.
    """
    if not text.isascii() and not _is_encodable(text, encoding):
        text = "".join(each if each.isascii() else _escaped(each) for each in text)
    lines = text.split("\n")
    if all(map(str.isprintable, lines)):
        return text
    return "\n".join("".join(each if each.isprintable() else _escaped(each) for each in line) for line in lines)


def _is_encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


class ShownText(io.StringIO):
    """Standard output that escapes its lines.

    For what is a file's contents mostly, and now goes to a terminal.
    """

    def write(self, text: str, /) -> int:
        """Write lines, which may end as CSV's do."""
        sys.stdout.write("\n".join(map(readable, text.replace("\r\n", "\n").split("\n"))))
        return len(text)


class ClosedPipeError(Exception):
    """Loss of the reader of standard output.

    It has gone. It is not an OSError, because libraries have their own ways with that.
    """


class Streams:
    """The standard streams, made safe.

    From then until the command ends.

    A stream that was closed before the command began is opened, so that no file or connection of the command gets its
    number: to read or write it fails. One that is not UTF-8 escapes what it has no character for. What standard error
    does not take is lost without a word, since there is nowhere to say it.

    Attributes:
        failure: what became of standard output, other than that its reader has gone; None if all is well.
    """

    def __init__(self) -> None:
        _open_closed()
        sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - for as long as the process runs
        self._out, self._err = _Out(1), _Err(2)
        sys.stdout = _over(self._out, sys.stdout)
        sys.stderr = _over(self._err, sys.stderr)

    @property
    def failure(self) -> OSError | None:
        return self._out.failure

    def flush(self) -> None:
        """Write what still waits.

        Raises:
            ClosedPipeError: the reader has gone.
            OSError: it cannot be written.
        """
        sys.stdout.flush()
        sys.stderr.flush()


class _Out(io.FileIO):
    """Standard output that survives its failure.

    Once it has failed, all that follows is lost.
    """

    failure: OSError | None = None
    _is_closed = False

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)

    def write(self, data: ReadableBuffer, /) -> int:
        if self.failure is not None or self._is_closed:
            return len(memoryview(data).cast("B"))
        try:
            return super().write(data)
        except OSError as error:
            # Windows says EINVAL of a pipe without a reader.
            self._is_closed = error.errno == errno.EPIPE or (os.name == "nt" and error.errno == errno.EINVAL)
            if not self._is_closed:
                self.failure = error
                raise
        raise ClosedPipeError


class _Err(io.FileIO):
    """Standard error: what it does not take is lost."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data).cast("B"))


def _over(raw: io.FileIO, stream: TextIO | None) -> TextIO:
    """Return a stream over another way to write.

    With the settings of the one that Python made.
    """
    given: Any = stream
    if os.name == "nt" and stream is not None and stream.isatty():
        # Windows writes to a console by characters, and has no bytes for most of them.
        given.reconfigure(errors="backslashreplace")
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(given, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=getattr(given, "line_buffering", True),
        write_through=getattr(given, "write_through", False),
    )


def _open_closed() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The wrong way round: to read from a closed standard input is not an empty input.
            opened = os.open(os.devnull, os.O_WRONLY if number == 0 else os.O_RDONLY)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
