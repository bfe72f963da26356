"""Growth of a call's cost with the calls in flight."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median

from benchmarks.contenders.load import POOL
from benchmarks.contenders.peers import lack
from benchmarks.section import Section, Table
from benchmarks.stage import Contender, Player, Stage, turns

IN_FLIGHT = (1, 8, 64, 256, 1_000)
SECONDS = 0.25
"""Length of one turn, roughly."""
ROUNDS = 3
CONTENDERS = (Contender("tilia", "asyncio"), Contender("aiohttp", "asyncio"), Contender("httpx", "asyncio"))


def measure(stage: Stage) -> Section:
    present = [each for each in CONTENDERS if lack(each.module) is None]
    ours, slowest = present[0], present[-1]
    costs: dict[tuple[Contender, int], list[float]] = {(each, n): [] for each in present for n in IN_FLIGHT}
    rounds = min(stage.rounds, ROUNDS)
    with ExitStack() as opened:
        players = {contender: opened.enter_context(stage.player(contender)) for contender in present}
        calls = {(contender, n): enough(player, n, stage) for contender, player in players.items() for n in IN_FLIGHT}
        for n in IN_FLIGHT:
            for order in turns(present, rounds):
                for contender in order:
                    took = players[contender].turn(n, calls[contender, n])
                    costs[contender, n].append(took.processor)
    return Section(
        f"Growth from 1 to {IN_FLIGHT[-1]:,} calls in flight",
        f"Processor time of a call on asyncio's loop, in µs, the median of {rounds} rounds; as above, each with a pool "
        f"of {POOL} connections, for which more calls than that wait.",
        Table(
            ("in flight", *(each.module for each in present), f"{slowest.module} × tilia"),
            tuple(
                (
                    f"{n:,}",
                    *(f"{median(costs[each, n]):.0f}" for each in present),
                    f"{median(costs[slowest, n]) / median(costs[ours, n]):.1f}",
                )
                for n in IN_FLIGHT
            ),
        ),
        {series_name(contender, n): taken for (contender, n), taken in costs.items()},
    )


def series_name(contender: Contender, in_flight: int) -> str:
    return f"growth: {contender}, {in_flight} in flight"


def enough(player: Player, in_flight: int, stage: Stage) -> int:
    """Number of calls that make a turn; a slow client with many in flight makes one each."""
    trial = player.turn(min(in_flight, POOL), 2 * min(in_flight, POOL))
    return max(in_flight, int(stage.calls(1_000_000) * SECONDS / trial.wall))
