"""A worker of a fleet."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

import attrs

from tilia_async import errors
from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.bulk.job import Job, Shared
from tilia_async.bulk.run import Run
from tilia_async.bulk.service import Bulk, job_of
from tilia_async.fleet.batch_record import BatchRecord
from tilia_async.fleet.engine import LaterError
from tilia_async.fleet.pace import Pace, WorkerPermits
from tilia_async.fleet.sigterm import leaving_on_sigterm
from tilia_async.fleet.task_end import end
from tilia_async.ledger.batches import (
    NotTaken,
    Taken,
    beat,
    finish_jobs,
    forget_worker,
    is_work_left,
    leave,
    states_of,
    take,
)
from tilia_async.ledger.claims import new_run_id
from tilia_async.ledger.database import Database
from tilia_async.ledger.job_state import JobState
from tilia_async.ledger.record import BlockAction

if TYPE_CHECKING:
    from tilia_async.fleet.procrastinate import Procrastinate

BATCHES_AT_ONCE: Final = 2
"""Batches that a worker has in hand.

While one ends, the next is under way.
"""

GRACE_SECONDS: Final = 8.0
"""Seconds for ending requests when a worker leaves."""

_BEATS_A_LEASE: Final = 3
"""Signs of life of a worker for each lease."""

_STEERING_SECONDS: Final = 1.0
"""Seconds between looks at whether a job still runs."""

_IDLE_SECONDS: Final = 0.5
"""Seconds between looks at whether anything is left to do."""

_REST_SECONDS: Final = 10.0
"""Seconds before a batch comes again without any answer."""

_log = logging.getLogger("tilia_async.fleet")


class _LeavingError(Exception):
    """The worker leaves: what it has in hand is another's."""


class _SteeredError(Exception):
    """The job was paused or cancelled."""


