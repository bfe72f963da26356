"""Many accounts, while workers are killed and stopped, and the database drops everybody."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
from collections import Counter
from contextlib import ExitStack

import asyncpg
import pytest
from support.counts import count
from support.fleet_worker import Scene, is_finished, scene
from support.postgres import new_database, terminate_connections
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


@pytest.fixture(autouse=True)
def _small_batches() -> None:
    """Leave the batches as they are."""


class Chaos:
    """The workers, and what is done to them.

    Attributes:
        interruptions: how often a worker was torn out of its work.
    """

    def __init__(self, fleet: Scene, stack: ExitStack) -> None:
        self.interruptions = 0
        self._fleet = fleet
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
        self.interruptions += 1

    async def stop(self) -> None:
        victim = self.workers[0]
        victim.send_signal(signal.SIGSTOP)
        self.interruptions += 1
        await asyncio.sleep(2 * LEASE)
        victim.send_signal(signal.SIGCONT)

    async def drop_connections(self) -> None:
        await terminate_connections(self._fleet.url)
        self.interruptions += WORKERS * BATCHES_AT_ONCE


async def looked(fleet: Scene) -> JobStatus:
    while True:
        try:
            return await fleet.tilia.fleet.status("wave")
        except errors.LedgerError:
            await asyncio.sleep(0.5)


async def after(fleet: Scene, share: float) -> None:
    """Wait until so much of the job is settled."""
    while (await looked(fleet)).settled < share * ACCOUNTS:  # noqa: ASYNC110 - other processes do it
        await asyncio.sleep(0.3)


async def soon(_tilia: ScriptedTilia, _account_id: str) -> Reply:
    await asyncio.sleep(0.02)
    return DONE


async def test_no_account_is_lost_and_few_are_sent_twice() -> None:
    async with new_database() as url, scene(url, soon, LEASE) as fleet:
        submitted = (f"acct_{number}" for number in range(ACCOUNTS))
        await fleet.tilia.fleet.submit(submitted, reason="fraud", job_id="wave")
        with ExitStack() as stack:
            chaos = Chaos(fleet, stack)
            for kill in range(KILLS):
                await after(fleet, (kill + 1) / (KILLS + 4))
                chaos.kill()
                if kill == 2:
                    await fleet.tilia.fleet.cancel("wave")
                    async with asyncio.timeout(5 + LEASE):
                        while (await looked(fleet)).workers:  # noqa: ASYNC110 - other processes do it
                            await asyncio.sleep(0.2)
                    sent = len(fleet.scripted.arrived)
                    await asyncio.sleep(3)
                    assert len(fleet.scripted.arrived) == sent, "a cancelled job sends nothing"
                    assert (await fleet.tilia.fleet.resume("wave")).state is JobState.RUNNING
                elif kill == 5:
                    await chaos.stop()
                elif kill == 8:
                    await chaos.drop_connections()
            async with asyncio.timeout(900):
                while not is_finished(await looked(fleet)):  # noqa: ASYNC110 - other processes do it
                    await asyncio.sleep(0.5)
        status = await looked(fleet)
        arrived = Counter(fleet.scripted.arrived)
        repeats = len(fleet.scripted.arrived) - len(arrived)
        assert status.counts[BulkOutcome.DONE] == status.settled == ACCOUNTS
        assert len(arrived) == ACCOUNTS
        assert repeats <= CONCURRENCY * chaos.interruptions
        database = await asyncpg.connect(url)
        try:
            rows = await database.fetch(
                "SELECT state, count(*), count(DISTINCT account_id) FROM tilia_block_records GROUP BY state"
            )
        finally:
            await database.close()
        assert [tuple(row) for row in rows] == [("confirmed", ACCOUNTS, ACCOUNTS)]
        count("accounts of a fleet under fire", ACCOUNTS)
        count("workers of a fleet killed", KILLS)
        count("accounts of a fleet sent twice", repeats)
