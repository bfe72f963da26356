"""Delivery of batches by procrastinate, on the ledger's own PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString, cast

import anyio
import psycopg
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.schema import SchemaManager
from procrastinate.sql import queries

from tilia_async import errors
from tilia_async.fleet.connections import Connection, connected, connection_to
from tilia_async.fleet.engine import ERROR_SECONDS, LaterError, Work
from tilia_async.fleet.task_end import end
from tilia_async.ledger.failures import words
from tilia_async.ledger.jobs import JobDefinition
from tilia_async.secret import Secret

TASK: Final = "tilia.fleet.batch"

_LOCK: Final = 0x7111C
"""Key of PostgreSQL's advisory lock for installing."""

_POLL_SECONDS: Final = 1.0
"""Seconds between looks for batches, where no notification comes."""

_FUNCTION: Final = re.compile(r"\bprocrastinate_\w+_v\d+\b")

_QUEUED: Final = """
    SELECT (args ->> 'number')::integer FROM procrastinate_jobs
    WHERE queue_name = %(queue)s AND status = 'todo' AND args ->> 'job_id' = %(job_id)s
"""

_WITHDRAW: Final = """
    DELETE FROM procrastinate_jobs
    WHERE queue_name = %(queue)s AND status = 'todo' AND args ->> 'job_id' = %(job_id)s
"""

_KNOWN: Final = """
    SELECT array_agg(name) FROM (
        SELECT proname::text FROM pg_proc WHERE proname = ANY (%s)
        UNION SELECT typname::text FROM pg_type WHERE typname = ANY (%s)
    ) AS known (name)
"""

_log = logging.getLogger("tilia_async.fleet")


def queue_of(origin: str) -> str:
    """Return the queue of an environment.

    Workers of another one do not see its batches.
    """
    # The name of a channel for notifications is short.
    return f"tilia-{hashlib.sha256(origin.encode()).hexdigest()[:12]}"


class _Again(BaseRetryStrategy):
    """A retry without end.

    The ledger says when nothing of a batch is left.
    """

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        """Return when it is delivered again."""
        del job
        seconds = exception.seconds if isinstance(exception, LaterError) else ERROR_SECONDS
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=seconds))


