"""``tilia.fleet``: jobs that many processes and hosts share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from tilia_async import checks, errors
from tilia_async.api import accounts
from tilia_async.bulk.job import DEFAULT_CONCURRENCY
from tilia_async.bulk.outcome import BulkItem
from tilia_async.bulk.service import Bulk
from tilia_async.fleet.status import FleetWorker, JobStatus
from tilia_async.ledger.intent import Intent, job_name, new_job_name
from tilia_async.ledger.job_state import JobState
from tilia_async.ledger.ledger import BlockLedger, journal_of, url_of
from tilia_async.ledger.record import BlockAction
from tilia_async.ledger.url import Kind, kind_of
from tilia_async.tokens.store import InstalledTokenStore
from tilia_async.wire.refusal import refuse

if TYPE_CHECKING:
    from celery import Celery

    from tilia_async.fleet.budget import Budget
    from tilia_async.fleet.connections import Connection
    from tilia_async.fleet.engine import Engine
    from tilia_async.fleet.planning import Plan
    from tilia_async.fleet.redis_budget import RedisBudget
    from tilia_async.fleet.worker import Worker
    from tilia_async.ledger.database import Database
    from tilia_async.tokens.store import TokenStore
    from tilia_async.transport.requestor import Requestor

AccountIds = Iterable[str] | AsyncIterable[str]

_PROCRASTINATE: Final = ("procrastinate", "psycopg")
_CELERY: Final = ("celery", "psycopg")
"""The libraries that an engine needs."""

_CHANGED: Final = {"pause": "paused", "cancel": "cancelled", "resume": "resumed", "retry": "retried"}

_REMOVING_SECONDS: Final = 10.0
"""Seconds for removing a plan that is given up."""


class Failures(AsyncIterator[BulkItem]):
    """The accounts of a job that are not done.

    In the order in which they were submitted.
    """

    def __init__(self, fleet: Fleet, job_id: str) -> None:
        self._fleet = fleet
        self._job_id = job_id
        self._after: int | None = -1
        self._waiting: list[BulkItem] = []

    async def __anext__(self) -> BulkItem:
        while not self._waiting and self._after is not None:
            found, self._after = await self._fleet._failures(self._job_id, self._after)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - it is a part of it
            self._waiting = list(found)[::-1]
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.pop()


class _Opened(NamedTuple):
    database: Database
    engine: Engine


@attrs.frozen(eq=False)
class Fleet:
    """``tilia.fleet``: one job for many workers, on many hosts.

    It needs the extra ``fleet`` and a ledger on PostgreSQL, which all of them share. Whoever submits a job enters its
    accounts there; workers take them in batches of some hundred, block them, and put on record what came of each. A
    batch whose worker died is taken over within the ledger's lease. Only blocks and unblocks are shared: they may be
    sent twice.
    """

    _requestor: Requestor
    _bulk: Bulk
    _ledger: BlockLedger | None = None
    _token_store: TokenStore | None = None
    _budget: RedisBudget | None = None
    _celery: Celery | None = None

    def with_budget(self, budget: RedisBudget) -> Fleet:
        """Return the fleet with a budget in Redis.

        Its workers share the requests a second there, and not in the ledger. All workers of an environment have to
        share the same one: those with another do not know what these send.
        """
        return attrs.evolve(self, budget=budget)

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
        refuse("fleet.with_celery", {"concurrency": checks.count(concurrency)})
        self._required_ledger()
        _require("celery", _CELERY)
        fleet = attrs.evolve(self, celery=app)

        async def do(job_id: str, number: int) -> None:
            async with fleet._with_own_ledger() as own:  # noqa: SLF001 - it is of this class
                await own._do_batch(job_id, number, concurrency)  # noqa: SLF001 - as above

        async def send() -> None:
            async with fleet._with_own_ledger() as own:  # noqa: SLF001 - as above
                await own._send()  # noqa: SLF001 - as above

        from tilia_async.fleet.celery import add_tasks  # noqa: PLC0415 - needs the extra

        add_tasks(app, self._origin, do, send)
        return fleet

    @asynccontextmanager
    async def _with_own_ledger(self) -> AsyncGenerator[Fleet]:
        """Return this fleet with a ledger of its own.

        A ledger is used in one event loop at a time, and threads work side by side.
        """
        ledger = self._required_ledger()
        async with BlockLedger(url_of(ledger), lease=ledger.lease) as own:
            yield attrs.evolve(self, ledger=own)

    async def install(self) -> bool:
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
        database, engine = await self._opened()
        is_made = await engine.install()
        await self._make_shared(database)
        return is_made

    async def _make_shared(self, database: Database) -> None:
        """Make what the workers share beside the jobs.

        Raises:
            LedgerError: the database cannot be reached, or refuses it.
        """
        if self._budget is None:
            from tilia_async.fleet.postgres_budget import PostgresBudget  # noqa: PLC0415 - needs the extra

            await PostgresBudget(database, self._origin).open()
        if not isinstance(self._token_store, InstalledTokenStore):
            return
        try:
            await self._token_store.install()
        except ConnectionError as error:
            why = str(error)
        else:
            return
        raise errors.LedgerError(f"the tables of the tokens cannot be made: {why}")

    async def submit(
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
        refuse("fleet.submit", {"account_ids": checks.iterable(account_ids)})
        chosen = _action(action)
        intent = Intent(chosen, reason, actor, review_at, job_id)
        refuse("fleet.submit", intent.problems())
        database, engine = await self._opened()
        from tilia_async.fleet import connections, reading  # noqa: PLC0415 - needs the extra
        from tilia_async.fleet.planning import Plan, UnreadableError  # noqa: PLC0415 - needs the extra
        from tilia_async.ledger.jobs import JobDefinition  # noqa: PLC0415 - needs the extra

        job = JobDefinition(
            job_id=job_id or new_job_name(chosen.value),
            origin=self._origin,
            action=chosen.value,
            reason=reason,
            actor=actor,
            review_at=review_at,
        )
        await engine.install()
        # Only workers need it, and they say what they miss.
        with suppress(errors.LedgerError):
            await self._make_shared(database)
        ledger = self._required_ledger()
        try:
            async with connections.connected(url_of(ledger), connections.SUBMIT_SECONDS) as connection:
                plan = Plan(connection, engine, job, ledger.lease)
                await plan.begin()
                try:
                    await plan.enter(account_ids)
                    await plan.finish()
                except BaseException:  # whatever it is, and if it is Ctrl-C: no half job is left
                    await _removed(plan)
                    raise
            await engine.send()
        except UnreadableError as error:
            cause = error.cause
        else:
            return await reading.status_after(database, job.job_id, "submitted")
        raise cause

    async def status(self, job_id: str) -> JobStatus:
        """Return how far a job is.

        It takes milliseconds, however many accounts there are.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: the ledger has no such job of a fleet; or there is no ledger on PostgreSQL.
            LedgerError: the ledger cannot be read.
        """
        database = await self._database("status", job_id)
        from tilia_async.fleet import reading  # noqa: PLC0415 - needs the extra

        return await reading.status(database, job_id)

    def failures(self, job_id: str) -> AsyncIterator[BulkItem]:
        """Return the settled accounts that are not done.

        Each with its outcome, and why; one that was changed back since by somebody else says so in its error.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: there is no ledger on PostgreSQL.
            LedgerError: the ledger cannot be read.
        """
        refuse("fleet.failures", {"job_id": job_name(job_id)})
        return Failures(self, job_id)

    async def pause(self, job_id: str) -> JobStatus:
        """Pause a job.

        Within seconds nothing more of it is sent.

        What is in flight is put on record.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: there is no such job, or it does not run.
            LedgerError: the ledger cannot be written.
        """
        return await self._change(job_id, "pause", [JobState.RUNNING], JobState.PAUSED)

    async def cancel(self, job_id: str) -> JobStatus:
        """Cancel a job.

        Within seconds nothing more of it is sent.

        What is in flight is put on record; what was not sent stays there as planned. What was done is lifted by
        ``tilia.bulk.undo``. ``resume`` takes the cancelling back.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: there is no such job, or it is finished.
            LedgerError: the ledger cannot be written.
        """
        return await self._change(job_id, "cancel", [JobState.RUNNING, JobState.PAUSED], JobState.CANCELLED)

    async def resume(self, job_id: str) -> JobStatus:
        """Go on with a job that was paused or cancelled.

        Of one that runs, it delivers again what an engine may have lost.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: there is no such job, or it is finished.
            LedgerError: the ledger cannot be written.
        """
        return await self._deliver(job_id, "resume", [JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED])

    async def retry(self, job_id: str) -> JobStatus:
        """Try accounts again that failed or are unknown.

        Those that Tilia refuses or does not know stay as they are.

        Raises:
            InvalidRequestError: that can be no job's name.
            ConfigurationError: there is no such job, or it is paused or cancelled.
            LedgerError: the ledger cannot be written.
        """
        return await self._deliver(job_id, "retry", [JobState.RUNNING, JobState.FINISHED], reopens=True)

    async def workers(self) -> tuple[FleetWorker, ...]:
        """Return who works, on what, and since when.

        One that died is among them until its lease ends.

        Raises:
            ConfigurationError: there is no ledger on PostgreSQL.
            LedgerError: the ledger cannot be read.
        """
        database = await self._database("workers", None)
        from tilia_async.fleet import reading  # noqa: PLC0415 - needs the extra

        return await reading.workers(database)

    async def work(self, *, concurrency: int = DEFAULT_CONCURRENCY, until_idle: bool = False) -> None:
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
        await self._work(concurrency, until_idle=until_idle)

    async def _work(
        self, concurrency: int, *, until_idle: bool, begun: Callable[[Callable[[], None]], object] | None = None
    ) -> None:
        """Be a worker, and say how it is stopped."""
        refuse("fleet.work", {"concurrency": checks.count(concurrency)})
        if self._celery is not None:
            raise errors.ConfigurationError(
                "the workers of this fleet are Celery's: start them by 'celery worker', or use tilia.fleet itself"
            )
        _require("fleet", _PROCRASTINATE)
        ledger = self._required_ledger()
        database = (await journal_of(ledger)).database
        await _load("worker", "procrastinate")
        from tilia_async.fleet.procrastinate import Procrastinate  # noqa: PLC0415 - needs the extra

        engine = Procrastinate(url_of(ledger))
        await engine.install()
        async with self._worker(database, concurrency) as worker:
            if begun is not None:
                begun(worker.leave)
            await worker.work(engine, until_idle=until_idle)

    async def _do_batch(self, job_id: str, number: int, concurrency: int) -> None:
        """Do a batch that was delivered from outside.

        Raises:
            LaterError: it is to be delivered again.
            LedgerError: the database cannot be reached.
        """
        database = (await journal_of(self._required_ledger())).database
        await _load("worker")
        from tilia_async.fleet.engine import ERROR_SECONDS, LaterError  # noqa: PLC0415 - needs the extra

        async with self._worker(database, concurrency) as worker, worker.present():
            try:
                await worker.do(job_id, number)
            except LaterError as later:
                # One that cannot work rests, since it cannot leave.
                raise LaterError(max(later.seconds, ERROR_SECONDS if worker.failure else 0.0)) from None

    async def _send(self) -> None:
        """Send what is in the outbox.

        And finish jobs that nobody finished.
        """
        database, engine = await self._opened()
        from tilia_async.ledger.batches import finish_jobs  # noqa: PLC0415 - needs the extra

        await database.transact(finish_jobs)
        await engine.send()

    @asynccontextmanager
    async def _worker(self, database: Database, concurrency: int) -> AsyncGenerator[Worker]:
        from tilia_async.fleet.leased_pace import LeasedPace  # noqa: PLC0415 - only workers need it
        from tilia_async.fleet.worker import Worker  # noqa: PLC0415 - needs the extra

        async with self._opened_budget(database) as budget, LeasedPace(budget) as pace:
            lease = self._required_ledger().lease
            yield Worker(self._bulk, database, pace, concurrency=concurrency, origin=self._origin, lease=lease)

    @asynccontextmanager
    async def _opened_budget(self, database: Database) -> AsyncGenerator[Budget]:
        if self._budget is not None:
            async with self._budget.opened(self._origin) as budget:
                yield budget
            return
        from tilia_async.fleet.postgres_budget import PostgresBudget  # noqa: PLC0415 - needs the extra

        kept = PostgresBudget(database, self._origin)
        await kept.open()
        yield kept

    @property
    def _origin(self) -> str:
        return self._requestor.environment.url(accounts.BLOCK.service)

    async def _failures(self, job_id: str, after: int) -> tuple[Sequence[BulkItem], int | None]:
        database = await self._database("failures", job_id)
        from tilia_async.fleet import reading  # noqa: PLC0415 - needs the extra

        return await reading.failures(database, job_id, after)

    async def _change(self, job_id: str, name: str, before: Sequence[JobState], after: JobState) -> JobStatus:
        async with self._steering(job_id, name) as (database, engine, connection):
            from tilia_async.fleet import reading  # noqa: PLC0415 - needs the extra
            from tilia_async.fleet.planning import stop  # noqa: PLC0415 - needs the extra

            await stop(connection, engine, job_id, before, after)
        return await reading.status_after(database, job_id, _CHANGED[name])

    async def _deliver(self, job_id: str, name: str, before: Sequence[JobState], *, reopens: bool = False) -> JobStatus:
        async with self._steering(job_id, name) as (database, engine, connection):
            from tilia_async.fleet import reading  # noqa: PLC0415 - needs the extra
            from tilia_async.fleet.planning import deliver  # noqa: PLC0415 - needs the extra

            await deliver(connection, engine, job_id, before, reopens=reopens)
        await engine.send()
        return await reading.status_after(database, job_id, _CHANGED[name])

    @asynccontextmanager
    async def _steering(self, job_id: str, name: str) -> AsyncGenerator[tuple[Database, Engine, Connection]]:
        """Open what steers a job.

        The engine is the one that delivers it, whichever this fleet has for new jobs.
        """
        refuse(f"fleet.{name}", {"job_id": job_name(job_id)})
        ledger = self._required_ledger()
        _require("fleet", ["psycopg"])
        database = (await journal_of(ledger)).database
        await _load("planning", "outbox")
        from tilia_async.fleet.connections import connected  # noqa: PLC0415 - needs the extra
        from tilia_async.fleet.outbox import Outbox, has_messages  # noqa: PLC0415 - needs the extra

        async with connected(url_of(ledger)) as connection:
            is_sent = await has_messages(connection, job_id)
            if self._celery is not None and not is_sent:
                from tilia_async.fleet import reading  # noqa: PLC0415 - needs the extra

                await reading.status(database, job_id)
                raise errors.ConfigurationError(
                    f"the job {job_id!r} was not submitted through Celery: use tilia.fleet itself for it"
                )
            engine = Outbox() if is_sent and self._celery is None else await self._engine()
            await engine.install()
            yield database, engine, connection

    async def _database(self, name: str, job_id: str | None) -> Database:
        if job_id is not None:
            refuse(f"fleet.{name}", {"job_id": job_name(job_id)})
        return (await journal_of(self._required_ledger())).database

    async def _opened(self) -> _Opened:
        """Open the ledger, and load the libraries."""
        engine = await self._engine()
        return _Opened((await journal_of(self._required_ledger())).database, engine)

    async def _engine(self) -> Engine:
        """Return the engine of this fleet.

        Raises:
            ConfigurationError: its extra is not installed, or there is no ledger on PostgreSQL.
        """
        url = url_of(self._required_ledger())
        if self._celery is not None:
            from tilia_async.fleet.celery import CeleryEngine  # noqa: PLC0415 - needs the extra

            return CeleryEngine(self._celery, url, self._origin)
        _require("fleet", _PROCRASTINATE)
        await _load("planning", "procrastinate")
        from tilia_async.fleet.procrastinate import Procrastinate  # noqa: PLC0415 - needs the extra

        return Procrastinate(url)

    def _required_ledger(self) -> BlockLedger:
        if self._ledger is None or kind_of(url_of(self._ledger)) is not Kind.POSTGRESQL:
            raise errors.ConfigurationError(
                "a fleet shares its jobs in a ledger on PostgreSQL: "
                "TiliaClient(..., ledger=BlockLedger.open('postgresql://…'))"
            )
        return self._ledger


def _require(extra: str, libraries: Sequence[str]) -> None:
    missing = [name for name in libraries if find_spec(name) is None]
    if missing:
        raise errors.ConfigurationError(
            f"a fleet needs {' and '.join(missing)}, not installed here: pip install 'tilia-sdk[{extra}]'"
        )


async def _load(*modules: str) -> None:
    """Load modules of this room beside the event loop.

    Their libraries take some tenths of a second.
    """
    for name in modules:
        await asyncio.to_thread(import_module, f"tilia_async.fleet.{name}")


async def _removed(plan: Plan) -> None:
    """Remove a plan that is given up.

    If that is not possible at once, the next submitter does.
    """
    removing = asyncio.get_running_loop().create_task(plan.remove())
    try:
        await asyncio.wait([removing], timeout=_REMOVING_SECONDS)
    finally:
        removing.cancel()


def _action(action: str) -> BlockAction:
    refuse("fleet.submit", {"action": checks.one_of(action, [each.value for each in BlockAction])})
    return BlockAction(action)
