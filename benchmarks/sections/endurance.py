"""Measures what a hundred thousand calls leave behind."""

from __future__ import annotations

import asyncio
import gc

import attrs
import psutil

from benchmarks.answers import ACCOUNT_ID
from benchmarks.contenders.load import POOL, in_lanes
from benchmarks.contenders.tilia import client
from benchmarks.loops import new_loop
from benchmarks.section import Section, Table
from benchmarks.stage import Stage

IN_FLIGHT = 64
CALLS = 100_000
WARM_UP = 10_000


@attrs.frozen
class Inventory:
    """Inventory of a process.

    Attributes:
        objects: that the collector of garbage tracks, after it has run.
        files: sockets included.
        memory: its own, in bytes.
    """

    objects: int
    tasks: int
    files: int
    memory: int

    @classmethod
    def taken(cls) -> Inventory:
        gc.collect()
        process = psutil.Process()
        return cls(len(gc.get_objects()), len(asyncio.all_tasks()), process.num_fds(), process.memory_full_info().uss)


async def before_and_after(url: str, calls: int) -> tuple[Inventory, Inventory]:
    async with client(url) as tilia:
        load = in_lanes(lambda: tilia.accounts.get(ACCOUNT_ID))
        await load(IN_FLIGHT, calls * WARM_UP // CALLS)
        # What taking an inventory for the first time leaves behind is not the calls'.
        Inventory.taken()
        before = Inventory.taken()
        await load(IN_FLIGHT, calls)
        return before, Inventory.taken()


def in_a_loop(url: str, calls: int) -> tuple[Inventory, Inventory]:
    with asyncio.Runner(loop_factory=lambda: new_loop("uvloop")) as runner:
        return runner.run(before_and_after(url, calls))


def measure(stage: Stage) -> Section:
    calls = stage.calls(CALLS)
    before, after = stage.run(in_a_loop, stage.server.url, calls)
    return Section(
        "Endurance",
        f"What the process of one client holds before and after {calls:,} calls with {IN_FLIGHT} in flight, on uvloop, "
        f"after a warm-up of {calls * WARM_UP // CALLS:,}. A pool keeps up to {POOL} connections open.",
        Table(
            ("what", "before", "after"),
            (
                ("objects", f"{before.objects:,}", f"{after.objects:,}"),
                ("tasks", f"{before.tasks}", f"{after.tasks}"),
                ("files and sockets", f"{before.files}", f"{after.files}"),
                ("own memory, MB", f"{before.memory / 1e6:.1f}", f"{after.memory / 1e6:.1f}"),
            ),
        ),
        {
            "endurance: objects": [after.objects - before.objects],
            "endurance: tasks": [after.tasks - before.tasks],
            "endurance: sockets": [after.files - before.files],
            "endurance: memory": [(after.memory - before.memory) / 1e6],
        },
    )
