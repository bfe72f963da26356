"""Many accounts, while workers are killed and stopped, and the database drops everybody and crashes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import asyncpg
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

    async def stay_away(self, seconds: float) -> bool:
        """Return whether nothing comes for so long."""
        self.news.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.news.wait(), seconds)
        return True


class Chaos:
    """The workers, and what is done to them.

    Attributes:
        may_repeat: how many accounts were in flight, at most, when a worker was torn out of its work.
    """

    def __init__(self, fleet: Scene, server: OwnServer, stack: ExitStack) -> None:
        self.may_repeat = 0
        self._fleet = fleet
        self._server = server
        self._stack = stack
        self._random = random.Random(5)
        self.workers = [self._started() for _ in range(WORKERS)]

    def _started(self) -> subprocess.Popen[str]:
        return self._stack.enter_context(self._fleet.worker(concurrency=CONCURRENCY, lease=LEASE))

    def kill(self) -> None:
        victim = self._random.choice(self.workers)
        victim.kill()
        victim.wait()
        self.workers[self.workers.index(victim)] = self._started()
        self.may_repeat += CONCURRENCY

    async def stop(self) -> None:
        """Stop a worker until the fleet takes it for dead, and twice its lease; then let it go on."""
        victim = self.workers[0]
        victim.send_signal(signal.SIGSTOP)
        self.may_repeat += CONCURRENCY
        async with asyncio.timeout(60):
            while any(f"/{victim.pid}/" in each.name for each in await self._fleet.tilia.fleet.workers()):  # noqa: ASYNC110 - its lease ends
                await asyncio.sleep(0.1)
        victim.send_signal(signal.SIGCONT)

    async def drop_connections(self) -> None:
        """End all connections to the database, as a failover does."""
        database = await asyncpg.connect(self._fleet.url)
        try:
            await database.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )
        finally:
            await database.close()
        self._lost_the_database()

    async def crash_the_database(self) -> None:
        await self._server.restart()
        self._lost_the_database()

    def _lost_the_database(self) -> None:
        # A batch whose outcomes were not on record is done again by whoever takes it.
        self.may_repeat += WORKERS * BATCHES_AT_ONCE * CONCURRENCY


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
        await fleet.tilia.fleet.submit(submitted, reason="fraud", job_id="wave")
        with ExitStack() as stack:
            chaos = Chaos(fleet, server, stack)
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
        arrived = Counter(fleet.scripted.arrived)
        repeats = len(fleet.scripted.arrived) - len(arrived)
        database = await asyncpg.connect(server.url)
        try:
            rows = await database.fetch(
                "SELECT state, count(*), count(DISTINCT account_id) FROM tilia_block_records GROUP BY state"
            )
        finally:
            await database.close()
        assert [tuple(row) for row in rows] == [("confirmed", ACCOUNTS, ACCOUNTS)]
        assert status.counts[BulkOutcome.DONE] == status.settled == ACCOUNTS
        assert len(arrived) == ACCOUNTS
        assert repeats <= chaos.may_repeat
        count("accounts of a fleet under fire", ACCOUNTS)
        count("workers of a fleet killed", KILLS)
        count("accounts of a fleet sent twice", repeats)
