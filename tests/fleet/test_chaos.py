"""Many accounts, while workers are killed and stopped, and the database drops everybody and crashes."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import attrs
import pytest
from support.counts import count
from support.fleet_worker import Scene, is_finished, scene
from support.own_postgres import OwnServer, own_server
from support.scripted import DONE, Reply, ScriptedTilia

from tilia_async import errors
from tilia_async.bulk import BulkOutcome
from tilia_async.fleet import JobState, JobStatus
from tilia_async.fleet.worker import BATCHES_AT_ONCE

pytestmark = [pytest.mark.asyncio, pytest.mark.nightly, pytest.mark.timeout(1_800)]

ACCOUNTS = int(os.environ.get("TILIA_CHAOS_ACCOUNTS", "100000"))
WORKERS = 4
KILLS = 12
CONCURRENCY = 32
LEASE = 5.0
QUIET = 3.0
"""Seconds in which nothing may come of a cancelled job."""


@pytest.fixture(autouse=True)
def _small_batches() -> None:
    """Leave the batches as they are."""


@attrs.define(eq=False)
class Arrivals:
    """Answers after a moment, and lets the test know of each account that comes.

    Attributes:
        known: the accounts that came.
        news: set by each request.
    """

    known: set[str] = attrs.field(factory=set)
    news: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def __call__(self, _tilia: ScriptedTilia, account_id: str) -> Reply:
        self.known.add(account_id)
        self.news.set()
        await asyncio.sleep(0.02)
        return DONE

    async def reach(self, share: float) -> None:
        """Wait until so much of the job has come."""
        while len(self.known) < share * ACCOUNTS:
            self.news.clear()
            await self.news.wait()

    async def pass_by(self, number: int) -> None:
        """Wait until so many accounts more have come."""
        await self.reach((len(self.known) + number) / ACCOUNTS)

    async def stay_away(self, seconds: float) -> bool:
        """Return whether nothing comes for so long."""
        self.news.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.news.wait(), seconds)
        return True


@attrs.frozen
class Blow:
    """A blow that tears workers out of their work.

    Attributes:
        whose: the workers; None: all.
        until: the number of requests that had arrived once it was over; None: whose it is sent nothing more.
        limit: the most accounts that may be sent again for it.
    """

    name: str
    whose: str | None
    until: int | None
    limit: int

    def explains(self, sent: int, by: str) -> bool:
        """Tell whether a request was under way then."""
        return self.whose in {None, by} and (self.until is None or sent < self.until)


@attrs.frozen
class Worker:
    """A worker, known by its client id."""

    name: str
    process: subprocess.Popen[str]


class Chaos:
    """The workers, and what is done to them.

    Attributes:
        blows: in the order in which they fell.
    """

    def __init__(self, fleet: Scene, server: OwnServer, arrivals: Arrivals, stack: ExitStack) -> None:
        self.blows: list[Blow] = []
        self._fleet = fleet
        self._server = server
        self._arrivals = arrivals
        self._stack = stack
        self._random = random.Random(5)
        self._names = map("worker-{}".format, itertools.count())
        self._workers = [self._started() for _ in range(WORKERS)]

    def _started(self) -> Worker:
        name = next(self._names)
        worker = self._fleet.worker(concurrency=CONCURRENCY, lease=LEASE, client_id=name)
        return Worker(name, self._stack.enter_context(worker))

    def kill(self) -> None:
        victim = self._random.choice(self._workers)
        victim.process.kill()
        victim.process.wait()
        self._workers[self._workers.index(victim)] = self._started()
        self.blows.append(Blow("kill", victim.name, None, CONCURRENCY))

    async def stop(self) -> None:
        """Stop a worker until the fleet takes it for dead, and twice its lease; then let it go on."""
        victim = self._workers[0]
        victim.process.send_signal(signal.SIGSTOP)
        own = f"/{victim.process.pid}/"
        async with asyncio.timeout(60):
            while any(own in each.name for each in await self._fleet.tilia.fleet.workers()):  # noqa: ASYNC110 - its lease ends
                await asyncio.sleep(0.1)
        victim.process.send_signal(signal.SIGCONT)
        self.blows.append(Blow("stop", victim.name, len(self._fleet.scripted.arrived), CONCURRENCY))

    async def drop_connections(self) -> None:
        """End all connections to the database, as a failover does."""
        began = await self._now()
        await self._fleet.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
        await self._recover("drop", began)

    async def crash_the_database(self) -> None:
        began = await self._now()
        await self._server.restart()
        await self._recover("crash", began)

    async def _now(self) -> float:
        ((now,),) = await self._fleet.rows("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(str(now))

    async def _recover(self, name: str, began: float) -> None:
        """Wait until nothing of then is in hand.

        Nor under way: else what is killed next would be taken for this.
        """
        in_hand = f"""
            SELECT 1 FROM tilia_bulk_batches
            WHERE finished_at IS NULL AND run_id IS NOT NULL AND taken_at < {began}
              AND expires_at > extract(epoch FROM clock_timestamp())
        """
        async with asyncio.timeout(60):
            while await self._fleet.rows(in_hand):  # noqa: ASYNC110 - other processes do it
                await asyncio.sleep(0.1)
        # A batch whose outcomes were not on record is done again by whoever takes it.
        arrived = len(self._fleet.scripted.arrived)
        self.blows.append(Blow(name, None, arrived, WORKERS * BATCHES_AT_ONCE * CONCURRENCY))
        await self._arrivals.pass_by(2 * WORKERS * CONCURRENCY)


def repeats_by_blow(arrived: Sequence[str], senders: Sequence[str], blows: Sequence[Blow]) -> list[int]:
    """Count what was sent again, for each blow.

    The first that explains the sending before is its reason. The last number is of what no blow explains.
    """
    numbers = [0] * (len(blows) + 1)
    last: dict[str, int] = {}
    for place, account_id in enumerate(arrived):
        before = last.get(account_id)
        if before is not None:
            hit = (number for number, blow in enumerate(blows) if blow.explains(before, senders[before]))
            numbers[next(hit, len(blows))] += 1
        last[account_id] = place
    return numbers


async def looked(fleet: Scene) -> JobStatus:
    while True:
        try:
            return await fleet.tilia.fleet.status("wave")
        except errors.LedgerError:
            await asyncio.sleep(0.5)


async def until(fleet: Scene, seconds: float, holds: Callable[[JobStatus], object]) -> JobStatus:
    """Wait for what other processes bring about."""
    async with asyncio.timeout(seconds):
        while not holds(status := await looked(fleet)):  # noqa: ASYNC110 - other processes do it
            await asyncio.sleep(0.2)
    return status


async def test_no_account_is_lost_and_few_are_sent_twice() -> None:
    arrivals = Arrivals()
    async with own_server() as server, scene(server.url, arrivals, LEASE) as fleet:
        submitted = (f"acct_{number}" for number in range(ACCOUNTS))
        fleet.scripted.senders = senders = []
        await fleet.tilia.fleet.submit(submitted, reason="fraud", job_id="wave")
        with ExitStack() as stack:
            chaos = Chaos(fleet, server, arrivals, stack)
            for kill in range(KILLS):
                await arrivals.reach((kill + 1) / (KILLS + 4))
                chaos.kill()
                if kill == 2:
                    await fleet.tilia.fleet.cancel("wave")
                    # Also those of the worker that was killed a moment ago.
                    await until(fleet, 5 + LEASE, lambda status: not status.workers)
                    assert await arrivals.stay_away(QUIET), "a cancelled job sends nothing"
                    assert (await fleet.tilia.fleet.resume("wave")).state is JobState.RUNNING
                elif kill == 5:
                    await chaos.stop()
                elif kill == 8:
                    await chaos.drop_connections()
                elif kill == 10:
                    await chaos.crash_the_database()
            status = await until(fleet, 900, is_finished)
        arrived = fleet.scripted.arrived
        rows = await fleet.rows(
            "SELECT state, count(*), count(DISTINCT account_id) FROM tilia_block_records GROUP BY state"
        )
        assert rows == [("confirmed", ACCOUNTS, ACCOUNTS)]
        assert status.counts[BulkOutcome.DONE] == status.settled == ACCOUNTS
        assert len(set(arrived)) == ACCOUNTS
        *repeats, unexplained = repeats_by_blow(arrived, senders, chaos.blows)
        told = [(blow.name, number, blow.limit) for blow, number in zip(chaos.blows, repeats, strict=True)]
        assert unexplained == 0, told
        assert all(number <= limit for _, number, limit in told), told
        count("accounts of a fleet under fire", ACCOUNTS)
        count("workers of a fleet killed", KILLS)
        count("accounts of a fleet sent twice", sum(repeats))
        count("most accounts of a fleet sent twice for a kill", max(n for name, n, _ in told if name == "kill"))
