"""Subjects of counting: a name, and how the work is begun."""

from __future__ import annotations

import asyncio
import functools
import importlib
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, contextmanager

import attrs

from benchmarks.answers import ACCOUNT_ID
from benchmarks.loops import Loop, new_loop

WorkItem = Callable[[int], object]
"""Make so many calls."""
Opened = AbstractContextManager[WorkItem]
Start = Callable[[AsyncExitStack, str], Coroutine[None, None, Callable[[int], Coroutine[None, None, object]]]]

IN_FLIGHT = 16


@attrs.frozen
class Subject:
    """A kind of call to count.

    Attributes:
        calls: of one turn, so many that what a turn costs beside them is less than a thousandth.
        opened: from the URL of the server to the work, in the counted process.
        base: the subject whose count it is divided by.
    """

    calls: int
    opened: Callable[[str], Opened]
    base: str


@contextmanager
def in_a_loop(start: Start, loop: Loop, url: str) -> Iterator[WorkItem]:
    """Work in a loop that stands still between turns."""
    with asyncio.Runner(loop_factory=functools.partial(new_loop, loop)) as runner:
        opened = AsyncExitStack()
        work = runner.run(start(opened, url))
        try:
            yield lambda calls: runner.run(work(calls))
        finally:
            runner.run(opened.aclose())


def contender(module: str, way: str, loop: Loop) -> Callable[[str], Opened]:
    async def start(opened: AsyncExitStack, url: str) -> Callable[[int], Coroutine[None, None, object]]:
        enter = getattr(importlib.import_module(f"benchmarks.contenders.{module}"), way)
        load = await opened.enter_async_context(enter(url))

        async def work(calls: int) -> None:
            await load(IN_FLIGHT, calls)

        return work

    return functools.partial(in_a_loop, start, loop)


async def token_hits(opened: AsyncExitStack, url: str) -> Callable[[int], Coroutine[None, None, object]]:
    from benchmarks.contenders.tilia import client  # noqa: PLC0415 - the other subjects do without
    from tilia_async.api.accounts import GET  # noqa: PLC0415 - the other subjects do without

    tilia = await opened.enter_async_context(client(url))

    async def work(calls: int) -> None:
        for _ in range(calls):
            await tilia.access_token(GET.scopes)

    return work


async def bulk(opened: AsyncExitStack, url: str, *, recorded: bool) -> Callable[[int], Coroutine[None, None, object]]:
    from tilia_async import Limits, TiliaClient  # noqa: PLC0415 - the other subjects do without
    from tilia_async.ledger import BlockLedger  # noqa: PLC0415 - the other subjects do without
    from tilia_async.tokens import TokenCache  # noqa: PLC0415 - the other subjects do without

    ledger = None
    if recorded:
        directory = opened.enter_context(tempfile.TemporaryDirectory())
        ledger = await opened.enter_async_context(BlockLedger.open(f"sqlite:///{directory}/blocks.db"))
    limits = Limits(connections=IN_FLIGHT, per_host=IN_FLIGHT)
    tilia = await opened.enter_async_context(
        TiliaClient("id", "secret", f"{url}/{{service}}", limits=limits, token_cache=TokenCache(), ledger=ledger)
    )
    blocked = 0

    async def work(accounts: int) -> None:
        nonlocal blocked
        first, blocked = blocked, blocked + accounts
        account_ids = [f"acct_{number:08d}" for number in range(first, blocked)]
        report = await tilia.bulk.block(account_ids, "chargebacks", concurrency=IN_FLIGHT)
        if report.failures:
            raise RuntimeError(f"not blocked: {report.failures[0]}")

    return work


@contextmanager
def sync_calls(url: str) -> Iterator[WorkItem]:
    from tilia_async.tokens import TokenCache  # noqa: PLC0415 - the other subjects do without
    from tilia_sync import TiliaClient  # noqa: PLC0415 - the other subjects do without

    with TiliaClient("id", "secret", f"{url}/{{service}}", token_cache=TokenCache()) as tilia:
        yield functools.partial(repeat, lambda: tilia.accounts.get(ACCOUNT_ID))


@contextmanager
def requests_calls(url: str) -> Iterator[WorkItem]:
    from benchmarks.answers import ACCOUNT_PATH  # noqa: PLC0415 - the other subjects do without
    from benchmarks.contenders.requests import client, get  # noqa: PLC0415 - the other subjects do without

    with client() as session:
        yield functools.partial(repeat, lambda: get(session, url + ACCOUNT_PATH))


@contextmanager
def readings(way: str, _url: str) -> Iterator[WorkItem]:
    from benchmarks.sections.invoice import large_answer, ways  # noqa: PLC0415 - the other subjects do without

    with ExitStack():
        yield functools.partial(repeat, ways(large_answer())[way])


def repeat(call: Callable[[], object], calls: int) -> None:
    for _ in range(calls):
        call()


BY_HAND = "GET, aiohttp by hand, asyncio"
LOOPS: tuple[Loop, ...] = ("asyncio", "uvloop")
SUBJECTS: dict[str, Subject] = {
    **{
        f"{method}, {told}, {loop}": Subject(640, contender(module, way, loop), f"{method}, aiohttp by hand, {loop}")
        for loop in LOOPS
        for method, way in (("GET", "contender"), ("POST", "posting"))
        for told, module in (("typed", "tilia"), ("aiohttp by hand", "aiohttp"))
    },
    "access_token(), at hand": Subject(10_000, functools.partial(in_a_loop, token_hits, "asyncio"), BY_HAND),
    "GET, tilia_sync": Subject(640, sync_calls, "GET, requests"),
    "GET, requests": Subject(80, requests_calls, "GET, requests"),
    "an account of bulk": Subject(
        960, functools.partial(in_a_loop, functools.partial(bulk, recorded=False), "asyncio"), BY_HAND
    ),
    "an account of bulk, SQLite ledger": Subject(
        960, functools.partial(in_a_loop, functools.partial(bulk, recorded=True), "asyncio"), BY_HAND
    ),
    "invoice of 319 kB, json.loads": Subject(2, functools.partial(readings, "json"), "invoice of 319 kB, json.loads"),
    "invoice of 319 kB, typed": Subject(2, functools.partial(readings, "models"), "invoice of 319 kB, json.loads"),
}
