"""The tables of the README, which stand at the head of ``results.md``; ``python -m benchmarks.summary`` prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.section import Table
from benchmarks.sections import calls, sync
from benchmarks.stage import Contender
from benchmarks.timing import median_ratio

HEADING = "## In short"
RESULTS = Path(__file__).parent / "results.md"
OURS, BY_HAND = "tilia", "aiohttp"
NAMES = {OURS: "**tilia_async**, typed", BY_HAND: "aiohttp by hand", "stripe": "stripe's SDK, on httpx"}
NO_PEERS = {OURS, "raw_socket"}
"""Contenders that are ours, or no client."""
COLUMNS: Mapping[str, tuple[str, str, Sequence[Contender]]] = {
    "GET, asyncio": ("asyncio", "contender", calls.GETTING),
    "GET, uvloop": ("uvloop", "contender", calls.GETTING),
    "POST, asyncio": ("asyncio", "posting", calls.POSTING),
    "POST, uvloop": ("uvloop", "posting", calls.POSTING),
}

Series = Mapping[str, Sequence[float]]


def of_calls(series: Series) -> Table:
    """Compare the processor time of a call with that of aiohttp by hand, and ours with the fastest peer's."""
    ratios = {column: ratios_of(series, *where) for column, where in COLUMNS.items()}
    modules = dict.fromkeys(contender.module for contender in calls.GETTING if contender.module not in calls.THREADED)
    found = {module: [ratios[column].get(module) for column in COLUMNS] for module in modules if module != "raw_socket"}
    ordered = sorted((module for module in found if any(found[module])), key=lambda module: least(found[module]))
    return Table(
        ("processor time of a call, × aiohttp by hand", *COLUMNS),
        (
            *((NAMES.get(module, module), *map(told, found[module])) for module in ordered),
            (
                "**tilia_async**, × the fastest other client",
                *(beside_the_fastest(ratios[column]) for column in COLUMNS),
            ),
        ),
    )


def ratios_of(series: Series, loop: str, way: str, contenders: Sequence[Contender]) -> dict[str, float]:
    """Divide by aiohttp by hand, round by round."""
    names = {
        contender.module: calls.series_name(contender)
        for contender in contenders
        if (contender.loop, contender.way) == (loop, way) and contender.module not in calls.THREADED
    }
    hand = series[names[BY_HAND]]
    return {
        module: median_ratio(series[name], rounds_of(hand, len(series[name])))
        for module, name in names.items()
        if name in series
    }


def rounds_of(values: Sequence[float], number: int) -> Sequence[float]:
    """Choose those rounds in which the slow contenders took their turns, too."""
    return values if len(values) == number else values[:: calls.SLOW_EVERY]


def least(ratios: Sequence[float | None]) -> float:
    return min(ratio for ratio in ratios if ratio is not None)


def told(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def beside_the_fastest(ratios: Mapping[str, float]) -> str:
    peers = {module: ratio for module, ratio in ratios.items() if module not in NO_PEERS}
    fastest = min(peers, key=lambda module: peers[module])
    return f"{ratios[OURS] / peers[fastest]:.2f} ({fastest})"


def of_sync(series: Series) -> Table:
    """Compare the calls a second of synchronous clients."""
    rates = {
        name: (rate(series, name, sync.BASE), rate(series, sync.threaded(name), sync.threaded(sync.BASE)))
        for name in sync.CLIENTS
        if f"sync: {name}" in series and name != "raw_socket_sync"
    }

    def place(threads: int, name: str) -> float:
        return rates[name][threads]

    ordered = sorted(rates, key=partial(place, 0), reverse=True)
    fastest = [max((name for name in rates if name != sync.OURS), key=partial(place, n)) for n in (0, 1)]
    beside = (f"{rates[sync.OURS][n] / rates[name][n]:.2f} ({name})" for n, name in enumerate(fastest))
    return Table(
        (f"synchronous calls a second, × {sync.BASE}", "one thread", f"{sync.THREADS} threads"),
        (
            *(("**tilia_sync**, typed" if name == sync.OURS else name, *map(told, rates[name])) for name in ordered),
            ("**tilia_sync**, × the fastest other client", *beside),
        ),
    )


def rate(series: Series, name: str, base: str) -> float:
    return median_ratio(series[f"sync: {base}"], series[f"sync: {name}"])


def lines(series: Series) -> Iterator[str]:
    """Write the part of ``results.md``."""
    from benchmarks.report import rows  # noqa: PLC0415 - which writes this part among others

    yield from (HEADING, "")
    yield from rows(of_calls(series))
    yield ""
    # A client that is missing here takes no part, also if the others are measured by it.
    if f"sync: {sync.BASE}" in series and f"sync: {sync.threaded(sync.BASE)}" in series:
        yield from rows(of_sync(series))
        yield ""


def is_whole(series: Series) -> bool:
    """Return True if all is measured that the tables compare."""
    wanted = {calls.series_name(by_hand) for by_hand in (Contender(BY_HAND, "asyncio", way) for way in calls.KINDS)}
    return wanted | {f"sync: {sync.BASE}"} <= series.keys()


def part(page: str) -> str:
    """Cut the tables out of the page."""
    _, _, after = page.partition(f"{HEADING}\n\n")
    return after.partition("\n## ")[0].rstrip("\n") + "\n"


if __name__ == "__main__":
    print(part(RESULTS.read_text(encoding="utf-8")), end="")
