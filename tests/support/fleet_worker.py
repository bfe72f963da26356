"""A fleet, with workers that can be killed.

Its settings come as JSON in the environment variable ``WORKER``, so that they stand in no process list.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import attrs

from support.postgres import connected, rows
from support.scripted import Reply, ScriptedTilia, at_once, client_of
from tilia_async import RetryPolicy, TiliaClient
from tilia_async.fleet import JobState, JobStatus
from tilia_async.ledger import BlockLedger

Answer = Callable[[ScriptedTilia, str], Awaitable[Reply]]

LEASE = 2.0
"""Seconds of a lease in these tests.

A killed worker's batch is taken over within it.
"""


@attrs.frozen
class Scene:
    """A fleet's server, ledger and client.

    Attributes:
        scripted: the server.
        template: of its environment.
        url: of the ledger.
        tilia: a client that submits and steers.
    """

    scripted: ScriptedTilia
    template: str
    url: str
    ledger: BlockLedger
    tilia: TiliaClient

    @contextlib.contextmanager
    def worker(self, **settings: object) -> Iterator[subprocess.Popen[str]]:
        """Start a worker, and kill it at the end."""
        given = {"template": self.template, "ledger": self.url, "lease": LEASE, "concurrency": 8, **settings}
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "support.fleet_worker"],
            env={**os.environ, "WORKER": json.dumps(given), "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    async def until(
        self, holds: Callable[[JobStatus], object], job_id: str = "wave", seconds: float = 30.0
    ) -> JobStatus:
        """Wait for a status."""
        async with asyncio.timeout(seconds):
            while not holds(status := await self.tilia.fleet.status(job_id)):  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.02)
        return status

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the database itself."""
        async with connected(self.url) as database:
            return await rows(database, query)

    async def execute(self, statements: str) -> None:
        """Change the database itself."""
        async with connected(self.url) as database:
            await database.execute(statements.encode())

    async def states(self, job_id: str = "wave") -> dict[str, str]:
        """Return the state of each account of a job."""
        return {record.account_id: record.state.value async for record in self.ledger.records(job_id=job_id)}


def is_finished(status: JobStatus) -> bool:
    """Tell whether a job is finished."""
    return status.state is JobState.FINISHED


@contextlib.asynccontextmanager
async def scene(url: str, answer: Answer = at_once, lease: float = LEASE) -> AsyncIterator[Scene]:
    """Open a fleet's server, ledger and client."""
    from support.hostile import hostile_server

    scripted = ScriptedTilia(answer)
    async with (
        hostile_server(scripted.serve) as server,
        BlockLedger.open(url, lease=lease) as ledger,
        client_of(server.template, ledger=ledger) as tilia,
    ):
        yield Scene(scripted, server.template, url, ledger, tilia)


async def work(given: dict[str, object]) -> None:
    """Be a worker until it is told to leave.

    Its log goes where the test reads, from the level that the test wants.
    """
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    logging.getLogger("tilia_async.fleet").setLevel(str(given.get("level", "WARNING")))
    async with (
        BlockLedger.open(str(given["ledger"]), lease=float(str(given["lease"]))) as ledger,
        TiliaClient(
            str(given.get("client_id", "id")),
            "secret",
            str(given["template"]),
            ledger=ledger,
            retry=RetryPolicy(attempts=3, initial=0.01),
        ) as tilia,
    ):
        await tilia.fleet.work(concurrency=int(str(given["concurrency"])))


if __name__ == "__main__":
    asyncio.run(work(json.loads(os.environ["WORKER"])))
