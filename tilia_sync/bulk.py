"""``tilia.bulk`` for code without an event loop.

Ids are read, and progress is told, in the caller's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Self

import attrs

from tilia_async import bulk as asynchronous
from tilia_async import checks
from tilia_async.bulk.job import DEFAULT_CONCURRENCY
from tilia_async.bulk.outcome import BulkItem, BulkProgress, BulkReport
from tilia_async.bulk.service import check_arguments
from tilia_async.config import RequestOptions
from tilia_sync.batch_reader import LONGEST_BATCH
from tilia_sync.batched_job import BatchedJob, Feed, Put
from tilia_sync.loop_thread import LoopHandle

AccountIds = Iterable[str]
OnProgress = Callable[[BulkProgress], object]


class BulkStream(Iterator[BulkItem]):
    """Yields the items of a job as they settle.

    It begins with the first item that is asked for.

    A consumer that stops early ends the job: with ``with`` or ``close`` at once, else when nothing refers to
    the stream any more. At most ``concurrency`` items wait for the consumer; then the job waits.
    """

    def __init__(
        self,
        items: Generator[BulkItem, None, None],
        progress: Callable[[], BulkProgress],
        report: Callable[[], BulkReport],
    ) -> None:
        self._items = items
        self._progress = progress
        self._report = report

    def __next__(self) -> BulkItem:
        return next(self._items)

    def progress(self) -> BulkProgress:
        """Return the progress of the job.

        Before it begins and after its end, too.
        """
        return self._progress()

    def report(self) -> BulkReport:
        """Return the report so far.

        After the end it is the whole one.

        Accounts whose requests were under way when the job was cancelled are ``UNKNOWN`` in it. It keeps no accounts
        that were found.
        """
        return self._report()

    def close(self) -> None:
        """End the job, if it is not over.

        What is in flight is cancelled. A second time does nothing.
        """
        self._items.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@attrs.frozen(eq=False)
class Bulk:
    """``tilia.bulk``: many accounts in one job.

    Block, unblock or look up many accounts, or undo what a job blocked.

    The pace follows the API: it slows down on 429, 503 and rising answer times, and grows again when they pass;
    ``Retry-After`` holds back the whole job. With a ledger each intent is on record before it is sent, and a job that
    was cut off goes on where it stopped when it is run again with its ``job_id``.
    """

    _service: asynchronous.Bulk
    _lease: LoopHandle

    def block(
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
            account_ids: read in this thread as they are needed, at most a small multiple of ``concurrency`` ahead. An
                id that cannot be one becomes a failed item; a repeated one does no harm.
            reason: why, for your ledger. Tilia takes no reason and keeps none.
            actor: who, for your ledger.
            concurrency: the most requests in flight, at least 1; never more than the client's connections.
            job_id: of the job in the ledger, 255 characters at most; None: one is made. A job is what it was begun as:
                run again, it takes no other reason, actor or review date; those that are left out stay as they were.
            review_at: when somebody should look at these blocks again, with a time zone.
            on_progress: called after each account, in this thread.
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
        feed = Feed()

        async def work(put: Put[BulkProgress]) -> BulkReport:
            return await self._service.block(
                feed,
                reason,
                actor,
                concurrency=concurrency,
                job_id=job_id,
                review_at=review_at,
                on_progress=None if on_progress is None else put,
                options=options,
            )

        return self._report("block", BatchedJob(feed, work), account_ids, concurrency, on_progress)

    def unblock(
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
            account_ids: read in this thread as they are needed, at most a small multiple of ``concurrency`` ahead.
            reason: why, for your ledger.
            actor: who, for your ledger.
            concurrency: the most requests in flight, at least 1; never more than the client's connections.
            job_id: of the job in the ledger, 255 characters at most; None: one is made. A job is what it was begun as:
                run again, it takes no other reason or actor; those that are left out stay as they were.
            on_progress: called after each account, in this thread.
            options: for each request; its ``timeout`` bounds one try, its ``retry`` those of one account;
                a 429 or 503 that holds back the whole job counts for none of them.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: a ``job_id`` and no ledger; or the job was begun as another one, is being undone, or
                runs in another process: one at a time runs a job.
            BulkStoppedError: the job stopped, for a reason that is the job's. ``.report`` has what was done.

        Source: fact sheet "guides", G3; scope ``unblock_accounts``.
        """
        feed = Feed()

        async def work(put: Put[BulkProgress]) -> BulkReport:
            return await self._service.unblock(
                feed,
                reason,
                actor,
                concurrency=concurrency,
                job_id=job_id,
                on_progress=None if on_progress is None else put,
                options=options,
            )

        return self._report("unblock", BatchedJob(feed, work), account_ids, concurrency, on_progress)

    def lookup(
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
            account_ids: read in this thread as they are needed, at most a small multiple of ``concurrency`` ahead.
            concurrency: the most requests in flight, at least 1; never more than the client's connections.
            on_progress: called after each account, in this thread.
            options: for each request; its ``timeout`` bounds one try, its ``retry`` those of one account;
                a 429 or 503 that holds back the whole job counts for none of them.

        Raises:
            InvalidRequestError: an argument cannot be one.
            BulkStoppedError: the job stopped, for a reason that is the job's. ``.report`` has what was done.

        Source: fact sheet "guides", G3; scope ``search_accounts``.
        """
        feed = Feed()

        async def work(put: Put[BulkProgress]) -> BulkReport:
            return await self._service.lookup(
                feed, concurrency=concurrency, on_progress=None if on_progress is None else put, options=options
            )

        return self._report("lookup", BatchedJob(feed, work), account_ids, concurrency, on_progress)

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
        return self._stream(
            "block",
            lambda ids: self._service.stream_block(
                ids, reason, actor, concurrency=concurrency, job_id=job_id, review_at=review_at, options=options
            ),
            account_ids,
            concurrency,
        )

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
        return self._stream(
            "unblock",
            lambda ids: self._service.stream_unblock(
                ids, reason, actor, concurrency=concurrency, job_id=job_id, options=options
            ),
            account_ids,
            concurrency,
        )

    def undo(
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
            on_progress: called after each account, in this thread.
            options: for each request; its ``timeout`` bounds one try, its ``retry`` those of one account;
                a 429 or 503 that holds back the whole job counts for none of them.

        Raises:
            InvalidRequestError: an argument cannot be one.
            ConfigurationError: there is no ledger, or no such job in it; it did not block, is under way, or was begun
                in another environment; or ``undo_job_id`` was begun as another job.
            BulkStoppedError: the job stopped, for a reason that is the job's. ``.report`` has what was done.

        Source: fact sheet "guides", G3; scope ``unblock_accounts``, and ``block_accounts`` where one is blocked again.
        """
        feed = Feed()

        async def work(put: Put[BulkProgress]) -> BulkReport:
            return await self._service.undo(
                job_id,
                reason,
                actor,
                concurrency=concurrency,
                undo_job_id=undo_job_id,
                on_progress=None if on_progress is None else put,
                options=options,
            )

        return self._report("undo", BatchedJob(feed, work), (), concurrency, on_progress)

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
        return self._stream(
            "undo",
            lambda _ids: self._service.stream_undo(
                job_id, reason, actor, concurrency=concurrency, undo_job_id=undo_job_id, options=options
            ),
            (),
            concurrency,
        )

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
        return self._stream(
            "lookup",
            lambda ids: self._service.stream_lookup(ids, concurrency=concurrency, options=options),
            account_ids,
            concurrency,
        )

    def _report(
        self,
        action: str,
        job: BatchedJob[BulkProgress, BulkReport],
        account_ids: AccountIds,
        concurrency: int,
        on_progress: OnProgress | None,
    ) -> BulkReport:
        check_arguments(action, account_ids, on_progress, checks.plain_iterable)
        return self._lease.do(job, iter(account_ids), _batch(concurrency), on_progress or _nobody)

    def _stream(
        self,
        action: str,
        start: Callable[[Feed], asynchronous.BulkStream],
        account_ids: AccountIds,
        concurrency: int,
    ) -> BulkStream:
        check_arguments(action, account_ids, iterable=checks.plain_iterable)
        feed = Feed()
        stream = start(feed)

        async def work(put: Put[BulkItem]) -> None:
            async with stream:
                async for item in stream:
                    await put(item)

        items = self._lease.results(BatchedJob(feed, work), iter(account_ids), _batch(concurrency))
        return BulkStream(items, stream.progress, stream.report)


def _batch(concurrency: object) -> int:
    """Return the number of ids that are read at once.

    The job itself refuses what is not a number.
    """
    return max(1, min(concurrency, LONGEST_BATCH)) if isinstance(concurrency, int) else 1


def _nobody(_progress: BulkProgress) -> None:
    """Ignore the progress."""