class Procrastinate:
    """Delivers batches by procrastinate.

    Args:
        url: of the ledger.
    """

    def __init__(self, url: Secret) -> None:
        self._url = url

        self._app = App(
            connector=PsycopgConnector(connection_class=connection_to(url), min_size=1, max_size=2, name="tilia-fleet")
        )

    async def enqueue(self, connection: Connection, job: JobDefinition, numbers: Sequence[int]) -> None:
        """Enter batches to be delivered, in the transaction under way."""
        queue = queue_of(job.origin)
        jobs = [
            Job(
                queue=queue,
                lock=None,
                queueing_lock=f"{job.job_id}:{number}",
                task_name=TASK,
                task_kwargs={"job_id": job.job_id, "number": number},
            )
            for number in numbers
        ]
        if not jobs:
            return
        try:
            await self._app.job_manager.batch_defer_jobs_async(jobs=jobs, connection=connection)
        except AlreadyEnqueued:
            raise errors.LedgerError(
                f"batches of the job {job.job_id!r} were delivered at the same moment by another process: try it again"
            ) from None
        except ConnectorException as error:
            failure = error.__cause__ or error
        else:
            return
        raise errors.LedgerError(f"batches of the job {job.job_id!r} cannot be delivered: {words(failure)}")

    async def withdraw(self, connection: Connection, job: JobDefinition) -> None:
        """Take back the batches that wait to be delivered."""
        await connection.execute(_WITHDRAW, {"queue": queue_of(job.origin), "job_id": job.job_id})

    async def queued(self, connection: Connection, job: JobDefinition) -> Collection[int]:
        """Return the batches that wait to be delivered."""
        cursor = await connection.execute(_QUEUED, {"queue": queue_of(job.origin), "job_id": job.job_id})
        return {number for (number,) in await cursor.fetchall()}

    async def send(self) -> None:
        """Do nothing: what was entered is delivered from there."""

    async def install(self) -> bool:
        """Make procrastinate's tables, unless they are there.

        Returns whether they were made.

        Raises:
            ConfigurationError: they are of an older version of procrastinate.
            LedgerError: the database cannot be reached, or the user may not make tables.
        """
        async with connected(self._url) as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            (found,) = await _one(connection, "SELECT to_regclass('procrastinate_jobs') IS NOT NULL")
            if not found:
                await connection.execute(SchemaManager.get_schema())
                _log.warning("the tables of procrastinate, which delivers the fleet's batches, were made in the ledger")
                return True
            needed = sorted({name for query in queries.values() for name in _FUNCTION.findall(query)})
            (known,) = await _one(connection, _KNOWN, (needed, needed))
            missing = sorted(set(needed) - set(cast("list[str]", known or [])))
            if missing:
                raise errors.ConfigurationError(
                    f"procrastinate's tables in the ledger's database lack {', '.join(missing)}: they are of an older "
                    "version; apply the migrations that 'procrastinate schema --migrations-path' names"
                )
            return False

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Open the connections of a worker, and close them.

        Raises:
            LedgerError: the database cannot be reached.
        """
        try:
            await self._app.open_async()
        except (ConnectorException, psycopg.Error, TimeoutError) as error:
            why = str(error) or type(error).__name__
        else:
            try:
                yield
            finally:
                await self._app.close_async()
            return
        raise errors.LedgerError(f"the fleet's database cannot be reached: {why}")

    async def deliver(
        self, do: Work, origin: str, leaving: asyncio.Event, *, at_once: int, lease: float, grace: float
    ) -> None:
        """Hand batches to a worker until it leaves.

        A worker that does not reach the database for a while goes on later.

        Args:
            leaving: what is in hand then has some time to end.
            at_once: batches in hand at once.
            lease: seconds after which a worker that is not heard of counts as dead, at the latest.
            grace: seconds that batches have to end.
        """
        queue = queue_of(origin)

        @self._app.task(name=TASK, queue=queue, retry=_Again())
        async def batch(job_id: str, number: int) -> None:
            await do(job_id, number)

        while not leaving.is_set():
            fetching = asyncio.create_task(
                self._app.run_worker_async(
                    queues=[queue],
                    concurrency=at_once,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=grace,
                    fetch_job_polling_interval=_POLL_SECONDS,
                    update_heartbeat_interval=lease / 6,
                    stalled_worker_timeout=lease * 2 / 3,
                    delete_jobs="always",
                )
            )
            sides = [asyncio.create_task(self._rescue(queue, lease)), asyncio.create_task(_wait_for(leaving))]
            try:
                await asyncio.wait([fetching, sides[1]], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end(*sides)
                await end(fetching, grace=grace)
            failure = None if fetching.cancelled() else fetching.exception()
            if isinstance(failure, ConnectorException | psycopg.Error | OSError):
                _log.warning("the fleet's database is away (%s): this worker tries it again", type(failure).__name__)
            elif failure is not None and not leaving.is_set():
                raise failure
            with anyio.move_on_after(_POLL_SECONDS):
                await leaving.wait()

    async def _rescue(self, queue: str, lease: float) -> None:
        """Deliver again what dead workers had in hand."""
        manager = self._app.job_manager
        while True:
            await asyncio.sleep(lease / 6)
            try:
                for job in await manager.get_stalled_jobs(queue=queue, seconds_since_heartbeat=lease * 2 / 3):
                    try:
                        await manager.retry_job(job)
                    except UniqueViolation:
                        # It waits to be delivered already.
                        await manager.finish_job(job, Status.FAILED, delete_job=True)
            except (ConnectorException, psycopg.Error, TimeoutError) as error:
                # Somebody else may have done it, or the database is away.
                _log.debug("batches of dead workers were not delivered again: %s", error)


async def _wait_for(leaving: asyncio.Event) -> None:
    await leaving.wait()


async def _one(connection: Connection, query: LiteralString, values: Sequence[object] = ()) -> tuple[object, ...]:
    row = await (await connection.execute(query, values)).fetchone()
    if row is None:
        raise RuntimeError(f"no row: {query}")
    return row
