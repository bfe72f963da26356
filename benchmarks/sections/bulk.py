"""Costs of blocking many accounts: by hand, as a job, with a ledger, through the synchronous package."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from statistics import median

from benchmarks.answers import ACCOUNT_ID, ACCOUNT_PATH, LATE, LATENCY
from benchmarks.contenders import aiohttp as by_hand_aiohttp
from benchmarks.contenders.load import in_lanes
from benchmarks.section import Section, Table
from benchmarks.stage import Stage, turns
from benchmarks.timing import Took, median_ratio, repeated, timed, timed_async
from tilia_async import Limits, RetryPolicy, TiliaClient
from tilia_async.bulk import BulkOutcome
from tilia_async.bulk.job import Job
from tilia_async.bulk.run import Run
from tilia_async.ledger import BlockLedger
from tilia_async.tokens import TokenCache
from tilia_async.transport.requestor import TokenWatch
from tilia_sync import TiliaClient as SyncClient

IN_FLIGHT = 64
ACCOUNTS = 4_000
LATE_ACCOUNTS = 2_000
ROUNDS = 9
LATE_ROUNDS = 5
FEW, MANY = 10_000, 1_000_000
LIMITS = Limits(connections=IN_FLIGHT, per_host=IN_FLIGHT)
BY_HAND, BULK, RECORDED = "by hand", "bulk", "bulk, SQLite ledger"
CALL = "a call of aiohttp by hand"

JobOf = Callable[[list[str]], Awaitable[object]]


async def by_hand(tilia: TiliaClient, account_ids: list[str]) -> None:
    """Code as people write it: a task for each account, and a semaphore."""
    room = asyncio.Semaphore(IN_FLIGHT)

    async def block(account_id: str) -> None:
        async with room:
            await tilia.accounts.block(account_id)

    await asyncio.gather(*map(block, account_ids))


async def taken_in_turns(url: str, prefix: str, accounts: int, rounds: int) -> dict[str, list[Took]]:
    """Run the jobs under a prefix of the server's paths, and calls of aiohttp by hand beside them."""
    async with AsyncExitStack() as opened:
        directory = opened.enter_context(tempfile.TemporaryDirectory())

        async def client(ledger: BlockLedger | None = None) -> TiliaClient:
            made = TiliaClient(
                "id", "secret", f"{url}{prefix}/{{service}}", limits=LIMITS, token_cache=TokenCache(), ledger=ledger
            )
            return await opened.enter_async_context(made)

        ledger = await opened.enter_async_context(BlockLedger.open(f"sqlite:///{directory}/blocks.db"))
        plain, recorded = await client(), await client(ledger)
        session = await opened.enter_async_context(by_hand_aiohttp.client())
        load = in_lanes(lambda: by_hand_aiohttp.get(session, url + ACCOUNT_PATH))
        jobs: dict[str, JobOf] = {
            BY_HAND: lambda account_ids: by_hand(plain, account_ids),
            BULK: lambda account_ids: plain.bulk.block(account_ids, concurrency=IN_FLIGHT),
            RECORDED: lambda account_ids: recorded.bulk.block(account_ids, "chargebacks", concurrency=IN_FLIGHT),
            CALL: lambda account_ids: load(IN_FLIGHT, len(account_ids)),
        }
        found: dict[str, list[Took]] = {name: [] for name in jobs}
        for number, order in enumerate([tuple(jobs), *turns(tuple(jobs), rounds)]):
            for name in order:
                account_ids = [f"acct_{number}_{each}" for each in range(accounts)]
                took = await timed_async(partial(jobs[name], account_ids), accounts)
                # The first round warms up.
                if number:
                    found[name].append(took)
        return found


def in_a_loop(url: str, prefix: str, accounts: int, rounds: int) -> dict[str, list[Took]]:
    return asyncio.run(taken_in_turns(url, prefix, accounts, rounds))


