"""``tilia.bulk``: the same for many accounts."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from tilia_async import checks, errors
from tilia_async.api import accounts
from tilia_async.bulk.job import DEFAULT_CONCURRENCY, Job
from tilia_async.bulk.ledger_run import LedgerRun
from tilia_async.bulk.outcome import BulkItem, BulkOutcome, BulkProgress, BulkReport
from tilia_async.bulk.run import Run
from tilia_async.bulk.stream import BulkStream
from tilia_async.config import RequestOptions, RetryPolicy
from tilia_async.ledger.intent import Intent, job_name, new_job_name, undo_name
from tilia_async.ledger.ledger import BlockLedger, Records
from tilia_async.ledger.record import BlockAction
from tilia_async.models.accounts import Account, BlockStatus
from tilia_async.observe.watched_job import WatchedJob
from tilia_async.settings_checks import expect
from tilia_async.wire.operation import Operation
from tilia_async.wire.refusal import refuse

if TYPE_CHECKING:
    from tilia_async.ledger.queries import Query
    from tilia_async.transport.requestor import Requestor, TokenWatch


AccountIds = Iterable[str] | AsyncIterable[str]
OnProgress = Callable[[BulkProgress], object]


@attrs.frozen(eq=False)
class Bulk:
    """``tilia.bulk``: many accounts in one job.

    Block, unblock or look up many accounts, or undo what a job blocked.

    The pace follows the API: it slows down on 429, 503 and rising answer times, and grows again when they pass;
    ``Retry-After`` holds back the whole job. With a ledger each intent is on record before it is sent, and a job that
    was cut off goes on where it stopped when it is run again with its ``job_id``.
    """

    _requestor: Requestor
    _ledger: BlockLedger | None = None

    async def block(
        self,
        account_ids: AccountIds,
        reason: str | None = None,
        actor: str | None = None,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        job_id: str | None = None,
        review_at: datetime | None = None,
        on_progress: OnProgress | None = None,
        options: RequestOptions | None = None,
    ) -> BulkReport:
        """Block many accounts.

        Args:
            account_ids: read as they are needed, at most a small multiple of ``concurrency`` ahead. An id that cannot
                be one becomes a failed item; a repeated one does no harm.
            reason: why, for your ledger. Tilia takes no reason and keeps none.
            actor: who, for your ledger.
            concurrency: the most requests in flight, at least 1; never more than the client's connections.
            job_id: of the job in the ledger, 255 characters at most; None: one is made. A job is what it was begun as:
                run again, it takes no other reason, actor or review date; those that are left out stay as they were.
            review_at: when somebody should look at these blocks again, with a time zone.
            on_progress: called after each account, a function or a coroutine function.
            options: for each request; its ``timeout`` bounds one try, its ``retry`` those of one account;
                a 429 or 503 that holds back the whole job counts for none of them.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: a ``job_id`` and no ledger; or the job was begun as another one, is being undone, or
                runs in another process: one at a time runs a job.
            BulkStoppedError: the job stopped, for a reason that is the job's: credentials, a scope, the ledger, twenty
                accounts in a row given up without a usable answer, half a minute of nothing but 429 and 503, or a
                longer ``Retry-After`` than the ``retry`` waits out. ``.report`` has what was done.

        Source: fact sheet "guides", G3; scope ``block_accounts``.
        """
        intent = Intent(BlockAction.BLOCK, reason, actor, review_at, job_id)
        return await self._report(self._blocking(intent, concurrency, options), account_ids, on_progress)

    async def unblock(
        self,
        account_ids: AccountIds,
        reason: str | None = None,
        actor: str | None = None,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        job_id: str | None = None,
        on_progress: OnProgress | None = None,
        options: RequestOptions | None = None,
    ) -> BulkReport:
        """Lift your own blocks of many accounts.

        Those that Tilia placed are refused.

        It lifts all of them, whoever placed them and why: with a ledger, the item of an account that several blocks
        hold names them in ``also_blocked_by``. To lift what one job alone caused, see ``undo``.

        Args:
            account_ids: read as they are needed, at most a small multiple of ``concurrency`` ahead.
            reason: why, for your ledger.
            actor: who, for your ledger.
            concurrency: the most requests in flight, at least 1; never more than the client's connections.
            job_id: of the job in the ledger, 255 characters at most; None: one is made. A job is what it was begun as:
                run again, it takes no other reason or actor; those that are left out stay as they were.
            on_progress: called after each account, a function or a coroutine function.
            options: for each request; its ``timeout`` bounds one try, its ``retry`` those of one account;
                a 429 or 503 that holds back the whole job counts for none of them.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: a ``job_id`` and no ledger; or the job was begun as another one, is being undone, or
                runs in another process: one at a time runs a job.
            BulkStoppedError: the job stopped, for a reason that is the job's. ``.report`` has what was done.

        Source: fact sheet "guides", G3; scope ``unblock_accounts``.
        """
        intent = Intent(BlockAction.UNBLOCK, reason, actor, None, job_id)
        return await self._report(self._blocking(intent, concurrency, options), account_ids, on_progress)

    async def lookup(
        self,
        account_ids: AccountIds,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        on_progress: OnProgress | None = None,
        options: RequestOptions | None = None,
    ) -> BulkReport:
        """Look many accounts up.

        The report's ``accounts`` has them all; to keep less in memory, stream them.

        Args:
            account_ids: read as they are needed, at most a small multiple of ``concurrency`` ahead.
            concurrency: the most requests in flight, at least 1; never more than the client's connections.
            on_progress: called after each account, a function or a coroutine function.
            options: for each request; its ``timeout`` bounds one try, its ``retry`` those of one account;
                a 429 or 503 that holds back the whole job counts for none of them.

        Raises:
            InvalidRequestError: an argument cannot be one.
            BulkStoppedError: the job stopped, for a reason that is the job's. ``.report`` has what was done.

        Source: fact sheet "guides", G3; scope ``search_accounts``.
        """
        return await self._report(self._looking_up(concurrency, options), account_ids, on_progress)

    def stream_block(
        self,
        account_ids: AccountIds,
        reason: str | None = None,
        actor: str | None = None,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        job_id: str | None = None,
        review_at: datetime | None = None,
        options: RequestOptions | None = None,
    ) -> BulkStream:
        """Block many accounts, and yield each as it settles.

        See ``block``; what that raises, the stream raises.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: a ``job_id`` and no ledger.
        """
        intent = Intent(BlockAction.BLOCK, reason, actor, review_at, job_id)
        return self._stream(self._blocking(intent, concurrency, options), account_ids)

    def stream_unblock(
        self,
        account_ids: AccountIds,
        reason: str | None = None,
        actor: str | None = None,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        job_id: str | None = None,
        options: RequestOptions | None = None,
    ) -> BulkStream:
        """Unblock many accounts, and yield each as it settles.

        See ``unblock``; what that raises, the stream does.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: a ``job_id`` and no ledger.
        """
        intent = Intent(BlockAction.UNBLOCK, reason, actor, None, job_id)
        return self._stream(self._blocking(intent, concurrency, options), account_ids)

    async def undo(
        self,
        job_id: str,
        reason: str | None = None,
        actor: str | None = None,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        undo_job_id: str | None = None,
        on_progress: OnProgress | None = None,
        options: RequestOptions | None = None,
    ) -> BulkReport:
        """Lift the blocks that a job alone caused.

        Blocks that something else causes, too, are kept.

        Of the accounts that the job blocked, or may have blocked, those are unblocked that nothing else blocks on
        record. An account that another job, a call or Tilia blocks as well, or may block, is ``KEPT``, and its item
        says by whom. If that happens while the account is being unblocked, it is blocked again. Once the others are
        undone as well, in whatever order, the account is free.

        It is a job of its own: cut off, it goes on where it stopped when it is run again. It neither changes nor ends
        the job that it undoes: what that has left to do, a later run of it does, and what was undone is ``OVERTAKEN``
        there. A notification of a block of yours is taken for the job's echo if it came after the job's record and was
        sent while that was placed, give or take a minute; one without its time, if it came after. One block id at most
        is the job's: another is another block, and the account is ``KEPT``.

        Args:
            job_id: of the job to undo. It has to have ended, or its process to have died.
            reason: why, for your ledger.
            actor: who, for your ledger.
            concurrency: the most requests in flight, at least 1; never more than the client's connections.
            undo_job_id: of the job that undoes, 255 characters at most; None: ``undo-`` and the ``job_id``.
            on_progress: called after each account, a function or a coroutine function.
            options: for each request; its ``timeout`` bounds one try, its ``retry`` those of one account;
                a 429 or 503 that holds back the whole job counts for none of them.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: there is no ledger, or no such job in it; it did not block, is under way, or was begun
                in another environment; or ``undo_job_id`` was begun as another job.
            BulkStoppedError: the job stopped, for a reason that is the job's. ``.report`` has what was done.

        Source: fact sheet "guides", G3; scope ``unblock_accounts``, and ``block_accounts`` where one is blocked again.
        """
        job, account_ids = self._undoing(job_id, Undoing(reason, actor, undo_job_id), concurrency, options)
        return await self._report(job, account_ids, on_progress)

    def stream_undo(
        self,
        job_id: str,
        reason: str | None = None,
        actor: str | None = None,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        undo_job_id: str | None = None,
        options: RequestOptions | None = None,
    ) -> BulkStream:
        """Undo a job, and yield each account as it settles.

        See ``undo``; what that raises, the stream raises.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: there is no ledger.
        """
        job, account_ids = self._undoing(job_id, Undoing(reason, actor, undo_job_id), concurrency, options)
        return self._stream(job, account_ids)

    def stream_lookup(
        self,
        account_ids: AccountIds,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        options: RequestOptions | None = None,
    ) -> BulkStream:
        """Look many accounts up, and yield each as it comes.

        See ``lookup``; what that raises, the stream raises.

        Raises:
            InvalidRequestError: an argument cannot be one.
        """
        return self._stream(self._looking_up(concurrency, options), account_ids)

    async def _report(self, job: Job, account_ids: AccountIds, on_progress: OnProgress | None) -> BulkReport:
        check_arguments(job.action, account_ids, on_progress)
        if on_progress is None:
            return await Run(job, account_ids, keeps_accounts=True).run()
        on_change: OnProgress = on_progress

        def tell(_item: BulkItem) -> Awaitable[object] | None:
            answer = on_change(run.progress())
            return answer if inspect.isawaitable(answer) else None

        run = Run(job, account_ids, sink=tell, keeps_accounts=True)
        return await run.run()

    def _stream(self, job: Job, account_ids: AccountIds) -> BulkStream:
        check_arguments(job.action, account_ids)
        nothing = BulkReport(job.action, job.job_id, 0, dict.fromkeys(BulkOutcome, 0), (), elapsed=0.0)
        return BulkStream(lambda sink: Run(job, account_ids, sink=sink), job.concurrency, nothing)

    def _blocking(self, intent: Intent, concurrency: int, options: RequestOptions | None) -> Job:
        refuse(f"bulk.{intent.action.value}", intent.problems())
        if intent.job_id is not None and self._ledger is None:
            raise errors.ConfigurationError(
                "a job_id needs a ledger to be kept in: TiliaClient(..., ledger=ledger)",
                operation=f"bulk.{intent.action.value}",
            )
        job = self._changing(intent.action, concurrency, options)
        if self._ledger is None:
            return job
        job_id = intent.job_id or job.job_id
        origin = self._requestor.environment.url(accounts.BLOCK.service)
        record = LedgerRun(self._ledger, intent, job_id, origin, job.concurrency)
        return attrs.evolve(job, job_id=job_id, record=record)

    def _changing(self, action: BlockAction, concurrency: int, options: RequestOptions | None) -> Job:
        operation = accounts.BLOCK if action is BlockAction.BLOCK else accounts.UNBLOCK
        once = self._once(action.value, options)

        async def change(account_id: str, watch: TokenWatch) -> None:
            await self._change(operation, account_id, once, watch)

        return self._job(action.value, operation, change, concurrency, options)

    def _undoing(
        self, job_id: str, undoing: Undoing, concurrency: int, options: RequestOptions | None
    ) -> tuple[Job, AccountIds]:
        refuse("bulk.undo", {"job_id": job_name(job_id), "undo_job_id": undoing.problems()})
        if self._ledger is None:
            raise errors.ConfigurationError(
                "a job is undone from the ledger that it is recorded in: TiliaClient(..., ledger=ledger)",
                operation="bulk.undo",
            )
        undo_job_id = undoing.job_id or undo_name(job_id)
        intent = Intent(BlockAction.UNBLOCK, undoing.reason, undoing.actor, None, undo_job_id, undoes=job_id)
        refuse("bulk.undo", intent.problems())
        once = self._once("undo", options)
        origin = self._requestor.environment.url(accounts.UNBLOCK.service)

        async def stays(account_id: str) -> bool:
            others = await record.blocks_beside(account_id)
            if others:
                record.staying[account_id] = others
            return bool(others)

        async def lift(account_id: str, watch: TokenWatch) -> None:
            # It was looked at some time ago; and what tries the token was lifted some time ago.
            if account_id not in record.staying and not await stays(account_id):
                await self._change(accounts.UNBLOCK, account_id, once, watch)
                # Whoever wants it blocked and is not on record yet has not sent anything yet either.
                try:
                    is_to_be_blocked = await stays(account_id)
                except errors.LedgerError as error:
                    # Of the ledger it is true that it changed nothing; the unblock before it did.
                    error.took_effect = None
                    raise
                if not is_to_be_blocked:
                    return
            await self._change(accounts.BLOCK, account_id, once, watch)

        job = self._job("undo", accounts.UNBLOCK, lift, concurrency, options)
        record = LedgerRun(self._ledger, intent, undo_job_id, origin, job.concurrency)
        return attrs.evolve(job, job_id=undo_job_id, record=record), blocked_by(self._ledger, job_id)

    async def _change(
        self, operation: Operation[BlockStatus], account_id: str, once: RequestOptions, watch: TokenWatch
    ) -> None:
        await self._requestor.value(operation, path={"account_id": account_id}, options=once, watch=watch)

    def _looking_up(self, concurrency: int, options: RequestOptions | None) -> Job:
        once = self._once("lookup", options)

        async def look(account_id: str, watch: TokenWatch) -> Account:
            path = {"account_id": account_id}
            return await self._requestor.value(accounts.GET, path=path, options=once, watch=watch)

        return self._job("lookup", accounts.GET, look, concurrency, options)

    def _job(
        self,
        action: str,
        operation: Operation[object],
        send: Callable[[str, TokenWatch], Awaitable[Account | None]],
        concurrency: int,
        options: RequestOptions | None,
    ) -> Job:
        refuse(f"bulk.{action}", {"concurrency": checks.count(concurrency)})
        limits = self._requestor.pool.limits
        # More would wait for a connection while their time runs.
        most = min(concurrency, limits.connections, limits.per_host)
        watched = WatchedJob(self._requestor.observers, action)
        return Job(action, operation.name, send, self._retry(options), most, new_job_name(action), watched=watched)

    def _retry(self, options: RequestOptions | None) -> RetryPolicy:
        return self._requestor.retry if options is None or options.retry is None else options.retry

    def _once(self, action: str, options: RequestOptions | None) -> RequestOptions:
        """Return the options of one try.

        The job itself decides whether and when another follows, for all accounts at once.
        """
        expect("options", options, RequestOptions, type(None), operation=f"bulk.{action}")
        return attrs.evolve(options or RequestOptions(), retry=attrs.evolve(self._retry(options), attempts=1))


def job_of(bulk: Bulk, action: BlockAction, concurrency: int) -> Job:
    """Return a job whose record is kept elsewhere."""
    return bulk._changing(action, concurrency, None)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - its workers are not users


@attrs.frozen
class Undoing:
    """The statement of whoever undoes a job."""

    reason: str | None
    actor: str | None
    job_id: str | None

    def problems(self) -> list[str]:
        """Return the problems of the name."""
        return [] if self.job_id is None else job_name(self.job_id)


async def blocked_by(ledger: BlockLedger, job_id: str) -> AsyncIterator[str]:
    """Yield the accounts that a job blocked, or may have."""

    def query() -> Query:
        from tilia_async.ledger import queries  # noqa: PLC0415 - needs the extra

        return queries.to_undo(job_id)

    async for record in Records(ledger, query):
        yield record.account_id


def check_arguments(
    action: str,
    account_ids: object,
    on_progress: object = None,
    iterable: Callable[[object], list[str]] = checks.iterable,
) -> None:
    """Refuse what is no iterable, or cannot be called.

    Args:
        iterable: the check of the ids.

    Raises:
        InvalidRequestError: with what is wrong with each.
    """
    problems = {"account_ids": iterable(account_ids), "on_progress": checks.function(on_progress)}
    refuse(f"bulk.{action}", problems)
