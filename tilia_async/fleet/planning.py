"""The plan of a job: accounts, batches, and deliveries.

A plan is entered in transactions of many accounts. Until the last of them, which also enters what the engine delivers,
nothing of it is seen by a worker; and a plan whose submitter died is removed by whoever submits the job next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from tilia_async import checks, errors
from tilia_async.bulk.work_item import WorkItem
from tilia_async.fleet.connections import Connection
from tilia_async.ledger.claims import new_run_id
from tilia_async.ledger.fleet_jobs import FOUND_JOB, no_job, refuse_known, wrong_state
from tilia_async.ledger.job_state import JobState
from tilia_async.ledger.jobs import JobDefinition
from tilia_async.models.accounts import PUBLISHER
from tilia_async.postgres import TIMES_IN_UTC

if TYPE_CHECKING:
    from tilia_async.fleet.engine import Engine

IN_ONE_TRANSACTION: Final = 100_000
"""Accounts that are entered in one transaction."""

IN_A_BATCH: Final = 500
"""Accounts of a batch, at most."""

_IN_A_SMALL_BATCH: Final = 20
"""Fewest accounts of a batch, but for the last."""

_BATCHES_OF_A_SMALL_JOB: Final = 64
"""Batches of a small job: enough for many workers."""

_ENTER_JOB: Final = """
    INSERT INTO tilia_bulk_jobs (job_id, origin, action, reason, actor, review_at, state)
    VALUES (%(job_id)s, %(origin)s, %(action)s, %(reason)s, %(actor)s, %(review_at)s, 'planned')
    ON CONFLICT DO NOTHING RETURNING job_id
"""

_REPLACE_JOB: Final = """
    UPDATE tilia_bulk_jobs
    SET origin = %(origin)s, action = %(action)s, reason = %(reason)s, actor = %(actor)s, review_at = %(review_at)s
    WHERE job_id = %(job_id)s
"""

_LOCK_JOB: Final = f"{FOUND_JOB} WHERE j.job_id = %(job_id)s FOR UPDATE OF j"

_ENTER_RUN: Final = """
    INSERT INTO tilia_bulk_runs (run_id, job_id, expires_at)
    VALUES (%(run)s, %(job_id)s, extract(epoch from clock_timestamp()) + %(lease)s)
"""

_RENEW_RUN: Final = """
    UPDATE tilia_bulk_runs SET expires_at = extract(epoch from clock_timestamp()) + %(lease)s
    WHERE run_id = %(run)s RETURNING run_id
"""

_REMOVE_PLAN: Final = (
    "DELETE FROM tilia_bulk_runs WHERE job_id = %(job_id)s",
    """
    DELETE FROM tilia_block_records AS r USING tilia_bulk_batches AS b
    WHERE b.job_id = %(job_id)s AND r.job_id = b.job_id AND r.id BETWEEN b.first_id AND b.last_id
    """,
    "DELETE FROM tilia_bulk_batches WHERE job_id = %(job_id)s",
)

_GIVEN: Final = "CREATE TEMPORARY TABLE tilia_given (place bigserial, account_id text) ON COMMIT DROP"

_ENTER_ACCOUNTS: Final = """
    WITH entered AS (
        INSERT INTO tilia_block_records
            (job_id, action, account_id, state, source, issuer, reason, actor, review_at, requested_at, run_id)
        SELECT %(job_id)s, %(action)s, account_id, 'planned', 'bulk', %(issuer)s, %(reason)s, %(actor)s,
               %(review_at)s, clock_timestamp(), ''
        FROM tilia_given ORDER BY place
        ON CONFLICT DO NOTHING RETURNING id
    ),
    numbered AS (
        SELECT id, %(first)s::integer + ((row_number() OVER (ORDER BY id) - 1) / %(size)s::integer)::integer AS number
        FROM entered
    )
    INSERT INTO tilia_bulk_batches (job_id, number, first_id, last_id, total)
    SELECT %(job_id)s, number, min(id), max(id), count(*) FROM numbered GROUP BY number
"""

_BEGIN_JOB: Final = """
    UPDATE tilia_bulk_jobs AS j
    SET started_at = clock_timestamp(), total = b.total,
        state = CASE WHEN b.total = 0 THEN 'finished' ELSE 'running' END,
        finished_at = CASE WHEN b.total = 0 THEN clock_timestamp() END
    FROM (SELECT coalesce(sum(total), 0) AS total FROM tilia_bulk_batches WHERE job_id = %(job_id)s) AS b
    WHERE j.job_id = %(job_id)s
