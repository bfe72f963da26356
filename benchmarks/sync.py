"""How fast a synchronous call is, beside ``requests`` and ``httpx``, and what crossing into the loop thread costs.

Usage: ``python benchmarks/sync.py [--rounds N] [--check]``, with the group ``bench`` and the extra ``speed``.

All contenders ask one minimal server (a raw asyncio protocol in a process of its own) for the same answer. The client's
process is pinned to one core and the server to another. Contenders take turns in rounds, so that what else the machine
does strikes them alike; what counts is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import attrs
import httpx
import requests

from tilia_async.tokens import TokenCache
from tilia_sync import TiliaClient
from tilia_sync.bridge import LOOP_THREAD

THREADS = 16
ACCOUNT = {
    "account_id": "0b1c3f5a-8d3e-4c55-9a51-2f1f7c1d2e3f",
    "username": "nyx",
    "email": "nyx@mail.example",
    "is_blocked": False,
    "blocked_capabilities": {},
    "integrator": "benchmark",
    "tags": [],
    "created": "2026-01-02T03:04:05Z",
}
PATH = f"/accounts/v1/{ACCOUNT['account_id']}/user-info"


def answer(content: object) -> bytes:
    body = json.dumps(content, separators=(",", ":")).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


ANSWER = answer({"status": "Success", "message": [], "codes": [], "payload": ACCOUNT})
TOKEN = answer({"access_token": "t" * 36, "token_type": "Bearer", "expires_in": 3600})


class Server(asyncio.Protocol):
    """Answers a token to each POST and an account to each GET. Requests come whole: they are small, and on loopback."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received.startswith(b"GET "):
            if self.received.endswith(b"\r\n\r\n"):
                self.received = b""
                self.transport.write(ANSWER)
        elif b"\r\n\r\n" in self.received and not self.received.endswith(b"\r\n\r\n"):
            self.received = b""
            self.transport.write(TOKEN)


def serve(cores: set[int], ready: Connection) -> None:
    pin(cores)

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, ready.recv)

    loop = new_loop()
    loop.run_until_complete(main())


def new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - where it is installed
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def pin(cores: set[int]) -> None:
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


@contextmanager
def running_server(cores: set[int]) -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(cores, theirs))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        ours.send("enough")
        process.join(10)


@attrs.frozen
class Took:
    """What one of many calls took, in microseconds."""

    wall: float
    processor: float


def timed(work: Callable[[], object], calls: int) -> Took:
    gc.collect()
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Took((time.perf_counter() - wall) / calls * 1e6, (time.process_time() - processor) / calls * 1e6)


def one_thread(call: Callable[[], object], calls: int) -> Took:
    def work() -> None:
        for _ in range(calls):
            call()

    return timed(work, calls)


def many_threads(make: Callable[[], Callable[[], object]], calls: int) -> Took:
    """Each thread with what ``make`` gives it; started before the clock is."""
    start = threading.Barrier(THREADS + 1)

    def work(call: Callable[[], object]) -> None:
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
    """What only crosses."""


async def numbers(count: int) -> AsyncIterator[int]:
    """What only iterates."""
    for number in range(count):
        yield number


@attrs.frozen
class Contenders:
    """One way each to ask for the same answer."""

    url: str
    tilia: TiliaClient
    requests: requests.Session
    httpx: httpx.Client
    headers: dict[str, str] = attrs.field(factory=lambda: {"Authorization": f"Bearer {'t' * 36}"})

    def ask_tilia(self) -> object:
        return self.tilia.accounts.get(ACCOUNT["account_id"])

    def ask_requests(self) -> object:
        return self.requests.get(self.url + PATH, headers=self.headers).json()["payload"]

    def ask_httpx(self) -> object:
        return self.httpx.get(self.url + PATH, headers=self.headers).json()["payload"]

    def requests_of_ones_own(self) -> Callable[[], object]:
        """A session for each thread, which is what they may be used for."""
        return attrs.evolve(self, requests=requests.Session()).ask_requests


