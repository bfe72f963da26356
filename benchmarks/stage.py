"""The place of a measurement: a server that runs, and fresh processes pinned to the client's core."""

from __future__ import annotations

import asyncio
import functools
import importlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Literal, ParamSpec, TypeAlias, TypeVar

import attrs

from benchmarks.contenders.load import POOL
from benchmarks.cores import Cores, pin
from benchmarks.loops import Loop, new_loop
from benchmarks.open_files import allow_many_open_files
from benchmarks.server import Server, running_server
from benchmarks.timing import Took, timed_async

Way: TypeAlias = Literal["contender", "posting"]
P = ParamSpec("P")
T = TypeVar("T")

SPAWN = multiprocessing.get_context("spawn")


@attrs.frozen
class Contender:
    """A client of ``benchmarks.contenders`` on an event loop.

    Attributes:
        way: the function of its module that opens it.
    """

    module: str
    loop: Loop
    way: Way = "contender"

    def __str__(self) -> str:
        return f"{self.module}, {self.loop}"


@attrs.frozen
class Player:
    """A contender in its process, which takes its turn when it is told and otherwise does nothing."""

    orders: Connection

    def turn(self, in_flight: int, calls: int) -> Took:
        self.orders.send((in_flight, calls))
        took: Took = self.orders.recv()
        return took


def play(contender: Contender, url: str, cores: frozenset[int], orders: Connection) -> None:
    """The process of a contender."""
    pin(cores)
    allow_many_open_files()
    with asyncio.Runner(loop_factory=functools.partial(new_loop, contender.loop)) as runner:
        runner.run(take_turns(contender, url, orders))


async def take_turns(contender: Contender, url: str, orders: Connection) -> None:
    module = importlib.import_module(f"benchmarks.contenders.{contender.module}")
    async with getattr(module, contender.way)(url) as load:
        # Waiting for orders stops the loop: between its turns a contender takes no time from the others.
        while (order := orders.recv()) is not None:
            in_flight, calls = order
            # What was closed while it waited is opened again before the clock runs.
            await load(min(in_flight, POOL), min(in_flight, POOL))
            orders.send(await timed_async(functools.partial(load, in_flight, calls), calls))


@attrs.frozen
class Stage:
    """Everything that a section is given.

    Attributes:
        rounds: how often each contender takes its turn.
        effort: 1.0 for figures to be told; less for a quick look.
    """

    server: Server
    cores: Cores
    rounds: int
    effort: float

    def calls(self, number: int) -> int:
        """So many, or fewer for a quick look."""
        return max(1, int(number * self.effort))

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work in a fresh process on the client's core."""
        with ProcessPoolExecutor(1, SPAWN, _settle, (self.cores.client,)) as process:
            return process.submit(work, *args, **kwargs).result()

    @contextmanager
    def player(self, contender: Contender) -> Iterator[Player]:
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(
            target=play, args=(contender, self.server.url, self.cores.client, theirs), name=str(contender)
        )
        process.start()
        theirs.close()
        try:
            yield Player(ours)
        finally:
            if process.is_alive():
                ours.send(None)
            process.join(10)
            ours.close()


def _settle(cores: frozenset[int]) -> None:
    pin(cores)
    allow_many_open_files()


@contextmanager
def set_stage(rounds: int, effort: float) -> Iterator[Stage]:
    cores = Cores.of_this_machine()
    with running_server(cores.server) as server:
        yield Stage(server, cores, rounds, effort)


def turns(names: Sequence[T], rounds: int) -> Iterator[Sequence[T]]:
    """The order of each round: nobody always comes first, nor always after the same."""
    for number in range(rounds):
        start = number % len(names)
        order = [*names[start:], *names[:start]]
        yield order[::-1] if number % 2 else order