"""

_TO_DELIVER: Final = """
    SELECT number FROM tilia_bulk_batches
    WHERE job_id = %(job_id)s AND finished_at IS NULL
      AND (run_id IS NULL OR expires_at - extract(epoch from clock_timestamp()) NOT BETWEEN 0 AND 60)
    ORDER BY number
"""

_GO_ON: Final = "UPDATE tilia_bulk_jobs SET state = 'running', finished_at = NULL WHERE job_id = %(job_id)s"

_REOPEN: Final = """
    UPDATE tilia_bulk_batches SET finished_at = NULL
    WHERE job_id = %(job_id)s AND finished_at IS NOT NULL AND failed + unknown > 0
"""

_UNDOING: Final = """
    SELECT j.job_id FROM tilia_bulk_jobs AS j JOIN tilia_bulk_runs AS r ON r.job_id = j.job_id
    WHERE j.undoes = %(job_id)s AND r.expires_at > extract(epoch from clock_timestamp())
"""


class UnreadableError(Exception):
    """The caller's accounts cannot be read.

    Attributes:
        cause: what their iterable raised; it is none of the database's failures, whatever it is.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


class Plan:
    """The plan of one job, entered by one submitter."""

    def __init__(self, connection: Connection, engine: Engine, job: JobDefinition, lease: float) -> None:
        self._connection = connection
        self._engine = engine
        self._job = job
        self._values: dict[str, object] = {
            "job_id": job.job_id,
            "origin": job.origin,
            "action": job.action,
            "reason": job.reason,
            "actor": job.actor,
            "review_at": job.review_at,
            "issuer": PUBLISHER,
            "run": new_run_id(),
            "lease": lease,
        }
        self._batches = 0
        self._read = 0

    async def begin(self) -> None:
        """Enter the job.

        It takes the place of a plan whose submitter died.

        Raises:
            ConfigurationError: there is such a job already, or it is being submitted.
        """
        async with self._connection.transaction():
            cursor = await self._connection.execute(_ENTER_JOB, self._values)
            if await cursor.fetchone() is None:
                await self._check_abandoned()
                await self._remove()
                await self._connection.execute(_REPLACE_JOB, self._values)
            await self._connection.execute(_ENTER_RUN, self._values)

    async def _check_abandoned(self) -> None:
        await self._connection.execute(TIMES_IN_UTC)
        found = await (await self._connection.execute(_LOCK_JOB, self._values)).fetchone()
        state, total, started_at, is_live = found or (None, None, None, False)
        refuse_known(self._job.job_id, state, total, started_at, is_live)

    async def enter(self, account_ids: Iterable[object] | AsyncIterable[object]) -> None:
        """Enter the accounts, some at a time.

        Raises:
            InvalidRequestError: an id is not a text.
            UnreadableError: the accounts cannot be read.
            LedgerError: another submitter has taken over, because this one was not heard of for long.
        """
        async for some in _portions(account_ids):
            keys = [self._key(each) for each in some]
            async with self._connection.transaction():
                await self.renew()
                await self._connection.execute(_GIVEN)
                async with (
                    self._connection.cursor() as cursor,
                    cursor.copy("COPY tilia_given (account_id) FROM STDIN") as copy,
                ):
                    for key in keys:
                        await copy.write_row((key,))
                entered = await self._connection.execute(
                    _ENTER_ACCOUNTS, {**self._values, "first": self._batches, "size": _size_of_batch(len(keys))}
                )
            self._batches += entered.rowcount

    def _key(self, account_id: object) -> str:
        self._read += 1
        if not isinstance(account_id, str):
            problem = f"number {self._read} is an id, a string, not {type(account_id).__name__}"
            raise errors.InvalidRequestError({"account_ids": [problem]}, operation="fleet.submit")
        return account_id if not checks.identifier(account_id) else WorkItem(account_id).key

    async def renew(self) -> None:
        """Say that the submitter lives.

        Raises:
            LedgerError: another submitter has taken over.
        """
        cursor = await self._connection.execute(_RENEW_RUN, self._values)
        if await cursor.fetchone() is None:
            raise errors.LedgerError(
                f"the job {self._job.job_id!r} is submitted by another process now, because this one was not heard of "
                "for the time of its lease"
            )

    async def finish(self) -> None:
        """Begin the job.

        In one transaction with handing its batches to the engine.
        """
        async with self._connection.transaction():
            await self.renew()
            await self._connection.execute(_BEGIN_JOB, self._values)
            await self._connection.execute(_REMOVE_PLAN[0], self._values)
            await self._engine.enqueue(self._connection, self._job, range(self._batches))

    async def remove(self) -> None:
        """Remove what was entered, and the job."""
        async with self._connection.transaction():
            await self.renew()
            await self._remove()
            await self._connection.execute("DELETE FROM tilia_bulk_jobs WHERE job_id = %(job_id)s", self._values)

    async def _remove(self) -> None:
        # The run first: a submitter that is thought dead and enters something is waited for.
        for statement in _REMOVE_PLAN:
            await self._connection.execute(statement, self._values)


