"""How fast a synchronous call is, beside ``requests`` and ``httpx``, and what crossing into the loop thread costs."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from statistics import median

import attrs
import httpx
import orjson
import requests

from benchmarks.answers import ACCOUNT_ID, ACCOUNT_PATH, TOKEN_TEXT
from benchmarks.contenders.requests import client as requests_session
from benchmarks.contenders.requests import get as get_by_requests
from benchmarks.section import Section, Table
from benchmarks.stage import Stage, turns
from benchmarks.timing import Took, repeated, timed
from tilia_async.tokens import TokenCache
from tilia_sync import TiliaClient

THREADS = 16
ROUNDS = 9


@attrs.frozen
class Contenders:
    """One way each to ask for the same answer."""

    url: str
    tilia: TiliaClient
    requests: requests.Session
    httpx: httpx.Client

    def ask_tilia(self) -> object:
        return self.tilia.accounts.get(ACCOUNT_ID)

    def ask_requests(self) -> object:
        return get_by_requests(self.requests, self.url + ACCOUNT_PATH)

    def ask_httpx(self) -> object:
        return orjson.loads(self.httpx.get(self.url + ACCOUNT_PATH).raise_for_status().content)["payload"]

    def requests_of_ones_own(self) -> Callable[[], object]:
        """A session for each thread, which is what they may be used for."""
        return attrs.evolve(self, requests=requests_session()).ask_requests


def many_threads(make: Callable[[], Callable[[], object]], calls: int) -> Took:
    """Each thread with what ``make`` gives it; started before the clock is."""
    start = threading.Barrier(THREADS + 1, timeout=60)

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


def taken_in_turns(url: str, calls: int, rounds: int) -> dict[str, list[Took]]:
    with ExitStack() as opened:
        contenders = Contenders(
            url,
            opened.enter_context(TiliaClient("id", "secret", f"{url}/{{service}}", token_cache=TokenCache())),
            opened.enter_context(requests_session()),
            opened.enter_context(httpx.Client(headers={"Authorization": f"Bearer {TOKEN_TEXT}"})),
        )
        programme = what_is_measured(contenders, calls)
        found: dict[str, list[Took]] = {name: [] for name in programme}
        for work in programme.values():
            work()
        for order in turns(tuple(programme), rounds):
            for name in order:
                found[name].append(programme[name]())
        return found


def what_is_measured(contenders: Contenders, calls: int) -> dict[str, Callable[[], Took]]:
    lease = contenders.tilia._lease  # noqa: SLF001 - the border itself is what is measured
    items = 100 * calls

    def all_items() -> None:
        for _ in lease.iterate(numbers(items)):
            pass

    return {
        "tilia": functools.partial(repeated, contenders.ask_tilia, calls),
        "requests": functools.partial(repeated, contenders.ask_requests, calls),
        "httpx": functools.partial(repeated, contenders.ask_httpx, calls),
        "tilia, threads": functools.partial(many_threads, lambda: contenders.ask_tilia, calls),
        "requests, threads": functools.partial(many_threads, contenders.requests_of_ones_own, calls),
        "crossing": functools.partial(repeated, lambda: lease.run(nothing()), 10 * calls),
        "item": functools.partial(timed, all_items, items),
    }


TOLD = {
    "tilia": "tilia_sync, one thread",
    "requests": "requests.Session, one thread",
    "httpx": "httpx.Client, one thread",
    "tilia, threads": f"tilia_sync, one client for {THREADS} threads",
    "requests, threads": f"requests, {THREADS} threads with a session each",
    "crossing": "an empty call: into the loop thread and back",
    "item": "an item of an iterator",
}


def measure(stage: Stage) -> Section:
    rounds = min(stage.rounds, ROUNDS)
    found = stage.run(taken_in_turns, stage.server.url, stage.calls(500), rounds)
    return Section(
        "Synchronous calls",
        "The same GET. All in one process on one core, which takes turns between them; the median of "
        f"{rounds} rounds. Where `uvloop` is installed, as here, the loop thread of `tilia_sync` runs on it.",
        Table(
            ("what", "µs", "µs of processor", "per second"),
            tuple(
                (
                    TOLD[name],
                    f"{median(each.wall for each in taken):.1f}",
                    f"{median(each.processor for each in taken):.1f}",
                    f"{1e6 / median(each.wall for each in taken):,.0f}",
                )
                for name, taken in found.items()
            ),
        ),
        {f"sync: {name}": [each.wall for each in taken] for name, taken in found.items()},
    )
