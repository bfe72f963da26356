"""Costs of a token: at hand, and wanted by ten thousand tasks at once when it is not."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from statistics import median

import attrs

from benchmarks.answers import ACCOUNT_ID, ACCOUNT_PATH
from benchmarks.contenders import aiohttp as by_hand
from benchmarks.contenders.load import in_lanes
from benchmarks.contenders.tilia import client
from benchmarks.section import Section, Table
from benchmarks.stage import Stage
from benchmarks.timing import timed_async
from tilia_async.api.accounts import GET

IN_FLIGHT = 64
TASKS = 10_000
ROUNDS = 7
STAMPEDES = 3


@attrs.frozen
class Costs:
    """In µs of processor time, of each round; those of the stampede for one of its tasks."""

    by_hand: list[float] = attrs.field(factory=list)
    call: list[float] = attrs.field(factory=list)
    asked: list[float] = attrs.field(factory=list)
    cold: list[float] = attrs.field(factory=list)
    warm: list[float] = attrs.field(factory=list)
    cold_call: list[float] = attrs.field(factory=list)


async def costs_of_tokens(url: str, calls: int, tasks: int, rounds: int) -> Costs:
    costs = Costs()
    async with client(url) as tilia, by_hand.client() as session:
        load = in_lanes(lambda: tilia.accounts.get(ACCOUNT_ID))
        load_by_hand = in_lanes(lambda: by_hand.get(session, url + ACCOUNT_PATH))

        async def ask(times: int) -> None:
            for _ in range(times):
                await tilia.access_token(GET.scopes)

        await load(IN_FLIGHT, 8 * IN_FLIGHT)
        await load_by_hand(IN_FLIGHT, 8 * IN_FLIGHT)
        await ask(calls)
        for _ in range(rounds):
            costs.by_hand.append(
                (await timed_async(functools.partial(load_by_hand, IN_FLIGHT, calls), calls)).processor
            )
            costs.call.append((await timed_async(functools.partial(load, IN_FLIGHT, calls), calls)).processor)
            costs.asked.append((await timed_async(functools.partial(ask, 50 * calls), 50 * calls)).processor)
    for _ in range(STAMPEDES):
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
    # One client had its token for the calls; each stampede has two clients that had none.
    exchanges = (stage.server.tokens_issued() - before - 1) / (2 * STAMPEDES)
    return Section(
        "Tokens",
        f"Processor time in µs on asyncio's loop, the median of {rounds} rounds. The stampede: {TASKS:,} tasks of a "
        "fresh client want the token, or make a call, at once; its figures are for one task, the task included.",
        Table(
            ("what", "µs", "of a call", "× aiohttp by hand"),
            (
                row(f"a call of aiohttp by hand, with {IN_FLIGHT} in flight", costs.by_hand, costs),
                row(f"a call, with {IN_FLIGHT} in flight", costs.call, costs),
                row("the token at hand, from `access_token()`", costs.asked, costs),
                row(f"one of {TASKS:,} tasks that ask for it, none there", costs.cold, costs),
                row(f"one of {TASKS:,} tasks that ask for it, at hand", costs.warm, costs),
                row(f"one of {TASKS:,} tasks that make a call, none there", costs.cold_call, costs),
                ("requests to the token endpoint in a stampede", f"{exchanges:g}", "", ""),
            ),
        ),
        {
            "token: aiohttp by hand": costs.by_hand,
            "token: asked": costs.asked,
            "token: exchanges of a stampede": [exchanges],
        },
    )


def row(what: str, taken: list[float], costs: Costs) -> tuple[str, ...]:
    times = median(taken) / median(costs.by_hand)
    return (what, f"{median(taken):.2f}", f"{median(taken) / median(costs.call):.1%}", f"{times:.2g}")
