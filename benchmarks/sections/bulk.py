"""What blocking many accounts costs: by hand, as a bulk job, with a ledger, and through the synchronous package."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from statistics import median

from benchmarks.answers import ACCOUNT_ID
from benchmarks.section import Section, Table
from benchmarks.stage import Stage, turns
from benchmarks.timing import Took, median_ratio, repeated, timed, timed_async
from tilia_async import Limits, RetryPolicy, TiliaClient
from tilia_async.bulk.job import Job
from tilia_async.bulk.run import Run
from tilia_async.ledger import BlockLedger
from tilia_async.tokens import TokenCache
from tilia_async.transport.caller import TokenWatch
from tilia_sync import TiliaClient as SyncClient

IN_FLIGHT = 64
ACCOUNTS = 4_000
ROUNDS = 9
FEW, MANY = 10_000, 1_000_000
LIMITS = Limits(connections=IN_FLIGHT, per_host=IN_FLIGHT)
BY_HAND, BULK, RECORDED = "by hand", "bulk", "bulk, SQLite ledger"

JobOf = Callable[[list[str]], Awaitable[object]]


async def by_hand(tilia: TiliaClient, account_ids: list[str]) -> None:
    """What people write: a task for each account, and a semaphore."""
    room = asyncio.Semaphore(IN_FLIGHT)

    async def block(account_id: str) -> None:
        async with room:
            await tilia.accounts.block(account_id)

    await asyncio.gather(*map(block, account_ids))


async def taken_in_turns(url: str, accounts: int, rounds: int) -> dict[str, list[Took]]:
    async with AsyncExitStack() as opened:
        directory = opened.enter_context(tempfile.TemporaryDirectory())

        async def client(ledger: BlockLedger | None = None) -> TiliaClient:
            made = TiliaClient(
                "id", "secret", f"{url}/{{service}}", limits=LIMITS, token_cache=TokenCache(), ledger=ledger
            )
            return await opened.enter_async_context(made)

        ledger = await opened.enter_async_context(BlockLedger.open(f"sqlite:///{directory}/blocks.db"))
        plain, recorded = await client(), await client(ledger)
        jobs: dict[str, JobOf] = {
            BY_HAND: lambda account_ids: by_hand(plain, account_ids),
            BULK: lambda account_ids: plain.bulk.block(account_ids, concurrency=IN_FLIGHT),
            RECORDED: lambda account_ids: recorded.bulk.block(account_ids, "chargebacks", concurrency=IN_FLIGHT),
        }
        found: dict[str, list[Took]] = {name: [] for name in jobs}
        for number, order in enumerate([tuple(jobs), *turns(tuple(jobs), rounds)]):
            for name in order:
                account_ids = [f"acct_{number}_{each}" for each in range(accounts)]
                took = await timed_async(lambda job=jobs[name], ids=account_ids: job(ids), accounts)
                # The first round warms up.
                if number:
                    found[name].append(took)
        return found


def in_a_loop(url: str, accounts: int, rounds: int) -> dict[str, list[Took]]:
    return asyncio.run(taken_in_turns(url, accounts, rounds))


def across_the_border(url: str, accounts: int, rounds: int) -> dict[str, list[Took]]:
    """The same job in both packages, and single synchronous calls."""
    account_ids = [f"acct_{each}" for each in range(accounts)]
    found: dict[str, list[Took]] = {"call": [], "sync": [], "async": []}
    with ExitStack() as opened:
        settings = {"limits": LIMITS, "token_cache": TokenCache()}
        tilia = opened.enter_context(SyncClient("id", "secret", f"{url}/{{service}}", **settings))
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
            "async": lambda: timed(lambda: lease.run(drained_inside()), accounts),
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
            yield f"acct_{number:032d}"

    async def send(_account_id: str, _watch: TokenWatch) -> None:
        await asyncio.sleep(0)

    async def block() -> int:
        job = Job("block", "accounts.block", send, RetryPolicy(), IN_FLIGHT, "benchmark")
        return (await Run(job, ids()).run()).total

    gc.collect()
    if asyncio.run(block()) != accounts:
        raise RuntimeError("accounts are missing")
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 1024 / (1024 if sys.platform == "darwin" else 1)


def measure(stage: Stage) -> Section:
    rounds, accounts = min(stage.rounds, ROUNDS), stage.calls(ACCOUNTS)
    found = stage.run(in_a_loop, stage.server.url, accounts, rounds)
    border = stage.run(across_the_border, stage.server.url, accounts, rounds)
    few, many = stage.run(peak, FEW), stage.run(peak, stage.calls(MANY))
    walls = {name: [took.wall for took in taken] for name, taken in found.items()}
    crossing = [sync.processor - inside.processor for sync, inside in zip(border["sync"], border["async"], strict=True)]
    rows = [
        (
            name,
            f"{median(took.processor for took in found[name]):.0f}",
            f"{1e6 / median(walls[name]):,.0f}",
            f"{median_ratio(walls[BY_HAND], walls[name]):.2f}",
        )
        for name in walls
    ]
    return Section(
        f"Blocking {accounts:,} accounts, {IN_FLIGHT} in flight",
        "`by hand` is a gather and a semaphore over `tilia.accounts.block`; `bulk` is `tilia.bulk.block`, without a "
        "ledger and with one in a SQLite file, its commits synchronous. All in one process on one core, in turns; what "
        "counts is accounts a second. Crossing into the loop thread costs an item of `tilia_sync.bulk.stream_block` "
        f"{median(crossing):.0f} µs of processor time more than one of `tilia_async` in that thread. Memory is the "
        f"peak of a process whose job reads {stage.calls(MANY):,} ids from a generator, and {FEW:,}, with requests "
        f"that are answered at once: {many:.1f} MiB and {few:.1f} MiB.",
        Table(("job", "µs of processor", "accounts/s", "× by hand"), tuple(rows)),
        {
            **{f"bulk: {name}": values for name, values in walls.items()},
            "bulk: memory": [many - few],
            "bulk: crossing": [max(0.0, each) for each in crossing],
            "bulk: sync call": [took.processor for took in border["call"]],
        },
    )
