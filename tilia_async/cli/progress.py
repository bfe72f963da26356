"""The progress of a bulk job, on standard error.

A bar in a terminal, a line every few seconds elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tilia_async.bulk import BulkOutcome, BulkProgress
from tilia_async.cli.terminal import Screen

SECONDS_BETWEEN_LINES: Final = 5.0
_SILENT_SECONDS: Final = 3.0

_STYLES: Final = {
    BulkOutcome.DONE: "green",
    BulkOutcome.SKIPPED: "cyan",
    BulkOutcome.OVERTAKEN: "yellow",
    BulkOutcome.KEPT: "yellow",
    BulkOutcome.NOT_FOUND: "yellow",
    BulkOutcome.REFUSED: "red",
    BulkOutcome.UNKNOWN: "magenta",
    BulkOutcome.FAILED: "red",
}


class Progress(Protocol):
    """Display of the latest progress.

    It shows what it is told last, as long as it is entered.

    Attributes:
        total: how many accounts there are.
        notes: what is said before the pace.
        rests: nobody works, so there is no pace.
    """

    latest: BulkProgress | None
    total: int
    notes: Sequence[str]
    rests: bool

    def update(self, progress: BulkProgress, /) -> None:
        """Show newer progress."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...


def progress_of(action: str, total: int, *, as_json: bool) -> Progress:
    """Return the display that fits standard error.

    Args:
        as_json: off a terminal a program reads it, which finds there a failure as JSON, and nothing else.
    """
    console = Screen(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        return Bar(action, total, console)
    return Silence(total) if as_json else Lines(action, total, console)


class Bar:
    """A bar that is drawn again and again.

    What is told is only kept; it is drawn a few times a second by a thread of its own, so a job of any speed pays
    nothing for it.
    """

    def __init__(self, action: str, total: int, console: Console) -> None:
        self.latest: BulkProgress | None = None
        self.total: int = total
        self.notes: Sequence[str] = ()
        self.rests: bool = False
        self._heard = monotonic()
        self._action = action
        # Standard output is not drawn upon: it may be a pipe for what a look-up finds.
        self._live = Live(console=console, get_renderable=self._drawn, refresh_per_second=5, redirect_stdout=False)

    def update(self, progress: BulkProgress, /) -> None:
        """Draw this next."""
        self.latest = progress
        self._heard = monotonic()

    def _drawn(self) -> Group:
        latest = self.latest
        settled = 0 if latest is None else latest.total
        first = Table.grid(padding=(0, 1), expand=True)
        first.add_column(no_wrap=True)
        first.add_column(ratio=1)
        first.add_column(no_wrap=True)
        first.add_row(
            Text(self._action, style="bold"),
            ProgressBar(total=self.total, completed=settled),
            Text(f"{settled:,} of {self.total:,}  {_percent(settled, self.total)}"),
        )
        if latest is None:
            return Group(first, Text("starting", style="dim"), Text(""))
        outcomes = Text("  ").join(Text(part, _STYLES[outcome]) for outcome, part in _outcomes(latest))
        if settled == self.total:
            return Group(first, outcomes)
        return Group(
            first,
            Text(", ".join([*self.notes, *self._pace(latest)]), style="dim"),
            outcomes,
        )

    def _pace(self, latest: BulkProgress) -> Sequence[str]:
        return () if self.rests else _pace(latest, self.total, monotonic() - self._heard)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self._live.stop()


class Lines:
    """Display in lines, for logs.

    A line every few seconds and one at the end.

    Args:
        seconds: between two lines.
    """

    def __init__(self, action: str, total: int, console: Console, seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self.latest: BulkProgress | None = None
        self.total: int = total
        self.notes: Sequence[str] = ()
        self.rests: bool = False
        self._heard = monotonic()
        self._action = action
        self._console = console
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._print_from_time_to_time, name="tilia-progress", daemon=True)

    def update(self, progress: BulkProgress, /) -> None:
        """Print this next."""
        self.latest = progress
        self._heard = monotonic()

    def _print_from_time_to_time(self) -> None:
        while not self._ended.wait(self._seconds):
            self._print()

    def _print(self) -> None:
        latest = self.latest
        if latest is None:
            line = f"0 of {self.total:,}, starting"
        else:
            paced = [] if self.rests else _pace(latest, self.total, monotonic() - self._heard)
            pace = [] if latest.total == self.total else [*self.notes, *paced]
            outcomes = ", ".join(part for _, part in _outcomes(latest))
            parts = [f"{latest.total:,} of {self.total:,} ({_percent(latest.total, self.total)})", *pace]
            line = f"{', '.join(parts)}; {outcomes}"
        self._console.print(Text(f"{self._action}: {line}"), soft_wrap=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self.latest is not None:
            self._print()


class Silence:
    """No display."""

    def __init__(self, total: int) -> None:
        self.latest: BulkProgress | None = None
        self.total: int = total
        self.notes: Sequence[str] = ()
        self.rests: bool = False

    def update(self, progress: BulkProgress, /) -> None:
        """Keep it."""
        self.latest = progress

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        pass


def _outcomes(progress: BulkProgress) -> list[tuple[BulkOutcome, str]]:
    """Return the outcomes that occurred.

    ``done`` in any case.
    """
    return [
        (outcome, f"{outcome.replace('_', ' ')} {number:,}")
        for outcome, number in progress.counts.items()
        if number or outcome is BulkOutcome.DONE
    ]


def _pace(progress: BulkProgress, total: int, silent: float) -> list[str]:
    """Return the pace.

    It says that there is none, after some seconds without news.
    """
    held_back = progress.holding - silent
    if silent >= _SILENT_SECONDS:
        parts = [f"nothing settled for {duration(silent)}"]
    else:
        parts = [f"{progress.rate:,.0f} a second"]
        if progress.rate > 0:
            parts.append(f"about {duration((total - progress.total) / progress.rate)} left")
        if progress.limit:
            parts.append(f"{progress.in_flight} of {progress.limit} in flight")
    if held_back > 0:
        parts.append(f"held back for {held_back:.0f} s")
    return parts


def _percent(settled: int, total: int) -> str:
    # Rounded down: 100 % is said only when all are settled.
    return f"{settled * 1000 // total / 10 if total else 100:.1f} %"


def duration(seconds: float) -> str:
    """Return a duration for people.

    ``7 s``, ``3 min 20 s``, ``2 h 05 min``, ``3 d 4 h``.
    """
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{whole} s"
