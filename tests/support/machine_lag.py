"""The time that a busy machine took from a test.

A limit of time is for the package and not for what else the machine does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import attrs

BEAT = 0.005
"""Seconds between two looks."""

_MOST = 2 / 3
"""Part of a time that the machine may have taken."""


@attrs.define
class Lag:
    """Time for which this process waited.

    For a processor, or for a disk.

    Attributes:
        seconds: two thirds of the whole time, at most: three times a limit is too much on any machine.
    """

    seconds: float = 0.0


@contextmanager
def machine_lag() -> Iterator[Lag]:
    """Measure the lag of all that is done inside.

    It is told at the end. Linux tells how long each thread waited for a processor, and how long anything waited for a
    disk; the longest of these counts. Elsewhere a thread that sleeps and looks how late it wakes tells a part of it: the
    more a thread has to do, the later it gets its turn.
    """
    lag, late, over = Lag(), Lag(), Event()

    def beat() -> None:
        at, used = time.monotonic(), time.process_time()
        while not over.wait(BEAT):
            now, so_far = time.monotonic(), time.process_time()
            slept = now - at - BEAT - (so_far - used)
            late.seconds += slept if slept > BEAT else 0.0
            at, used = now, so_far

    thread = Thread(target=beat, name="machine lag")
    thread.start()
    began, before, disk = time.monotonic(), _processor_waits(), _disk_wait()
    try:
        yield lag
    finally:
        own = str(thread.native_id)
        waits = [wait - before.get(each, 0.0) for each, wait in _processor_waits().items() if each != own]
        most = (time.monotonic() - began) * _MOST
        over.set()
        thread.join()
        lag.seconds = min(max(late.seconds, _disk_wait() - disk, *waits), most)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Hold what is done inside to a time.

    Less what the machine took from it.
    """
    with machine_lag() as lag:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
    assert took < seconds + lag.seconds


def waited_for_processor() -> float:
    """Return how long this thread waited for a processor.

    In seconds; 0 where the system does not tell. A wait for the interpreter's lock is not counted: it is our own.
    """
    return _wait_in(Path("/proc/thread-self/schedstat"))


def _processor_waits() -> dict[str, float]:
    """Return the waits of each thread, by its number."""
    return {each.name: _wait_in(each / "schedstat") for each in Path("/proc/self/task").glob("*")}


def _wait_in(schedstat: Path) -> float:
    try:
        return int(schedstat.read_text().split()[1]) / 1e9
    except OSError:
        # No such system, or the thread has ended.
        return 0.0


def _disk_wait() -> float:
    """Return the seconds that tasks waited for disks.

    Any of this machine.
    """
    try:
        told = re.search(r"^some .*total=(\d+)", Path("/proc/pressure/io").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return 0.0 if told is None else int(told[1]) / 1e6
