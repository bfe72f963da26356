"""The display of a bulk job while it runs."""

import io
import re
import threading
from time import monotonic

import pytest
from rich.cells import cell_len
from rich.console import Console

from tilia_async.bulk import BulkOutcome, BulkProgress
from tilia_async.cli import progress
from tilia_async.cli.progress import Bar, Lines, duration


def at(settled: int, *, rate: float = 250.0, holding: float = 0.0, **counts: int) -> BulkProgress:
    return BulkProgress(
        total=settled,
        counts={outcome: counts.get(outcome, 0) for outcome in BulkOutcome},
        in_flight=60,
        limit=64,
        holding=holding,
        elapsed=1.0,
        rate=rate,
    )


class Log(io.StringIO):
    """Knows when a line has been written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def flush(self) -> None:
        if self.getvalue():
            self.written.set()


def test_a_log_gets_a_line_from_time_to_time_and_one_at_the_end() -> None:
    log = Log()
    with Lines("block", 1_000_000, Console(file=log, width=80), seconds=0.01) as lines:
        assert log.written.wait(10)
        lines.update(at(2_500, done=2_400, not_found=100, holding=3))
    first, *_, last = log.getvalue().splitlines()
    assert first == "block: 0 of 1,000,000, starting"
    assert last == (
        "block: 2,500 of 1,000,000 (0.2 %), 250 a second, about 1 h 06 min left, 60 of 64 in flight, "
        "held back for 3 s; done 2,400, not found 100"
    )


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("settled", [0, 999_999, 1_000_000])
def test_a_bar_fits_in_the_terminal(width: int, settled: int) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None, legacy_windows=False)
    with Bar("unblock", 1_000_000, console) as bar:
        if settled:
            bar.update(at(settled, rate=9_999, holding=60, done=settled - 7, failed=7))
    lines = [line for line in screen.getvalue().splitlines() if "of 1,000,000" in line or "in flight" in line]
    assert lines
    shown = lines[-2:] if 0 < settled < 1_000_000 else lines[-1:]
    assert all(width - 1 <= cell_len(line.split("K")[-1]) <= width for line in shown if "of 1,000,000" in line)
    if settled:
        assert {0: "0.0 %", 999_999: "99.9 %", 1_000_000: "100.0 %"}[settled] in shown[0]
        assert f"done {settled - 7:,}  failed 7" in screen.getvalue()
    else:
        assert "starting" in screen.getvalue()


def test_it_is_said_when_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    with Bar("block", 100, Console(file=screen, width=80, force_terminal=True, color_system=None)) as bar:
        bar.update(at(50, done=50, holding=30))
        now = monotonic()
        monkeypatch.setattr(progress, "monotonic", lambda: now + 12)
    assert re.search(r"nothing settled for 12 s, held back for 18 s\s", screen.getvalue())


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7_500, "2 h 05 min"), (273_600, "3 d 4 h")],
)
def test_how_long_it_takes(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_of_a_job_that_rests_no_pace_is_shown() -> None:
    screen = io.StringIO()
    with Bar("block", 10, Console(file=screen, width=80, force_terminal=True, color_system=None)) as bar:
        bar.total, bar.notes, bar.rests = 1_000, ["paused"], True
        bar.update(at(250, done=250))
    assert "250 of 1,000" in screen.getvalue()
    assert "\npaused" in screen.getvalue().replace("\r", "")
    assert "a second" not in screen.getvalue()
    log = io.StringIO()
    with Lines("block", 10, Console(file=log, width=80), seconds=60.0) as lines:
        lines.total, lines.notes = 1_000, ["2 workers"]
        lines.update(at(250, done=250))
    assert log.getvalue().startswith("block: 250 of 1,000 (25.0 %), 2 workers, 250 a second")
