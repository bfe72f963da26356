"""The time that a busy machine took from a test.

A limit of time is for the package and not for what else the machine does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import attrs

BEAT = 0.005
"""Seconds between two looks."""


@attrs.define
class Lag:
    """Seconds in which this process waited for a processor.

    Attributes:
        seconds: without those that its own threads have computed: what they hold up is no fault of the machine.
    """

    seconds: float = 0.0


@contextmanager
def machine_lag() -> Iterator[Lag]:
    """Measure the lag of all that is done inside."""
    lag, over = Lag(), Event()

    def beat() -> None:
        at, used = time.monotonic(), time.process_time()
        while not over.wait(BEAT):
            now, so_far = time.monotonic(), time.process_time()
            late = now - at - BEAT - (so_far - used)
            lag.seconds += late if late > BEAT else 0.0
            at, used = now, so_far

    thread = Thread(target=beat, name="machine lag")
    thread.start()
    try:
        yield lag
    finally:
        over.set()
        thread.join()
