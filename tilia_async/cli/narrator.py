"""The narrator of the demo.

It tells line by line what the demo does, in a terminal as well as in a file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar

from rich.text import Text

from tilia_async.api import OPERATIONS
from tilia_async.cli.terminal import Screen
from tilia_async.errors import TiliaError
from tilia_async.tokens.fetch import TOKEN
from tilia_async.wire.operation import Operation

T = TypeVar("T")
E = TypeVar("E", bound=TiliaError)

_INDENT = 4


class Narrator:
    """Narrator of chapters and steps.

    A step has operation, scope, time and what came back.
    """

    def __init__(self, console: Screen) -> None:
        self.console = console

    def chapter(self, title: str) -> None:
        """Begin a part of the walk."""
        self.console.print()
        self.console.rule(Text(title, "bold"), align="left", style="cyan", characters="─")

    def say(self, text: str) -> None:
        """Print one sentence of explanation."""
        self._print(Text(text, "dim"), 2)

    async def step(self, what: str, name: str, call: Awaitable[T]) -> T:
        """Wait for a call and tell about it."""
        started = perf_counter()
        value = await call
        self._line(Text("✓", "green"), what, name, perf_counter() - started)
        return value

    def step_sync(self, what: str, name: str, call: Callable[[], T]) -> T:
        """Do and tell a call that blocks."""
        started = perf_counter()
        value = call()
        self._line(Text("✓", "green"), what, name, perf_counter() - started)
        return value

    async def refused(self, what: str, name: str, call: Awaitable[object], expected: type[E]) -> E:
        """Wait for a call's expected failure, and tell it.

        The call has to fail in a certain way.

        Raises:
            RuntimeError: it did not fail.
        """
        started = perf_counter()
        try:
            await call
        except expected as error:
            self._line(Text("✗", "yellow"), what, name, perf_counter() - started)
            self.result(Text.assemble((type(error).__name__, "yellow"), f" {error}"))
            return error
        raise RuntimeError(f"{name} was expected to end with {expected.__name__}")

    def result(self, text: str | Text) -> None:
        """Print what came back."""
        self._print(Text.assemble(("→ ", "dim"), text), _INDENT)

    def _line(self, mark: Text, what: str, name: str, seconds: float) -> None:
        operation = TOKEN if name == TOKEN.name else OPERATIONS[name]
        self.console.print(Text.assemble("  ", mark, f" {what}  ", (f"{seconds * 1000:.0f} ms", "dim")))
        self._print(_signature(operation), _INDENT)

    def _print(self, text: Text, indent: int) -> None:
        """Print text, wrapped under its own beginning.

        Without blanks at the end of lines, which a file would show.
        """
        for line in text.wrap(self.console, self.console.width - indent):
            line.rstrip()
            self.console.print(Text(" " * indent) + line)


def _signature(operation: Operation[object]) -> Text:
    scopes = ", ".join(sorted(operation.scopes))
    text = Text(f"{operation.method} ", style="blue")
    text.append(f"{operation.service}", style="cyan")
    text.append(operation.path, style="default")
    if scopes:
        text.append(f"  scope {scopes}", style="magenta")
    return text
