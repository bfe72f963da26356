"""``tilia.bulk``: the same for many accounts."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs

from tilia_async import errors
from tilia_async.api import accounts
from tilia_async.api.accounts import Account
from tilia_async.bulk.job import Job
from tilia_async.bulk.outcome import BulkItem, BulkProgress, BulkReport
from tilia_async.bulk.record import JobRecord
from tilia_async.bulk.run import Run
from tilia_async.bulk.stream import BulkStream
from tilia_async.config import RequestOptions, RetryPolicy, expect
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import BlockLedger
from tilia_async.ledger.record import BlockAction
from tilia_async.wire import checks
from tilia_async.wire.operation import Operation

if TYPE_CHECKING:
    from tilia_async.transport.caller import Caller, TokenWatch

DEFAULT_CONCURRENCY: Final = 64

AccountIds = Iterable[str] | AsyncIterable[str]
OnProgress = Callable[[BulkProgress], object]


@attrs.frozen(eq=False)
class Bulk:
    """``tilia.bulk``: block, unblock or look up many accounts.

    The pace follows the API: it slows down on 429, 503 and rising answer times, and grows again when they pass;
    ``Retry-After`` holds back the whole job. With a ledger each intent is on record before it is sent, and a job that
    was cut off goes on where it stopped when it is run again with its ``job_id``.
    """

    _caller: Caller
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
            job_id: of the job in the ledger, 255 characters at most; None: one is made.
            review_at: when somebody should look at these blocks again, with a time zone.
            on_progress: called after each account, a function or a coroutine function.
            options: for each request; its ``timeout`` bounds one try, its ``retry`` those of one account.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: a ``job_id`` and no ledger.
            BulkStoppedError: the job stopped, for a reason that is the job's: credentials, a scope, the ledger, twenty
                calls in a row without an answer. ``.report`` has what was done.

        Source: seed 002; scope ``block_accounts``.
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
        """Lift your own blocks of many accounts. Those that Tilia placed are refused.

        Args:
            account_ids: read as they are needed, at most a small multiple of ``concurrency`` ahead.
            reason: why, for your ledger.
            actor: who, for your ledger.
            concurrency: the most requests in flight, at least 1; never more than the client's connections.
            job_id: of the job in the ledger, 255 characters at most; None: one is made.
            on_progress: called after each account, a function or a coroutine function.
            options: for each request; its ``timeout`` bounds one try, its ``retry`` those of one account.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: a ``job_id`` and no ledger.
            BulkStoppedError: the job stopped, for a reason that is the job's. ``.report`` has what was done.

        Source: seed 002; scope ``unblock_accounts``.
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
        """Look many accounts up. The report's ``accounts`` has them all; to keep less in memory, stream them.

        Args:
            account_ids: read as they are needed, at most a small multiple of ``concurrency`` ahead.
            concurrency: the most requests in flight, at least 1; never more than the client's connections.
            on_progress: called after each account, a function or a coroutine function.
            options: for each request; its ``timeout`` bounds one try, its ``retry`` those of one account.

        Raises:
            InvalidRequestError: an argument cannot be one.
            BulkStoppedError: the job stopped, for a reason that is the job's. ``.report`` has what was done.

        Source: seed 002; scope ``search_accounts``.
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
        """Block many accounts, and yield each as it settles. See :meth:`block`; what that raises, the stream raises.

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
        """Unblock many accounts, and yield each as it settles. See :meth:`unblock`; what that raises, the stream does.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: a ``job_id`` and no ledger.
        """
        intent = Intent(BlockAction.UNBLOCK, reason, actor, None, job_id)
        return self._stream(self._blocking(intent, concurrency, options), account_ids)

    def stream_lookup(
        self,
        account_ids: AccountIds,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        options: RequestOptions | None = None,
    ) -> BulkStream:
        """Look many accounts up, and yield each as it comes. See :meth:`lookup`; what that raises, the stream raises.

        Raises:
            InvalidRequestError: an argument cannot be one.
        """
        return self._stream(self._looking_up(concurrency, options), account_ids)

    async def _report(self, job: Job, account_ids: AccountIds, on_progress: OnProgress | None) -> BulkReport:
        check_account_ids(job.action, account_ids)
        check_on_progress(on_progress)
        if on_progress is None:
            return await Run(job, account_ids, keeps_accounts=True).run()
        told: OnProgress = on_progress

        async def tell(_item: BulkItem) -> None:
            answer = told(run.progress())
            if inspect.isawaitable(answer):
                await answer

        run = Run(job, account_ids, sink=tell, keeps_accounts=True)
        return await run.run()

    def _stream(self, job: Job, account_ids: AccountIds) -> BulkStream:
        check_account_ids(job.action, account_ids)
        return BulkStream(lambda sink: Run(job, account_ids, sink=sink), job.concurrency)

    def _blocking(self, intent: Intent, concurrency: int, options: RequestOptions | None) -> Job:
        checks.refuse(f"bulk.{intent.action.value}", intent.problems())
        if intent.job_id is not None and self._ledger is None:
            raise errors.ConfigurationError("a job_id needs a ledger to be kept in: TiliaClient(..., ledger=ledger)")
        blocks = intent.action is BlockAction.BLOCK
        operation = accounts.BLOCK if blocks else accounts.UNBLOCK
        once = self._once(options)

        async def change(account_id: str, watch: TokenWatch) -> None:
            path = {"account_id": account_id}
            await self._caller.value(operation, path=path, options=once, watch=watch)

        job = self._job(intent.action.value, operation, change, concurrency, options)
        if self._ledger is None:
            return job
        job_id = intent.job_id or job.job_id
        origin = self._caller.environment.url(operation.service)
        record = JobRecord(self._ledger, intent, job_id, origin, job.concurrency)
        return attrs.evolve(job, job_id=job_id, record=record)

    def _looking_up(self, concurrency: int, options: RequestOptions | None) -> Job:
        once = self._once(options)

        async def look(account_id: str, watch: TokenWatch) -> Account:
            path = {"account_id": account_id}
            return await self._caller.value(accounts.GET, path=path, options=once, watch=watch)

        return self._job("lookup", accounts.GET, look, concurrency, options)

    def _job(
        self,
        action: str,
        operation: Operation[object],
        send: Callable[[str, TokenWatch], Awaitable[Account | None]],
        concurrency: int,
        options: RequestOptions | None,
    ) -> Job:
        checks.refuse(f"bulk.{action}", {"concurrency": checks.count(concurrency)})
        limits = self._caller.pool.limits
        # More would wait for a connection while their time runs.
        most = min(concurrency, limits.connections, limits.per_host)
        return Job(action, operation.name, send, self._retry(options), most, _new_job_id(action))

    def _retry(self, options: RequestOptions | None) -> RetryPolicy:
        return self._caller.retry if options is None or options.retry is None else options.retry

    def _once(self, options: RequestOptions | None) -> RequestOptions:
        """The options of one try: the job itself decides whether and when another follows, for all accounts at once."""
        expect("options", options, RequestOptions, type(None))
        return attrs.evolve(options or RequestOptions(), retry=attrs.evolve(self._retry(options), attempts=1))


def check_account_ids(action: str, account_ids: object) -> None:
    """Refuse what cannot be iterated over, and a text, which is one id.

    Raises:
        InvalidRequestError: it is one of these.
    """
    kind = type(account_ids).__name__
    several = isinstance(account_ids, Iterable | AsyncIterable) and not isinstance(account_ids, str | bytes)
    problems = [] if several else [f"are an iterable of ids, of either kind, not {kind}"]
    checks.refuse(f"bulk.{action}", {"account_ids": problems})


def check_on_progress(on_progress: object) -> None:
    """Refuse what cannot be called.

    Raises:
        ConfigurationError: it cannot.
    """
    if on_progress is not None and not callable(on_progress):
        raise errors.ConfigurationError(f"on_progress is a function or None, not {type(on_progress).__name__}")


def _new_job_id(action: str) -> str:
    return f"{action}-{datetime.now(UTC):%Y-%m-%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
