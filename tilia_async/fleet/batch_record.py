"""The record of a batch in hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Final

from tilia_async import errors
from tilia_async.bulk.job_record import Admitted
from tilia_async.bulk.work_item import WorkItem
from tilia_async.ledger.batches import Settled, Taken, renew, settle
from tilia_async.ledger.database import Database
from tilia_async.ledger.group_commit import GroupCommit, OnDurable
from tilia_async.ledger.record import BlockRecord, RecordState

_MOST_WAITING: Final = 0.75
"""Share of the concurrency that may wait for the ledger.

With more of it the ledger is hurried.
"""

_log = logging.getLogger("tilia_async.fleet")


class BatchRecord:
    """The record of a batch, as its run writes it.

    Args:
        asked: when the transaction that took the batch was under way.

    Attributes:
        is_lost: another run has taken the batch.
    """

    def __init__(self, database: Database, batch: Taken, lease: float, concurrency: int, asked: float) -> None:
        self.staying: dict[str, tuple[BlockRecord, ...]] = {}
        self.is_lost: bool = False
        self._database = database
        self._batch = batch
        self._lease = lease
        self._live_until = asked + lease
        self._renewing = asyncio.Lock()
        self._left = dict(batch.left)
        self._doubtful = set(batch.doubtful)
        self._enough = max(1, int(concurrency * _MOST_WAITING))
        self._entries = GroupCommit[Settled](self._write)

    @property
    def is_settled(self) -> bool:
        """All of it has an outcome on record."""
        return not self._left

    def is_live(self, now: float) -> bool:
        """Return True while nobody can have taken the batch."""
        return now < self._live_until and not self.is_lost

    async def begin(self) -> None:
        """Do nothing: the batch was taken before."""

    async def keep(self) -> None:
        """Renew the lease, for ever.

        Raises:
            LedgerError: it is not renewed.
        """
        while True:
            # What is settled renews it, too.
            rest = self._live_until - self._lease * 2 / 3 - monotonic()
            if rest > 0:
                await asyncio.sleep(rest)
                continue
            async with self._renewing:
                await self._renew_locked()
            if not self.is_live(monotonic()):
                # Whoever wants to send renews it then; it would only be one transaction more to wait for.
                await asyncio.sleep(self._lease / 3)

    async def revive(self) -> None:
        """Renew the lease now, if it has run out.

        Raises:
            LedgerError: it is not renewed: another run has the batch, or the ledger cannot be written.
        """
        async with self._renewing:
            if not self.is_live(monotonic()):
                await self._renew_locked()

    async def _renew_locked(self) -> None:
        """Renew the lease.

        If it has run out, nothing is sent meanwhile.
        """
        started = monotonic()
        was_live = self.is_live(started)
        self._check(await self._database.transact(lambda each: (monotonic(), renew(each, self._batch, self._lease))))
        if not (was_live and self.is_live(monotonic())):
            _log.warning(
                "the lease of batch %d of the job %r, %g seconds, ran out, and nobody took it over: this process stood "
                "still, or the database is slow (the renewal took %.1f seconds). If it is, open the ledger with a "
                "longer lease",
                self._batch.number,
                self._batch.job_id,
                self._lease,
                monotonic() - started,
            )

    async def admit(self, works: Sequence[WorkItem]) -> Admitted:
        """Return all of them.

        Their intents are on record since the batch was taken.
        """
        for work in works:
            work.record_id = self._batch.left[work.key]
            work.doubtful = work.key in self._doubtful
        return Admitted(works, ())

    def settle(
        self, work: WorkItem, state: RecordState, error: str | None, on_durable: OnDurable, *, waiting: int
    ) -> None:
        """Hand in what became of an account."""
        self._put(work, state, error, partial(self._on_durable, work, on_durable), urgent=waiting >= self._enough)

    def _put(
        self, work: WorkItem, state: RecordState, error: str | None, on_durable: OnDurable, *, urgent: bool
    ) -> None:
        entry = Settled(self._batch.left[work.key], state, error, work.key in self._doubtful)
        self._entries.put(entry, on_durable=on_durable, urgent=urgent)

    def _on_durable(self, work: WorkItem, on_durable: OnDurable, failure: BaseException | None) -> bool:
        if failure is None:
            self._left.pop(work.key, None)
        return on_durable(failure)

    async def end(self, unknown: Sequence[WorkItem]) -> None:
        """Put on record of which accounts nobody knows what became.

        Raises:
            LedgerError: it is not known to be on record.
        """
        why = "the worker ended before the answer came"
        for work in unknown:
            if work.key in self._left:
                self._put(work, RecordState.UNKNOWN, why, _unheard, urgent=True)
        await self._entries.aclose()

    async def _write(self, entries: Sequence[Settled]) -> None:
        self._check(
            await self._database.transact(lambda each: (monotonic(), settle(each, self._batch, entries, self._lease)))
        )

    def _check(self, written: tuple[float, bool]) -> None:
        """Note until when the batch is ours.

        Args:
            written: when the transaction was under way, and whether the batch is ours. It may have waited for others
                before; the database counted from a moment that is later.
        """
        asked, is_ours = written
        if not is_ours:
            self.is_lost = True
            raise errors.LedgerError(
                f"batch {self._batch.number} of the job {self._batch.job_id!r} was taken over by another worker, "
                "because this one was not heard of for the time of its lease"
            )
        self._live_until = max(self._live_until, asked + self._lease)


def _unheard(_failure: BaseException | None) -> bool:
    """Leave a failure alone.

    A record that stays intended is as unknown.
    """
    return True
