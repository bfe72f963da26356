"""Costs of a call: all contenders side by side, with 64 calls in flight, for GET and for POST."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median

from benchmarks.answers import BODY, REGISTERED_BODY
from benchmarks.contenders.load import POOL
from benchmarks.contenders.peers import about, lack
from benchmarks.section import Section, Table
from benchmarks.stage import Contender, Player, Stage, Way, turns
from benchmarks.timing import Took

IN_FLIGHT = 64
SECONDS = 0.3
"""Length of one turn, roughly."""
WARM_UP = 1_000
"""Calls before the first turn; of a slow contender fewer."""

GETTING = (
    Contender("raw_socket", "asyncio"),
    Contender("raw_socket", "uvloop"),
    Contender("tilia", "asyncio"),
    Contender("aiohttp", "asyncio"),
    Contender("tilia", "uvloop"),
    Contender("aiohttp", "uvloop"),
    Contender("pyreqwest", "asyncio"),
    Contender("pyreqwest", "uvloop"),
    Contender("rnet", "asyncio"),
    Contender("rnet", "uvloop"),
    Contender("primp", "asyncio"),
    Contender("primp", "uvloop"),
    Contender("niquests", "asyncio"),
    Contender("httpx", "asyncio"),
    Contender("httpx", "uvloop"),
    Contender("stripe", "asyncio"),
    Contender("requests", "asyncio"),
)
POSTING = (
    Contender("tilia", "asyncio", "posting"),
    Contender("aiohttp", "asyncio", "posting"),
    Contender("tilia", "uvloop", "posting"),
    Contender("aiohttp", "uvloop", "posting"),
    Contender("pyreqwest", "asyncio", "posting"),
    Contender("pyreqwest", "uvloop", "posting"),
)
THREADED = {"requests"}
"""Clients that have no loop to speak of."""
SLOW = {"httpx", "niquests", "requests", "stripe"}
SLOW_EVERY = 3
"""Rounds; nobody needs to know to the hundredth how many times as slow they are."""
KINDS: dict[Way, str] = {"contender": "call", "posting": "post"}

Taken = Mapping[Contender, Mapping[int, Took]]


def measure(stage: Stage) -> Section:
    took = taken_in_turns(stage, present(GETTING))
    return Section(
        f"A call, with {IN_FLIGHT} in flight",
        f"GET of a JSON of {len(BODY)} bytes from a raw asyncio protocol on the other core, which does not sleep "
        "meanwhile; processor time of the client's process for one call, all of its threads together. Each contender "
        f"has a warmed-up process of its own and a pool of {POOL} connections, and they take turns in {stage.rounds} "
        f"rounds, the slow ones in every {SLOW_EVERY}rd of them; ratios are the median of the rounds' ratios, with the "
        "lowest and highest.",
        table(took),
        series(took),
        notes(GETTING),
    )


def measure_posts(stage: Stage) -> Section:
    took = taken_in_turns(stage, present(POSTING))
    return Section(
        f"A POST with a JSON body, with {IN_FLIGHT} in flight",
        f"As above, for a registration: a JSON body each, and a JSON of {len(REGISTERED_BODY)} bytes for an answer. "
        "`tilia` checks what it is given, as it does before each call that changes something.",
        table(took),
        series(took),
    )


def present(contenders: Sequence[Contender]) -> Sequence[Contender]:
    return [contender for contender in contenders if lack(contender.module) is None]


def notes(contenders: Sequence[Contender]) -> list[str]:
    """Say how each is written, or why it is not there."""
    told = {}
    for module in dict.fromkeys(contender.module for contender in contenders):
        absent = lack(module)
        told[module] = about(module) if absent is None else f"left out: {absent}"
    return [f"`{module}`: {line}" for module, line in told.items()]


def taken_in_turns(stage: Stage, contenders: Sequence[Contender]) -> Taken:
    took: dict[Contender, dict[int, Took]] = {contender: {} for contender in contenders}
    with ExitStack() as opened:
        if stage.cores.server:
            opened.enter_context(stage.server.awake())
        players = {contender: opened.enter_context(stage.player(contender)) for contender in contenders}
        calls = {contender: enough(player, contender, stage) for contender, player in players.items()}
        for number, order in enumerate(turns(contenders, stage.rounds)):
            for contender in order:
                if contender.module not in SLOW or number % SLOW_EVERY == 0:
                    took[contender][number] = players[contender].turn(IN_FLIGHT, calls[contender])
    return took


def enough(player: Player, contender: Contender, stage: Stage) -> int:
    """Warm it up, and find out how many calls make a turn."""
    if contender.module not in SLOW:
        player.turn(IN_FLIGHT, WARM_UP)
    trial = player.turn(IN_FLIGHT, 4 * IN_FLIGHT)
    return max(4 * IN_FLIGHT, int(stage.calls(1_000_000) * SECONDS / trial.wall))


def series_name(contender: Contender) -> str:
    return f"{KINDS[contender.way]}: {contender}"


def series(took: Taken) -> dict[str, Sequence[float]]:
    return {series_name(contender): [each.processor for each in taken.values()] for contender, taken in took.items()}


def by_hand(contender: Contender) -> Contender:
    return Contender("aiohttp", contender.loop, contender.way)


def times_by_hand(contender: Contender, took: Taken) -> list[float]:
    """Divide each round by that of aiohttp by hand on the same loop."""
    hand = took[by_hand(contender)]
    return [taken.processor / hand[number].processor for number, taken in took[contender].items()]


def table(took: Taken) -> Table:
    return Table(
        ("client", "loop", "µs of processor", "calls/s", "× aiohttp by hand, same loop", "lowest to highest"),
        tuple(map(functools.partial(row, took), took)),
    )


def row(took: Taken, contender: Contender) -> tuple[str, ...]:
    taken = took[contender].values()
    ratios = times_by_hand(contender, took)
    return (
        contender.module,
        "threads" if contender.module in THREADED else contender.loop,
        f"{median(each.processor for each in taken):.1f}",
        f"{1e6 / median(each.wall for each in taken):,.0f}",
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
    )
