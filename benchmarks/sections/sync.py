"""Speed of a synchronous call beside other clients, and the price of crossing into the loop thread."""

from __future__ import annotations

import functools
import gc
import importlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack
from statistics import median

from benchmarks.contenders.load import Call
from benchmarks.contenders.peers import about, lack
from benchmarks.contenders.tilia_sync import client
from benchmarks.section import Section, Table
from benchmarks.stage import Stage, turns
from benchmarks.timing import Took, median_ratio, repeated, timed

THREADS = 16
ROUNDS = 9
SECONDS = 0.25
"""Length of one turn, roughly."""
WARM_UP = 50
OURS, BASE = "tilia_sync", "requests"
CLIENTS = (
    "raw_socket_sync",
    OURS,
    "pycurl",
    "primp",
    "pyreqwest",
    "rnet",
    "urllib3",
    "httpx",
    "niquests",
    BASE,
)
CROSSING, ITEM = "crossing", "item"
TOLD = {
    CROSSING: "an empty call: into the loop thread and back",
    ITEM: "an item of an iterator",
}

Programme = Mapping[str, Callable[[], Took]]


def threaded(name: str) -> str:
    """Name what a client does in many threads."""
    return f"{name}, threads"


def many_threads(make: Callable[[], Call], calls: int) -> Took:
    """Let each thread call with what ``make`` gives it; they start before the clock does."""
    start = threading.Barrier(THREADS + 1, timeout=60)

    def work(call: Call) -> None:
        call()
        start.wait()
        for _ in range(calls // THREADS):
            call()

    threads = [threading.Thread(target=work, args=(make(),)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()

    def all_of_them() -> None:
        start.wait()
        for thread in threads:
            thread.join()

    return timed(all_of_them, calls)


async def nothing() -> None:
    """Only cross."""


async def numbers(count: int) -> AsyncIterator[int]:
    """Only iterate."""
    for number in range(count):
        yield number


def taken_in_turns(url: str, names: Sequence[str], effort: float, rounds: int) -> dict[str, list[Took]]:
    with ExitStack() as opened:
        programme: dict[str, Callable[[], Took]] = {}
        for name in names:
            programme.update(of_a_client(opened, name, url, effort))
        programme.update(of_the_border(opened, url, effort))
        for work in programme.values():
            work()
        # The libraries of all of them are loaded here, and would be looked through at the expense of whoever runs.
        gc.collect()
        gc.freeze()
        found: dict[str, list[Took]] = {name: [] for name in programme}
        for order in turns(tuple(programme), rounds):
            for name in order:
                found[name].append(programme[name]())
        return found


def of_a_client(opened: ExitStack, name: str, url: str, effort: float) -> Programme:
    """Open a contender for one thread, and for many."""
    module = importlib.import_module(f"benchmarks.contenders.{name}")
    call: Call = opened.enter_context(module.blocking(url, 1))()
    for _ in range(WARM_UP):
        call()
    calls = max(4 * THREADS, int(effort * SECONDS * 1e6 / repeated(call, WARM_UP).wall))
    make: Callable[[], Call] = opened.enter_context(module.blocking(url, THREADS))
    # As many for each thread, and the same handles each time.
    of_threads = [make() for _ in range(THREADS)]

    def turn_of_threads() -> Took:
        left = iter(of_threads)
        return many_threads(lambda: next(left), calls)

    return {name: functools.partial(repeated, call, calls), threaded(name): turn_of_threads}


def of_the_border(opened: ExitStack, url: str, effort: float) -> Programme:
    tilia = opened.enter_context(client(url))
    lease = tilia._lease  # noqa: SLF001 - the border itself is what is measured
    crossings, items = max(1, int(5_000 * effort)), max(1, int(50_000 * effort))

    def all_items() -> None:
        for _ in lease.iterate(numbers(items)):
            pass

    return {
        CROSSING: functools.partial(repeated, lambda: lease.run(nothing), crossings),
        ITEM: functools.partial(timed, all_items, items),
    }


def measure(stage: Stage) -> Section:
    rounds = min(stage.rounds, ROUNDS)
    lacking = {name: lack(name) for name in CLIENTS}
    present = [name for name, absent in lacking.items() if absent is None]
    found = stage.run(taken_in_turns, stage.server.url, present, stage.effort, rounds)
    return Section(
        "Synchronous calls",
        f"The same GET, by one thread and by {THREADS}. All in one process on one core, which takes turns between "
        f"them; the median of {rounds} rounds. Where `uvloop` is installed, as here, the loop thread of `tilia_sync` "
        "runs on it.",
        Table(
            ("what", "µs", "µs of processor", "per second", f"calls/s × {BASE}"),
            tuple(row(name, taken, found) for name, taken in found.items()),
        ),
        {f"sync: {name}": [each.wall for each in taken] for name, taken in found.items()},
        [f"`{name}`: {about(name) if absent is None else f'left out: {absent}'}" for name, absent in lacking.items()],
    )


def row(name: str, taken: Sequence[Took], found: Mapping[str, Sequence[Took]]) -> tuple[str, ...]:
    wall = median(each.wall for each in taken)
    base = threaded(BASE) if name == threaded(name.partition(",")[0]) else BASE
    compared = name not in TOLD and base in found
    return (
        TOLD.get(name) or name.replace(", threads", f", {THREADS} threads"),
        f"{wall:.1f}",
        f"{median(each.processor for each in taken):.1f}",
        f"{1e6 / wall:,.0f}",
        f"{median_ratio([each.wall for each in found[base]], [each.wall for each in taken]):.2f}" if compared else "",
    )
