"""What a token costs: when it is there, and when ten thousand tasks want it at once and it is not."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from statistics import median

import attrs

from benchmarks.answers import ACCOUNT_ID
from benchmarks.contenders.load import in_lanes
from benchmarks.contenders.tilia import client
from benchmarks.section import Section, Table
from benchmarks.stage import Stage
from benchmarks.timing import repeated, timed_async
from tilia_async.api.accounts import GET

IN_FLIGHT = 64
TASKS = 10_000
ROUNDS = 3


@attrs.frozen
class Costs:
    """In µs of processor time, of each round; those of the stampede for one of its tasks."""

    call: list[float] = attrs.field(factory=list)
    hit: list[float] = attrs.field(factory=list)
    asked: list[float] = attrs.field(factory=list)
    cold: list[float] = attrs.field(factory=list)
    warm: list[float] = attrs.field(factory=list)
    cold_call: list[float] = attrs.field(factory=list)


async def costs_of_tokens(url: str, calls: int, tasks: int, rounds: int) -> Costs:
    costs = Costs()
    async with client(url) as tilia:
        load = in_lanes(lambda: tilia.accounts.get(ACCOUNT_ID))
        asks = in_lanes(lambda: tilia.access_token(GET.scopes))
        # What each call does for its token.
        hit = functools.partial(tilia._tokens.find, GET.scopes)  # noqa: SLF001 - the step of a call is what is measured
        await load(IN_FLIGHT, IN_FLIGHT)
        for _ in range(rounds):
            costs.call.append((await timed_async(functools.partial(load, IN_FLIGHT, calls), calls)).processor)
            costs.hit.append(repeated(hit, 100 * calls).processor)
            costs.asked.append((await timed_async(functools.partial(asks, 1, 10 * calls), 10 * calls)).processor)
    for _ in range(rounds):
        async with client(url) as tilia:
            costs.cold.append(await stampede(lambda: tilia.access_token(GET.scopes), tasks))
            costs.warm.append(await stampede(lambda: tilia.access_token(GET.scopes), tasks))
        async with client(url) as tilia:
            costs.cold_call.append(await stampede(lambda: tilia.accounts.get(ACCOUNT_ID), tasks))
    return costs


async def stampede(work: Callable[[], Coroutine[None, None, object]], tasks: int) -> float:
    """The cost of one of so many tasks that start at once."""

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(work())

    return (await timed_async(all_of_them, tasks)).processor


def in_a_loop(url: str, calls: int, tasks: int, rounds: int) -> Costs:
    return asyncio.run(costs_of_tokens(url, calls, tasks, rounds))


def measure(stage: Stage) -> Section:
    rounds = min(stage.rounds, ROUNDS)
    before = stage.server.tokens_issued()
    costs = stage.run(in_a_loop, stage.server.url, stage.calls(2_000), TASKS, rounds)
    # One client had its token for the calls; each round has two stampedes of clients that had none.
    exchanges = (stage.server.tokens_issued() - before - 1) / (2 * rounds)
    return Section(
        "Tokens",
        f"Processor time in µs on asyncio's loop, the median of {rounds} rounds. The stampede: {TASKS:,} tasks of a "
        "fresh client want the token, or make a call, at once; its figures are for one task, the task included.",
        Table(
            ("what", "µs", "of a call"),
            (
                row(f"a call, with {IN_FLIGHT} in flight", costs.call, costs),
                row("the token at hand, as a call finds it", costs.hit, costs),
                row("the token at hand, from `access_token()`", costs.asked, costs),
                row(f"one of {TASKS:,} tasks that ask for it, none there", costs.cold, costs),
                row(f"one of {TASKS:,} tasks that ask for it, at hand", costs.warm, costs),
                row(f"one of {TASKS:,} tasks that make a call, none there", costs.cold_call, costs),
                ("requests to the token endpoint in a stampede", f"{exchanges:g}", ""),
            ),
        ),
        {
            "token: call": costs.call,
            "token: hit": costs.hit,
            "token: exchanges of a stampede": [exchanges],
        },
    )


def row(what: str, taken: list[float], costs: Costs) -> tuple[str, ...]:
    return (what, f"{median(taken):.2f}", f"{median(taken) / median(costs.call):.1%}")
