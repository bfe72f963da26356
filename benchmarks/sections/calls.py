"""What a call costs: all contenders side by side, with 64 calls in flight."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from statistics import median

from benchmarks.answers import BODY
from benchmarks.contenders.load import POOL
from benchmarks.section import Section, Table
from benchmarks.stage import Contender, Stage, turns
from benchmarks.timing import Took, median_ratio

IN_FLIGHT = 64
SECONDS = 0.5
"""Of one turn, roughly."""

CONTENDERS = (
    Contender("raw_socket", "asyncio"),
    Contender("raw_socket", "uvloop"),
    Contender("tilia", "asyncio"),
    Contender("aiohttp", "asyncio"),
    Contender("tilia", "uvloop"),
    Contender("aiohttp", "uvloop"),
    Contender("httpx", "asyncio"),
    Contender("httpx", "uvloop"),
    Contender("stripe", "asyncio"),
    Contender("requests", "asyncio"),
)
THREADED = {"requests"}
"""They have no loop to speak of."""
SLOW = {"httpx", "stripe", "requests"}
SLOW_EVERY = 3
"""Rounds; nobody needs to know to the hundredth how many times as slow they are."""


def measure(stage: Stage) -> Section:
    took: dict[Contender, dict[int, Took]] = {contender: {} for contender in CONTENDERS}
    with ExitStack() as opened:
        players = {contender: opened.enter_context(stage.player(contender)) for contender in CONTENDERS}
        calls: dict[Contender, int] = {}
        for contender, player in players.items():
            trial = player.turn(IN_FLIGHT, 4 * IN_FLIGHT)
            calls[contender] = max(4 * IN_FLIGHT, int(stage.calls(1_000_000) * SECONDS / trial.wall))
        for number, order in enumerate(turns(CONTENDERS, stage.rounds)):
            for contender in order:
                if contender.module not in SLOW or number % SLOW_EVERY == 0:
                    took[contender][number] = players[contender].turn(IN_FLIGHT, calls[contender])
    series = {series_name(contender): [each.processor for each in taken.values()] for contender, taken in took.items()}
    return Section(
        f"A call, with {IN_FLIGHT} in flight",
        f"GET of a JSON of {len(BODY)} bytes from a raw asyncio protocol on the other core; processor time of the "
        "client's process for one call. Each contender has a warmed-up process of its own and a pool of "
        f"{POOL} connections, and they take turns in {stage.rounds} rounds, the slow ones "
        f"in every {SLOW_EVERY}rd of them; ratios are the median of the rounds' "
        "ratios, with the lowest and highest. `tilia` is this SDK, with a typed result; `aiohttp`, `httpx` and "
        "`requests` are written by hand with orjson; `stripe` is that SDK's asynchronous client, built on httpx, as it "
        f"comes; `requests` has {IN_FLIGHT} threads with a session each; `raw_socket` only sends and receives the "
        "bytes.",
        Table(
            ("client", "loop", "µs of processor", "calls/s", "× aiohttp by hand, same loop", "lowest to highest"),
            tuple(row(contender, taken, took) for contender, taken in took.items()),
        ),
        series,
    )


def series_name(contender: Contender) -> str:
    return f"call: {contender}"


def row(
    contender: Contender, taken: Mapping[int, Took], took: Mapping[Contender, Mapping[int, Took]]
) -> tuple[str, ...]:
    by_hand = took[Contender("aiohttp", contender.loop)]
    mine = [each.processor for each in taken.values()]
    theirs = [by_hand[number].processor for number in taken]
    ratios = sorted(above / below for above, below in zip(mine, theirs, strict=True))
    return (
        contender.module,
        "threads" if contender.module in THREADED else contender.loop,
        f"{median(mine):.1f}",
        f"{1e6 / median(each.wall for each in taken.values()):,.0f}",
        f"{median_ratio(mine, theirs):.2f}",
        f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
    )
