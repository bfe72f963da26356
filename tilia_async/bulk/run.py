"""A run of a bulk job.

From its first account to its last, or to its stop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Coroutine, Iterable
from time import monotonic
from typing import Final

import anyio

from tilia_async import errors
from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.bulk.admission import Admission
from tilia_async.bulk.completion import Completion
from tilia_async.bulk.failure_policy import FailurePolicy
from tilia_async.bulk.id_reader import IdReader
from tilia_async.bulk.job import Job, Sink
from tilia_async.bulk.job_record import JobRecord
from tilia_async.bulk.outcome import BulkItem, BulkOutcome, BulkProgress, BulkReport
from tilia_async.bulk.send_slots import SendSlots
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.token_prober import TokenProber
from tilia_async.bulk.work_item import WorkItem
from tilia_async.bulk.work_queue import WorkQueue
from tilia_async.ledger.record import RecordState
from tilia_async.models.accounts import Account

FAREWELL_SECONDS: Final = 0.8
"""Seconds that a cancelled job waits for its records.

It waits for its last words to be on record.
"""

_CANCELLED: Final = "the job was cancelled before the answer came"

_log = logging.getLogger("tilia_async.bulk")


class Run:
    """Does a job. One object for one run.

    As many workers as may be in flight take accounts from a queue, each when the pace allows. A failure that is the
    job's closes the queue: what is in flight settles, and nothing new is sent.

    Args:
        ids: the accounts.
        sink: gets each item, one after the other from each worker; it may take its time.
        keeps_accounts: the report has what a look-up found.
    """

    def __init__(
        self,
        job: Job,
        ids: Iterable[object] | AsyncIterable[object],
        *,
        sink: Sink | None = None,
        keeps_accounts: bool = False,
    ) -> None:
        self._job = job
        self._record = job.record
        self._stop = StopSignal()
        self._limit = AdaptiveLimit(job.concurrency) if job.shared is None else job.shared.limit
        permits = None if job.shared is None else job.shared.permits
        # A ledger is asked for many at once.
        self._arrivals = IdReader(ids, job.concurrency * (1 if job.record is None else 2))
        self._queue = WorkQueue(job.concurrency)
        self._slots = SendSlots(self._limit, self._stop, self._hindrance, permits)
        self._completion = Completion(job, self._queue, self._slots, self._stop, sink, keeps_accounts=keeps_accounts)
        self._admission = Admission(job.record, self._queue, self._stop, self._completion)
        self._policy = FailurePolicy(
            job.retry, self._queue, self._limit, self._slots, self._stop, self._completion, permits
        )
        self._prober = TokenProber(job, self._queue, self._stop, self._completion, self._policy)
        self._stop.then(self._queue.close)

    async def run(self) -> BulkReport:
        """Do it.

        Raises:
            BulkStoppedError: it stopped, for a reason that is the job's.
            Exception: as the iterable of the accounts, or the sink, does.
        """
        with self._job.watched:
            return await self._run()

    async def _run(self) -> BulkReport:
        try:
            await self._begin()
            async with anyio.create_task_group() as company:
                self._completion.tellers = company
                company.start_soon(self._read)
                company.start_soon(self._feed)
                if self._record is not None:
                    company.start_soon(self._keep, self._record)
                async with anyio.create_task_group() as prober:
                    prober.start_soon(self._prober.run)
                    async with anyio.create_task_group() as workers:
                        for _ in range(self._job.concurrency):
                            workers.start_soon(self._work)
                    self._prober.close()
                await self._finish_stopped()
                await self._completion.settled()
                company.cancel_scope.cancel()
        finally:
            self._completion.tellers = None
            await _undisturbed(self._farewell())
            self._slots.close()
        report = self.report()
        if self._stop.cause is not None:
            self._raise(self._stop.cause, report)
        return report

    def stop(self, cause: Exception) -> None:
        """Send nothing more, settle what is in flight, and end.

        Args:
            cause: ``run`` raises it, or a ``BulkStoppedError`` that has it.
        """
        self._stop.call(cause)

    def report(self) -> BulkReport:
        """Return the report so far."""
        stopped = self._stop.cause is not None
        return self._completion.tally.report(self._job.action, self._job.job_id, monotonic(), stopped=stopped)

    def progress(self) -> BulkProgress:
        """Return the progress."""
        now = monotonic()
        return BulkProgress(
            total=self._completion.tally.total,
            counts=self._completion.tally.counts(),
            in_flight=self._slots.in_flight,
            limit=self._limit.limit,
            holding=max(0.0, self._limit.hold(now)),
            elapsed=self._completion.tally.elapsed(now),
            rate=self._completion.tally.rate(now),
        )

    async def _begin(self) -> None:
        if self._record is not None:
            try:
                await self._record.begin()
            except errors.LedgerError as error:
                self._stop.call(error)

    async def _keep(self, record: JobRecord) -> None:
        try:
            await record.keep()
        except errors.LedgerError as error:
            self._stop.call(error)

    async def _read(self) -> None:
        try:
            await self._arrivals.read()
        except Exception as error:  # noqa: BLE001 - it is the caller's iterable, and the caller gets what it raised
            self._stop.call(error)

    async def _feed(self) -> None:
        """Bring what has arrived to the queue, on record first."""
        while (arrived := await self._arrivals.take()) and not self._stop.called:
            await self._admission.admit(self._completion.new([WorkItem(each) for each in arrived]))
            await self._queue.room()
        self._queue.complete()

    async def _work(self) -> None:
        while (work := await self._queue.take()) is not None:
            if work.problems:
                refusal = errors.InvalidRequestError({"account_id": work.problems}, operation=self._job.operation)
                await self._completion.finish(work, RecordState.FAILED, refusal)
            elif await self._slots.take(work):
                await self._send(work)
            else:
                self._queue.put_back(work)

    def _hindrance(self, now: float) -> Awaitable[object] | None:
        """Return the reason that holds the next request back.

        The pace is not among the reasons.
        """
        if self._prober.out is not None:
            # Until it is known whether the token serves.
            return self._prober.out.wait()
        if self._record is not None and not self._record.is_live(now):
            return self._revive(self._record)
        return None

    async def _revive(self, record: JobRecord) -> None:
        try:
            await record.revive()
        except errors.LedgerError as error:
            self._stop.call(error)

    async def _send(self, work: WorkItem) -> None:
        """Send once, and see what that means."""
        self._completion.sent.add(work)
        work.attempts += 1
        work.in_flight = True
        started = monotonic()
        account: Account | None = None
        failure: errors.TiliaError | None = None
        try:
            account = await self._job.send(work.account_id, work)
        except errors.TiliaError as error:
            failure = error
        self._slots.answered()
        work.in_flight = False
        work.failure = failure
        work.doubtful = work.doubtful or (failure is not None and failure.took_effect is None)
        self._policy.hear(failure, started, work.epoch)
        self._slots.let_go_on()
        if failure is None:
            await self._policy.succeeded(work, started, account)
        else:
            await self._policy.failed(work, failure, started)
            self._prober.look()

    async def _finish_stopped(self) -> None:
        """Give outcomes to accounts that are not sent again.

        They were sent, and the job stopped: they have an outcome too.
        """
        async with anyio.create_task_group() as together:
            for work in list(self._completion.sent):
                state = RecordState.UNKNOWN if work.doubtful else RecordState.FAILED
                together.start_soon(self._completion.finish, work, state, work.failure)

    async def _farewell(self) -> None:
        """Record what was not sent and what is unknown.

        Others may go on at once then.
        """
        unknown = [work for work in self._completion.sent if work.in_flight or work.doubtful]
        if self._job.action != "lookup":
            for work in unknown:
                why = work.failure or errors.OutcomeUnknownError(_CANCELLED, operation=self._job.operation)
                self._completion.tally.add(BulkItem(work.account_id, BulkOutcome.UNKNOWN, why, work.attempts))
        if self._record is None:
            if unknown and self._job.action != "lookup":
                _log.warning(
                    "bulk.%s: cancelled with %d accounts in doubt: they were under way, and nobody knows whether "
                    "it took effect. Run it again for all; with a ledger it would be on record which they are",
                    self._job.action,
                    len(unknown),
                )
            return
        with anyio.move_on_after(FAREWELL_SECONDS):
            try:
                await self._record.end(unknown)
            except errors.LedgerError as error:
                _log.warning("the end of a bulk job is not on record: %s", error)

    def _raise(self, cause: Exception, report: BulkReport) -> None:
        job_id = self._job.job_id
        again = "undo it again with undo_job_id" if self._job.action == "undo" else "run it again with job_id"
        go_on = "" if self._record is None else f"; {again}={job_id!r} to go on"
        if not isinstance(cause, errors.TiliaError):
            cause.add_note(f"tilia.bulk.{self._job.action}: stopped with {report.total} accounts settled{go_on}")
            raise cause
        raise errors.BulkStoppedError(
            f"the job stopped, with {report.total} accounts settled, because of {cause}{go_on}",
            report=report,
            cause=cause,
            job_id=job_id,
            operation=f"bulk.{self._job.action}",
        )


async def _undisturbed(words: Coroutine[object, object, None]) -> None:
    """Finish an awaitable, however often its waiter is cancelled."""
    task = asyncio.get_running_loop().create_task(words)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
