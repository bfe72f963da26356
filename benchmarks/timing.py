"""Clocks, and what to make of many measurements."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import attrs


@attrs.frozen
class Took:
    """Time that one of many calls took, in microseconds.

    Attributes:
        wall: of the clock on the wall.
        processor: of this process, all of its threads together.
    """

    wall: float
    processor: float


@attrs.define
class Stopwatch:
    """Runs within a ``with``; seconds afterwards."""

    wall: float = 0.0
    processor: float = 0.0

    def per_call(self, calls: int) -> Took:
        return Took(self.wall / calls * 1e6, self.processor / calls * 1e6)


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time what is done within; nothing that others left behind is collected on its account."""
    gc.collect()
    watch = Stopwatch()
    wall, processor = time.perf_counter(), time.process_time()
    yield watch
    watch.processor = time.process_time() - processor
    watch.wall = time.perf_counter() - wall


def timed(work: Callable[[], object], calls: int) -> Took:
    """Do the work, which makes so many calls."""
    with stopwatch() as watch:
        work()
    return watch.per_call(calls)


async def timed_async(work: Callable[[], Awaitable[object]], calls: int) -> Took:
    """Time work to be awaited, as ``timed`` does."""
    with stopwatch() as watch:
        await work()
    return watch.per_call(calls)


def repeated(work: Callable[[], object], calls: int) -> Took:
    """Do the work so many times."""

    def all_of_it() -> None:
        for _ in range(calls):
            work()

    return timed(all_of_it, calls)


def median_ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the rounds' ratios: what else the machine does strikes both sides of a round alike."""
    return statistics.median(above / below for above, below in zip(over, under, strict=True))
