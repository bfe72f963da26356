"""``tilia.fleet`` for code without an event loop.

Ids are read in the caller's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from tilia_async import checks
from tilia_async import fleet as asynchronous
from tilia_async.bulk.job import DEFAULT_CONCURRENCY
from tilia_async.bulk.outcome import BulkItem
from tilia_async.fleet.sigterm import leaving_on_sigterm
from tilia_async.fleet.status import FleetWorker, JobStatus
from tilia_async.ledger.record import BlockAction
from tilia_async.wire.refusal import refuse
from tilia_sync.batch_reader import LONGEST_BATCH
from tilia_sync.batched_job import BatchedJob, Feed, Put
from tilia_sync.loop_thread import LoopHandle

if TYPE_CHECKING:
    from celery import Celery

    from tilia_async.fleet.redis_budget import RedisBudget

AccountIds = Iterable[str]


@attrs.frozen(eq=False)
class Fleet:
    """``tilia.fleet``: one job for many workers, on many hosts.

    It needs the extra ``fleet`` and a ledger on PostgreSQL, which all of them share. Whoever submits a job enters its
    accounts there; workers take them in batches of some hundred, block them, and put on record what came of each. A
    batch whose worker died is taken over within the ledger's lease. Only blocks and unblocks are shared: they may be
    sent twice.
    """

    _service: asynchronous.Fleet
    _lease: LoopHandle

    def with_budget(self, budget: RedisBudget) -> Fleet:
        """Return the fleet with a budget in Redis.

        Its workers share the requests a second there, and not in the ledger. All workers of an environment have to
        share the same one: those with another do not know what these send.
        """
        return Fleet(self._service.with_budget(budget), self._lease)

    def with_celery(self, app: Celery, *, concurrency: int = DEFAULT_CONCURRENCY) -> Fleet:
        """Return the fleet whose batches a Celery app delivers.

        It needs the extra ``celery``, and no procrastinate. Call it where the app is made: that adds the tasks
        ``tilia.fleet.batch`` and ``tilia.fleet.send``, and whoever runs a worker of the app, in processes or in
        threads, runs a worker of the fleet. What this fleet submits is sent by the app; all else is the same.

        ::

            app = Celery("acme", broker="amqp://…")
            tilia = TiliaClient.from_env(ledger=BlockLedger.open("postgresql://…"))
            fleet = tilia.fleet.with_celery(app)

        A message can be lost between the ledger and the broker, or by the broker. The ledger knows what was sent, and
        workers look about twice a minute for what was not, or what nobody took.

        Args:
            concurrency: the most requests that one batch has in flight, at least 1; never more than the client's
                connections. A worker has as many batches in hand as it has processes or threads.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: there is no ledger on PostgreSQL, or the extra is not installed.
        """
        return Fleet(self._service.with_celery(app, concurrency=concurrency), self._lease)

    def install(self) -> bool:
        """Make the fleet's tables in the ledger's database.

        Those of the ledger and of the engine, of the budget unless that is in Redis, and of the client's tokens if
        they are kept in a ``PostgresTokenStore``. ``submit`` and ``work`` do it by themselves, if the user of the
        ledger's URL may. One who may not works with tables that another has made.

        Returns:
            True if tables of the engine, procrastinate, were made; False if they were there.

        Raises:
            ConfigurationError: there is no ledger on PostgreSQL, the extra is not installed, or the tables are of an
                older version of procrastinate.
            LedgerError: the database cannot be reached, or refuses it.
        """
        with self._lease as run:
            return run(self._service.install)

    def submit(
        self,
        account_ids: AccountIds,
        action: str = BlockAction.BLOCK.value,
        *,
        reason: str | None = None,
        actor: str | None = None,
        job_id: str | None = None,
        review_at: datetime | None = None,
    ) -> JobStatus:
        """Submit a job: enter its accounts, and have workers begin.

        Nothing is sent before all accounts are entered. If that fails, or this process dies, none is, and the job can
        be submitted again.

        Args:
            account_ids: read once, 100,000 at a time. A repeated id counts once; one that cannot be an id becomes a
                failed account.
            action: ``block`` or ``unblock``.
            reason: why, for your ledger. Tilia takes no reason and keeps none.
            actor: who, for your ledger.
            job_id: its name, 255 characters at most; None: one is made.
            review_at: when somebody should look at these blocks again, with a time zone.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: the ledger has a job of this name already; or as ``install`` does.
            LedgerError: the database cannot be reached; the text says so if the job is submitted all the same.
            Exception: as the iterable of the accounts does.

        Source: fact sheet "guides", G3; scope ``block_accounts`` or ``unblock_accounts``.
        """
        refuse("fleet.submit", {"account_ids": checks.plain_iterable(account_ids)})
        feed = Feed()

        async def work(_put: Put[None]) -> JobStatus:
            return await self._service.submit(
                feed, action, reason=reason, actor=actor, job_id=job_id, review_at=review_at
            )

        return self._lease.do(BatchedJob(feed, work), iter(account_ids), LONGEST_BATCH, _nothing)

    def status(self, job_id: str) -> JobStatus:
        """Return how far a job is.

        It takes milliseconds, however many accounts there are.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: the ledger has no such job of a fleet; or there is no ledger on PostgreSQL.
            LedgerError: the ledger cannot be read.
        """
        with self._lease as run:
            return run(lambda: self._service.status(job_id))

    def failures(self, job_id: str) -> Iterator[BulkItem]:
        """Return the settled accounts that are not done.

        Each with its outcome, and why; one that was changed back since by somebody else says so in its error.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: there is no ledger on PostgreSQL.
            LedgerError: the ledger cannot be read.
        """
        self._lease.check_open()
        return self._lease.iterate(self._service.failures(job_id))

    def pause(self, job_id: str) -> JobStatus:
        """Pause a job.

        Within seconds nothing more of it is sent.

        What is in flight is put on record.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: there is no such job, or it does not run.
            LedgerError: the ledger cannot be written.
        """
        with self._lease as run:
            return run(lambda: self._service.pause(job_id))

    def cancel(self, job_id: str) -> JobStatus:
        """Cancel a job.

        Within seconds nothing more of it is sent.

        What is in flight is put on record; what was not sent stays there as planned. What was done is lifted by
        ``tilia.bulk.undo``. ``resume`` takes the cancelling back.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: there is no such job, or it is finished.
            LedgerError: the ledger cannot be written.
        """
        with self._lease as run:
            return run(lambda: self._service.cancel(job_id))

    def resume(self, job_id: str) -> JobStatus:
        """Go on with a job that was paused or cancelled.

        Of one that runs, it delivers again what an engine may have lost.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: there is no such job, or it is finished.
            LedgerError: the ledger cannot be written.
        """
        with self._lease as run:
            return run(lambda: self._service.resume(job_id))

    def retry(self, job_id: str) -> JobStatus:
        """Try accounts again that failed or are unknown.

        Those that Tilia refuses or does not know stay as they are.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: there is no such job, or it is paused or cancelled.
            LedgerError: the ledger cannot be written.
        """
        with self._lease as run:
            return run(lambda: self._service.retry(job_id))

    def workers(self) -> tuple[FleetWorker, ...]:
        """Return who works, on what, and since when.

        One that died is among them until its lease ends.

        Raises:
            ConfigurationError: there is no ledger on PostgreSQL.
            LedgerError: the ledger cannot be read.
        """
        with self._lease as run:
            return run(self._service.workers)

    def work(self, *, concurrency: int = DEFAULT_CONCURRENCY, until_idle: bool = False) -> None:
        """Be a worker: take batches, and do them.

        Of any job in this environment.

        On SIGTERM in the main thread, and when it is interrupted, nothing more is sent, what is in flight has some
        seconds to end, and the rest is left to other workers. After SIGTERM it returns. Your own handler is back then:
        an event loop's was called at once, one that ``signal.signal`` has set is called now.

        Args:
            concurrency: the most requests in flight, at least 1; never more than the client's connections.
            until_idle: return as soon as no job runs.

        Raises:
            InvalidRequestError: an argument cannot be one.
            BulkStoppedError: this worker cannot work whatever it is given, because of its credentials or a scope.
                What it had in hand is left to others.
            ConfigurationError: as ``install`` does.
            LedgerError: the database cannot be reached at the start. Later, that is waited for.
        """
        with _ended_by_sigterm() as begun, self._lease as run:
            run(lambda: self._service._work(concurrency, until_idle=until_idle, begun=begun))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - a loop's thread has no signals


@contextlib.contextmanager
def _ended_by_sigterm() -> Generator[Callable[[Callable[[], None]], None]]:
    """Have SIGTERM end a worker, in the main thread.

    Yields what the worker tells, in the loop's thread, how it is ended.
    """
    told: list[Callable[[], object]] = []
    came: list[bool] = []

    def begun(leave: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        told.append(lambda: loop.call_soon_threadsafe(leave))
        if came:
            # Before there was a worker to end.
            leave()

    def leave() -> None:
        came.append(True)
        for each in told:
            each()

    with leaving_on_sigterm(leave):
        yield begun


def _nothing(_item: None) -> None:
    """Take nothing: a submitter puts nothing out."""
