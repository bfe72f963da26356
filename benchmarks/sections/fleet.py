"""Workers of a fleet that share a job: how much more of them do, and what a million accounts cost its ledger."""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import attrs
import psycopg

from benchmarks.answers import DISTANT, DISTANT_LATENCY
from benchmarks.fleet_worker import workers
from benchmarks.section import Section, Table
from benchmarks.server import Server
from benchmarks.stage import Stage
from benchmarks.timing import median_ratio
from tilia_async import TiliaClient
from tilia_async.bulk import BulkOutcome
from tilia_async.fleet import JobState, JobStatus
from tilia_async.ledger import BlockLedger

POSTGRES = os.environ.get("TILIA_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
WORKERS = (1, 4, 8)
CONCURRENCY = 8
FOR_EACH = 600
"""Accounts for each worker: at the server's latency, a quarter of a minute."""
WARM = 100
"""Accounts for each worker before, in which the budget grows as large as these workers need it."""
ROUNDS = 2
FEW, MANY = 200_000, 1_000_000
LOOKS = 50


@attrs.frozen
class Job:
    """Result of a job.

    Attributes:
        rate: accounts a second, from its beginning to its last record.
        in_flight: how many requests were in flight at the server on average, while all had work.
    """

    rate: float
    in_flight: float


@asynccontextmanager
async def new_database() -> AsyncIterator[str]:
    name = f"tilia_bench_{uuid.uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(POSTGRES, autocommit=True) as server:
        await server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{name}"))
        finally:
            await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def ids(number: int) -> Iterator[str]:
    return (str(uuid.uuid4()) for _ in range(number))


async def finished(tilia: TiliaClient, job_id: str) -> JobStatus:
    while (status := await tilia.fleet.status(job_id)).state is not JobState.FINISHED:  # noqa: ASYNC110 - others do it
        await asyncio.sleep(0.2)
    expect(status.counts[BulkOutcome.DONE], status.total)
    return status


def expect(done: int, accounts: int) -> None:
    if done != accounts:
        raise RuntimeError(f"{done} of {accounts} accounts are done")


async def by_a_fleet(server: Server, number: int, for_each: int) -> Job:
    template = f"{server.url}{DISTANT}/{{service}}"
    async with (
        new_database() as url,
        BlockLedger.open(url) as ledger,
        TiliaClient("id", "secret", template, ledger=ledger) as tilia,
    ):
        await tilia.fleet.install()
        with workers(number, template, url, CONCURRENCY):
            async with asyncio.timeout(60):
                while len(await tilia.fleet.workers()) < number:  # noqa: ASYNC110 - others do it
                    await asyncio.sleep(0.1)
            await tilia.fleet.submit(ids(WARM * number), job_id="warm")
            await finished(tilia, "warm")
            seconds = for_each * DISTANT_LATENCY / CONCURRENCY
            async with asyncio.timeout(20 * seconds):
                await tilia.fleet.submit(ids(for_each * number), job_id="wave")
                await asyncio.sleep(seconds * 0.15)
                before = server.busy()
                await asyncio.sleep(seconds * 0.6)
                after = server.busy()
                status = await finished(tilia, "wave")
    if status.started_at is None or status.finished_at is None:
        raise RuntimeError("the job has no times")
    took = (status.finished_at - status.started_at).total_seconds()
    return Job(for_each * number / took, after.in_flight_since(before))


async def by_one_process(server: Server, for_each: int) -> Job:
    """The same by ``tilia.bulk``, on the same kind of ledger."""
    template = f"{server.url}{DISTANT}/{{service}}"
    async with (
        new_database() as url,
        BlockLedger.open(url) as ledger,
        TiliaClient("id", "secret", template, ledger=ledger) as tilia,
    ):
        await tilia.bulk.block(ids(WARM), concurrency=CONCURRENCY)
        before = server.busy()
        began = time.perf_counter()
        report = await tilia.bulk.block(ids(for_each), concurrency=CONCURRENCY)
        took = time.perf_counter() - began
    expect(report.counts[BulkOutcome.DONE], for_each)
    return Job(for_each / took, server.busy().in_flight_since(before))


@attrs.frozen
class Submitted:
    """Times of submitting a job and of looking at it.

    Attributes:
        seconds: for all accounts.
        peak: memory of the process, in MiB.
        status: ms of a look, the median of many.
    """

    seconds: float
    peak: float
    status: float


def submitted(accounts: int) -> Submitted:
    async def submit() -> Submitted:
        template = "http://127.0.0.1:1/{service}"
        async with (
            new_database() as url,
            BlockLedger.open(url) as ledger,
            TiliaClient("id", "secret", template, ledger=ledger) as tilia,
        ):
            await tilia.fleet.install()
            began = time.perf_counter()
            await tilia.fleet.submit(ids(accounts), job_id="wave")
            seconds = time.perf_counter() - began
            looks = []
            for _ in range(LOOKS):
                began = time.perf_counter()
                await tilia.fleet.status("wave")
                looks.append(time.perf_counter() - began)
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
        return Submitted(seconds, kib / 1024, statistics.median(looks) * 1000)

    return asyncio.run(submit())


def is_served() -> bool:
    try:
        psycopg.connect(POSTGRES, connect_timeout=5).close()
    except psycopg.Error:
        return False
    return True


def measure(stage: Stage) -> Section:
    title = f"A fleet, {CONCURRENCY} in flight for each worker, {DISTANT_LATENCY * 1000:.0f} ms"
    if not is_served():
        return Section(title, "No PostgreSQL answers at TILIA_TEST_POSTGRES.", Table(("workers",), ()), {})
    for_each, rounds = stage.calls(FOR_EACH), min(stage.rounds, ROUNDS)
    plain: list[Job] = []
    shared: dict[int, list[Job]] = {number: [] for number in WORKERS}
    for _ in range(rounds):
        plain.append(asyncio.run(by_one_process(stage.server, for_each)))
        for number in WORKERS:
            shared[number].append(asyncio.run(by_a_fleet(stage.server, number, for_each)))
    few, many = stage.run(submitted, FEW), stage.run(submitted, stage.calls(MANY))
    rates = {number: [job.rate for job in jobs] for number, jobs in shared.items()}
    parts = {number: [job.in_flight / (CONCURRENCY * number) for job in jobs] for number, jobs in shared.items()}
    rows = [
        ("`tilia.bulk`, the same ledger", *told(plain), f"{statistics.median(j.in_flight for j in plain) / 8:.0%}", "")
    ]
    rows += [
        (
            f"{number} worker{'s' * (number > 1)}",
            *told(shared[number]),
            f"{statistics.median(parts[number]):.0%}",
            f"{median_ratio(rates[number], rates[1]):.2f}",
        )
        for number in WORKERS
    ]
    return Section(
        title,
        f"Workers are processes. A job has {for_each} accounts for each of them, all in one ledger on PostgreSQL, and "
        "comes after a small one in which the budget grew. A rate is of the whole job, its end included, where some "
        "have nothing left to do; what is in flight is counted by the server, from 15 to 75 % of the time that the job "
        f"would take at best. {stage.calls(MANY):,} accounts were submitted in {many.seconds:.0f} s by a process that "
        f"had {many.peak:.0f} MiB at its peak ({FEW:,}: {few.seconds:.1f} s, {few.peak:.0f} MiB); a look at that job "
        f"takes {many.status:.1f} ms.",
        Table(("done by", "accounts/s", "in flight at the server", "of what is possible", "× one worker"), rows),
        {
            **{f"fleet: {number} workers": values for number, values in rates.items()},
            **{f"fleet: part in flight, {number} workers": values for number, values in parts.items()},
            "fleet: plain": [job.rate for job in plain],
            "fleet: submit": [many.seconds],
            "fleet: memory": [many.peak - few.peak],
            "fleet: status": [many.status],
        },
        (f"load of the last minute at the end: {os.getloadavg()[0]:.1f}",),
    )


def told(jobs: list[Job]) -> tuple[str, str]:
    return (
        f"{statistics.median(job.rate for job in jobs):.0f}",
        f"{statistics.median(job.in_flight for job in jobs):.1f}",
    )
