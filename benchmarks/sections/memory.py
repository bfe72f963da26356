"""Memory of an open client, and of a call in flight."""

from __future__ import annotations

import asyncio
import gc
import importlib
from contextlib import AsyncExitStack
from statistics import median

import psutil

from benchmarks.contenders.peers import lack
from benchmarks.section import Section, Table
from benchmarks.stage import Stage

MODULES = ("tilia", "aiohttp", "httpx")
CLIENTS = 50
IN_FLIGHT = 250
ROUNDS = 3
PATIENCE = 60
"""Seconds for all calls to be on their way."""


def own_memory() -> int:
    """Bytes that this process shares with nobody."""
    gc.collect()
    return int(psutil.Process().memory_full_info().uss)


async def of_a_client(module: str, url: str) -> float:
    """In kB, with the one connection that it has open after a call."""
    contender = importlib.import_module(f"benchmarks.contenders.{module}").contender
    async with AsyncExitStack() as opened:

        async def open_one() -> None:
            load = await opened.enter_async_context(contender(url))
            await load(1, 1)

        # What the first one loads or builds is the library's, not the client's.
        await open_one()
        before = own_memory()
        for _ in range(CLIENTS):
            await open_one()
        return (own_memory() - before) / CLIENTS / 1000


async def of_a_call(module: str, url: str) -> float:
    """In kB, with its task and its connection."""
    held = importlib.import_module(f"benchmarks.contenders.{module}").held
    async with held(url, IN_FLIGHT + 1) as load:
        before, files = own_memory(), psutil.Process().num_fds()
        calls = asyncio.create_task(load(IN_FLIGHT, IN_FLIGHT))
        async with asyncio.timeout(PATIENCE):
            # One connection was open before.
            while psutil.Process().num_fds() < files + IN_FLIGHT - 1:  # noqa: ASYNC110 - no library tells of it
                await asyncio.sleep(0.05)
        # The last of them have connected, and still have to send.
        await asyncio.sleep(0.5)
        taken = own_memory() - before
        calls.cancel()
        await asyncio.wait([calls])
        return taken / IN_FLIGHT / 1000


def in_a_loop(module: str, url: str) -> tuple[float, float]:
    return asyncio.run(of_a_client(module, url)), asyncio.run(of_a_call(module, url))


def measure(stage: Stage) -> Section:
    rounds = min(stage.rounds, ROUNDS)
    present = [module for module in MODULES if lack(module) is None]
    taken = {module: [stage.run(in_a_loop, module, stage.server.url) for _ in range(rounds)] for module in present}
    clients = {module: [client for client, _ in found] for module, found in taken.items()}
    calls = {module: [call for _, call in found] for module, found in taken.items()}
    return Section(
        "Memory",
        f"What a fresh process takes for itself (unique set size) with {CLIENTS} more clients open, each with one "
        f"connection after a call; and with {IN_FLIGHT:,} calls in flight that wait for their answers, each with its "
        f"task and a connection of its own. kB for one; the median of {rounds} processes, on asyncio's loop.",
        Table(
            ("client", "kB per open client", "kB per call in flight"),
            tuple((module, f"{median(clients[module]):.0f}", f"{median(calls[module]):.1f}") for module in present),
        ),
        {
            **{f"memory: client of {module}": found for module, found in clients.items()},
            **{f"memory: call of {module}": found for module, found in calls.items()},
        },
    )