@attrs.frozen
class Goal:
    """What a ratio has to be at least, or at most."""

    name: str
    over: str
    under: str
    wanted: float
    at_most: bool = False

    def met(self, ratio: float) -> bool:
        return ratio <= self.wanted if self.at_most else ratio >= self.wanted


GOALS = (
    Goal("one thread, calls per second against requests.Session", "requests", "tilia", 2.5),
    Goal("one thread, calls per second against httpx.Client", "httpx", "tilia", 1.2),
    Goal(f"{THREADS} threads, calls per second against requests", "requests, threads", "tilia, threads", 3.0),
    Goal("an item of an iterator against a call", "item", "tilia", 0.2, at_most=True),
    Goal("an item of an iterator against an empty call", "item", "crossing", 0.2, at_most=True),
)


def measured(contenders: Contenders, calls: int, rounds: int) -> dict[str, list[Took]]:
    lease = contenders.tilia._lease  # noqa: SLF001 - the border itself is what is measured
    items = 100 * calls

    def all_items() -> None:
        for _ in lease.iterate(numbers(items)):
            pass

    programme: dict[str, Callable[[], Took]] = {
        "tilia": lambda: one_thread(contenders.ask_tilia, calls),
        "requests": lambda: one_thread(contenders.ask_requests, calls),
        "httpx": lambda: one_thread(contenders.ask_httpx, calls),
        "tilia, threads": lambda: many_threads(lambda: contenders.ask_tilia, calls),
        "requests, threads": lambda: many_threads(contenders.requests_of_ones_own, calls),
        "crossing": lambda: one_thread(lambda: lease.run(nothing()), 10 * calls),
        "item": lambda: timed(all_items, items),
    }
    found: dict[str, list[Took]] = {name: [] for name in programme}
    names = itertools.cycle(programme)
    for turn in range(rounds + 1):
        for _ in programme:
            name = next(names)
            took = programme[name]()
            if turn:  # the first round warms up
                found[name].append(took)
        next(names)  # nobody always comes after the same
    return found


def told(found: dict[str, list[Took]]) -> bool:
    """Print it all; whether each goal is met."""
    print(f"{'µs, median':20} {'wall':>8} {'processor':>10}")
    for name, taken in found.items():
        wall, processor = (statistics.median(getattr(took, kind) for took in taken) for kind in ("wall", "processor"))
        print(f"{name:20} {wall:8.1f} {processor:10.1f}")
    print()
    good = True
    for goal in GOALS:
        ratios = sorted(over.wall / under.wall for over, under in zip(found[goal.over], found[goal.under], strict=True))
        ratio = statistics.median(ratios)
        good = good and goal.met(ratio)
        sign = "≤" if goal.at_most else "≥"
        print(
            f"{goal.name:58} {ratio:6.3f}  ({ratios[0]:.3f} to {ratios[-1]:.3f}; wanted {sign} {goal.wanted:g})"
            f"{'' if goal.met(ratio) else '  MISSED'}"
        )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description="The synchronous package against requests and httpx.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=1_000, help="of each contender in each round")
    parser.add_argument("--check", action="store_true", help="fail if a goal is missed")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    with running_server(set(cores[-1:])) as url:
        pin(set(cores[:1]))
        with (
            TiliaClient("id", "secret", f"{url}/{{service}}", token_cache=TokenCache()) as tilia,
            requests.Session() as session,
            httpx.Client() as client,
        ):
            tilia.accounts.get(ACCOUNT["account_id"])
            loop = LOOP_THREAD.run(running_loop())
            print(f"Python {sys.version.split()[0]}, loop {type(loop).__module__}, pinned to {cores[:1] or 'nothing'}")
            good = told(measured(Contenders(url, tilia, session, client), options.calls, options.rounds))
    return 0 if good or not options.check else 1


async def running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


if __name__ == "__main__":
    raise SystemExit(main())