def across_the_border(url: str, accounts: int, rounds: int) -> dict[str, list[Took]]:
    """The same job in both packages, and single synchronous calls."""
    account_ids = [f"acct_{each}" for each in range(accounts)]
    found: dict[str, list[Took]] = {"call": [], "sync": [], "async": []}
    with ExitStack() as opened:
        made = SyncClient("id", "secret", f"{url}/{{service}}", limits=LIMITS, token_cache=TokenCache())
        tilia = opened.enter_context(made)
        lease, inside = tilia._lease, tilia._client  # noqa: SLF001 - the border itself is what is measured

        def drained() -> None:
            for _ in tilia.bulk.stream_block(account_ids, concurrency=IN_FLIGHT):
                pass

        async def drained_inside() -> None:
            async for _ in inside.bulk.stream_block(account_ids, concurrency=IN_FLIGHT):
                pass

        programme: dict[str, Callable[[], Took]] = {
            "call": lambda: repeated(lambda: tilia.accounts.get(ACCOUNT_ID), accounts // 4),
            "sync": lambda: timed(drained, accounts),
            "async": lambda: timed(lambda: lease.run(drained_inside), accounts),
        }
        for work in programme.values():
            work()
        for order in turns(tuple(programme), rounds):
            for name in order:
                found[name].append(programme[name]())
    return found


def peak(accounts: int) -> float:
    """In MiB, of a process that runs a job over so many ids from a generator; what is sent is answered at once."""

    def ids() -> Iterator[str]:
        for number in range(accounts):
            yield f"acct_{number:020d}"

    async def send(_account_id: str, _watch: TokenWatch) -> None:
        await asyncio.sleep(0)

    async def block() -> int:
        job = Job("block", "accounts.block", send, RetryPolicy(), IN_FLIGHT, "benchmark")
        return (await Run(job, ids()).run()).counts[BulkOutcome.DONE]

    gc.collect()
    if asyncio.run(block()) != accounts:
        raise RuntimeError("not all accounts are done")
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 1024 / (1024 if sys.platform == "darwin" else 1)


def measure(stage: Stage) -> Section:
    rounds, accounts = min(stage.rounds, ROUNDS), stage.calls(ACCOUNTS)
    url = stage.server.url
    found = stage.run(in_a_loop, url, "", accounts, rounds)
    late = stage.run(in_a_loop, url, LATE, stage.calls(LATE_ACCOUNTS), min(rounds, LATE_ROUNDS))
    border = stage.run(across_the_border, url, accounts, rounds)
    few, many = stage.run(peak, FEW), stage.run(peak, stage.calls(MANY))
    walls = {name: [took.wall for took in taken] for name, taken in found.items()}
    late_walls = {name: [took.wall for took in taken] for name, taken in late.items()}
    processor = {name: [took.processor for took in taken] for name, taken in found.items()}
    ledger = [with_it - without for with_it, without in zip(processor[RECORDED], processor[BULK], strict=True)]
    crossing = [sync.processor - inside.processor for sync, inside in zip(border["sync"], border["async"], strict=True)]
    rows = [
        (
            name,
            f"{median(processor[name]):.0f}",
            f"{median_ratio(processor[name], processor[CALL]):.2f}",
            f"{1e6 / median(walls[name]):,.0f}",
            f"{1e6 / median(late_walls[name]):,.0f}" if name != CALL else "",
        )
        for name in walls
    ]
    cost = f"{median(ledger):.0f}", f"{median_ratio(ledger, processor[CALL]):.2f}"
    more = f"{median_ratio(late_walls[BULK], late_walls[RECORDED]):.2f} × bulk"
    rows.append(("the ledger's part", *cost, f"{median_ratio(walls[BULK], walls[RECORDED]):.2f} × bulk", more))
    return Section(
        f"Blocking {accounts:,} accounts, {IN_FLIGHT} in flight",
        "`by hand` is a gather and a semaphore over `tilia.accounts.block`; `bulk` is `tilia.bulk.block`, without a "
        "ledger and with one in a SQLite file, its commits synchronous. All in one process on one core, in turns; the "
        f"same again for {stage.calls(LATE_ACCOUNTS):,} accounts with a server that takes {LATENCY * 1000:.0f} ms, as "
        "over the internet. Crossing into the loop thread costs an item of `tilia_sync.bulk.stream_block` "
        f"{median(crossing):.0f} µs of processor time more than one of `tilia_async` in that thread. Memory is the "
        f"peak of a process whose job reads {stage.calls(MANY):,} ids from a generator, and {FEW:,}, with requests "
        f"that are answered at once: {many:.1f} MiB and {few:.1f} MiB.",
        Table(
            (
                "job",
                "µs of processor",
                "× aiohttp by hand",
                "accounts/s, no latency",
                f"accounts/s, {LATENCY * 1000:.0f} ms",
            ),
            tuple(rows),
        ),
        {
            **{f"bulk: {name}": values for name, values in walls.items()},
            **{f"bulk, late: {name}": values for name, values in late_walls.items()},
            "bulk: processor of the ledger": ledger,
            "bulk: processor of a call by hand": processor[CALL],
            "bulk: memory": [many - few],
            "bulk: crossing": [max(0.0, each) for each in crossing],
            "bulk: sync call": [took.processor for took in border["call"]],
        },
    )