class Worker:
    """A worker: takes batches, does them, and leaves.

    Args:
        origin: of the environment that it works in.
        lease: seconds after which its batches are another's if it is not heard of.
    """

    def __init__(
        self,
        bulk: Bulk,
        database: Database,
        pace: Pace,
        *,
        concurrency: int,
        origin: str,
        lease: float,
    ) -> None:
        self.name: str = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._database = database
        self._origin = origin
        self._lease = lease
        self._jobs = {action: job_of(bulk, action, concurrency) for action in BlockAction}
        # Never more than the client's connections.
        self._concurrency = self._jobs[BlockAction.BLOCK].concurrency
        self._limit = AdaptiveLimit(self._concurrency)
        self._permits = WorkerPermits(self._concurrency, pace)
        self._runs: dict[Run, str] = {}
        self._left = asyncio.Event()
        self._failure: Exception | None = None
        self._finishes = False

    @property
    def failure(self) -> Exception | None:
        """Reason why this worker cannot work, whatever it is given.

        Its credentials, a scope; None: it can.
        """
        return self._failure

    async def work(self, engine: Procrastinate, *, until_idle: bool) -> None:
        """Work until it is told to leave.

        Args:
            engine: delivers the batches.

        Raises:
            BulkStoppedError: this worker cannot work, whatever it is given: its credentials, a scope.
            LedgerError: the database cannot be reached.
        """
        loop = asyncio.get_running_loop()
        leaving = leaving_on_sigterm(lambda: loop.call_soon_threadsafe(self.leave))
        async with engine.opened():
            with leaving:
                async with self.present():
                    watching = asyncio.create_task(self._watch(until_idle))
                    delivering = asyncio.create_task(
                        engine.deliver(
                            self.do,
                            self._origin,
                            self._left,
                            at_once=BATCHES_AT_ONCE,
                            lease=self._lease,
                            grace=GRACE_SECONDS,
                        )
                    )
                    try:
                        await asyncio.wait([delivering])
                    finally:
                        self.leave()
                        while not delivering.done():
                            with contextlib.suppress(asyncio.CancelledError):
                                await asyncio.wait([delivering])
                        await end(watching)
        if self._failure is not None:
            raise self._failure
        delivering.result()

    @asynccontextmanager
    async def present(self) -> AsyncGenerator[None]:
        """Be among the workers, and follow the jobs' steering.

        Raises:
            LedgerError: the database cannot be reached at the start.
        """
        await self._beat_once()
        sides = [asyncio.create_task(each) for each in (self._beat(), self._steer())]
        try:
            yield
        finally:
            self.leave()
            await end(*sides)
            if self._finishes:
                await self._finish_jobs()
            with contextlib.suppress(errors.LedgerError):
                await self._database.transact(lambda each: forget_worker(each, self.name))

    def leave(self) -> None:
        """Send nothing more, and settle what is in flight.

        The rest is left to others.
        """
        if not self._left.is_set():
            _log.info("this worker leaves, with %d batches in hand", len(self._runs))
        self._left.set()
        for run in self._runs:
            run.stop(_LeavingError())

    async def do(self, job_id: str, number: int) -> None:
        """Do a batch.

        Raises:
            LaterError: it is to be delivered again.
        """
        if self._left.is_set():
            raise LaterError(0.0)
        run_id = new_run_id()
        asked, batch = await self._database.transact(
            lambda each: (monotonic(), take(each, job_id, number, run_id=run_id, worker=self.name, lease=self._lease))
        )
        if isinstance(batch, NotTaken):
            if batch.seconds is None:
                return
            raise LaterError(batch.seconds + _IDLE_SECONDS)
        record = BatchRecord(self._database, batch, self._lease, self._concurrency, asked)
        run = Run(self._job(batch, record), list(batch.left))
        self._runs[run] = job_id
        cause: Exception | None = None
        is_done = False
        try:
            if self._left.is_set():
                run.stop(_LeavingError())
            await run.run()
            is_done = record.is_settled
        except errors.BulkStoppedError as error:
            cause = error.cause
            if not record.is_lost and _is_ours(cause):
                self._failure = error
                _log.error("this worker cannot work, and leaves: %s", cause)
                self.leave()
        except (_LeavingError, _SteeredError) as error:
            cause = error
        finally:
            del self._runs[run]
            # Also if it is cancelled, because it did not end in time.
            is_left = await asyncio.shield(asyncio.ensure_future(self._leave(batch, record, is_done)))
        if not record.is_lost and is_left:
            rests = cause is not None and not isinstance(cause, _LeavingError | _SteeredError) and not _is_ours(cause)
            raise LaterError(_REST_SECONDS if rests else 0.0)

    def _job(self, batch: Taken, record: BatchRecord) -> Job:
        if batch.origin != self._origin:
            raise errors.ConfigurationError(f"the job {batch.job_id!r} is at {batch.origin}, not at {self._origin}")
        shared = Shared(self._limit, self._permits.of_batch())
        return attrs.evolve(self._jobs[batch.action], job_id=batch.job_id, record=record, shared=shared)

    async def _leave(self, batch: Taken, record: BatchRecord, is_done: bool) -> bool:
        """Put a batch back, or finish it.

        Returns whether it is to be delivered again. Of a run that stopped, what failed may have failed for its reason.
        """
        if record.is_lost:
            _log.warning("batch %d of the job %r was taken over by another worker", batch.number, batch.job_id)
            return False
        try:
            is_left = await self._database.transact(lambda each: leave(each, batch, is_finished=is_done))
        except errors.LedgerError as error:
            _log.warning(
                "batch %d of the job %r stays in hand until its lease ends: %s", batch.number, batch.job_id, error
            )
            return True
        if is_done:
            await self._finish_jobs()
        return is_left

    async def _steer(self) -> None:
        """Stop what belongs to jobs that were paused or cancelled."""
        while True:
            await asyncio.sleep(_STEERING_SECONDS)
            if not self._runs:
                continue
            job_ids = sorted(set(self._runs.values()))
            with contextlib.suppress(errors.LedgerError):
                states = await self._database.look(partial(states_of, job_ids=job_ids))
                for run, job_id in list(self._runs.items()):
                    if states.get(job_id, JobState.RUNNING) is not JobState.RUNNING:
                        run.stop(_SteeredError())

    async def _beat(self) -> None:
        beats = 0
        while True:
            await asyncio.sleep(self._lease / _BEATS_A_LEASE)
            with contextlib.suppress(errors.LedgerError):
                await self._beat_once()
            beats += 1
            if beats % _BEATS_A_LEASE == 0:
                # Whoever did a job's last batch may have died before it said so.
                await self._finish_jobs()

    async def _beat_once(self) -> None:
        await self._database.transact(lambda each: beat(each, self.name, self._concurrency, self._lease))

    async def _finish_jobs(self) -> None:
        self._finishes = True
        with contextlib.suppress(errors.LedgerError):
            await self._database.transact(finish_jobs)
            self._finishes = False

    async def _watch(self, until_idle: bool) -> None:
        """Leave as soon as nothing is left to do."""
        while until_idle:
            with contextlib.suppress(errors.LedgerError):
                if not await self._database.look(lambda each: is_work_left(each, self._origin)):
                    self.leave()
                    return
            await asyncio.sleep(_IDLE_SECONDS)


def _is_ours(cause: Exception | None) -> bool:
    """Tell whether another worker might do it.

    The job stopped for a reason that is this one's alone.
    """
    if isinstance(cause, errors.TokenError):
        return cause.status is not None and cause.status < 500
    passing = errors.TransportError | errors.ServerError | errors.RateLimitedError | errors.LedgerError
    return isinstance(cause, errors.TiliaError) and not isinstance(cause, passing)