def _size_of_batch(accounts: int) -> int:
    """Return how many of these accounts make a batch.

    A worker takes two batches, so of a few large ones most workers would have none.
    """
    return min(IN_A_BATCH, max(_IN_A_SMALL_BATCH, -(-accounts // _BATCHES_OF_A_SMALL_JOB)))


async def stop(
    connection: Connection, engine: Engine, job_id: str, before: Sequence[JobState], after: JobState
) -> None:
    """Let a job rest.

    What was not delivered is taken back.

    Args:
        before: the states from which it may; a job that has the new state already stays.

    Raises:
        ConfigurationError: there is no such job, or it has another state.
    """
    async with connection.transaction():
        state, job = await _locked(connection, job_id)
        if state is after:
            return
        if state not in before:
            raise wrong_state(job_id, state.value, after)
        await connection.execute(
            "UPDATE tilia_bulk_jobs SET state = %(state)s WHERE job_id = %(job_id)s",
            {"job_id": job_id, "state": after.value},
        )
        await engine.withdraw(connection, job)


async def _locked(connection: Connection, job_id: str) -> tuple[JobState, JobDefinition]:
    """Read a job, and let nobody change it meanwhile.

    A run that puts a batch back waits for this lock, or is waited for.
    """
    cursor = await connection.execute(
        "SELECT state, origin, action FROM tilia_bulk_jobs WHERE job_id = %(job_id)s FOR UPDATE", {"job_id": job_id}
    )
    state, origin, action = await cursor.fetchone() or (None, "", "")
    if state is None:
        raise no_job(job_id)
    return JobState(state), JobDefinition(job_id=job_id, origin=origin, action=action)


async def deliver(
    connection: Connection, engine: Engine, job_id: str, before: Sequence[JobState], *, reopens: bool = False
) -> None:
    """Let a job run, and deliver its batches.

    Those that the engine does not have already.

    Args:
        before: the states from which it may.
        reopens: its batches with accounts that failed or are unknown are done again.

    Raises:
        ConfigurationError: there is no such job, it has another state, or it is being undone.
    """
    values = {"job_id": job_id}
    async with connection.transaction():
        state, job = await _locked(connection, job_id)
        if state not in before:
            raise wrong_state(job_id, state.value, JobState.RUNNING)
        undoing = await (await connection.execute(_UNDOING, values)).fetchone()
        if undoing is not None:
            raise errors.ConfigurationError(f"the job {job_id!r} is being undone by the job {undoing[0]!r}")
        if reopens:
            await connection.execute(_REOPEN, values)
        rows = await (await connection.execute(_TO_DELIVER, values)).fetchall()
        numbers = [number for (number,) in rows]
        if numbers or state is not JobState.FINISHED:
            await connection.execute(_GO_ON, values)
        queued = await engine.queued(connection, job)
        await engine.enqueue(connection, job, [number for number in numbers if number not in queued])


async def _portions(account_ids: Iterable[object] | AsyncIterable[object]) -> AsyncIterator[list[object]]:
    ids = aiter(account_ids) if isinstance(account_ids, AsyncIterable) else _turns(account_ids)
    while portion := await _some(ids):
        yield portion


async def _some(ids: AsyncIterator[object]) -> list[object]:
    """Read some of a caller's ids."""
    portion: list[object] = []
    try:
        async for each in ids:
            portion.append(each)
            if len(portion) == IN_ONE_TRANSACTION:
                break
    except Exception as error:  # noqa: BLE001 - it is the caller's iterable, and the caller gets what it raised
        raise UnreadableError(error) from None
    return portion


async def _turns(ids: Iterable[object]) -> AsyncIterator[object]:
    for number, each in enumerate(ids):
        yield each
        if not number % 1_000:
            # Others have their turn, however long it is.
            await asyncio.sleep(0)
