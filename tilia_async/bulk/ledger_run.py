"""A job's part in the ledger.

What it intends, what it settles, and how long others keep off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final

import attrs

from tilia_async.bulk.job_record import Admitted
from tilia_async.bulk.work_item import WorkItem
from tilia_async.errors import LedgerError
from tilia_async.ledger.claims import ExistingRecord, RecordedOutcome, new_run_id
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import BlockLedger, journal_of
from tilia_async.ledger.record import BlockRecord, RecordState

if TYPE_CHECKING:
    from tilia_async.ledger.group_commit import OnDurable
    from tilia_async.ledger.jobs import JobDefinition
    from tilia_async.ledger.journal import Journal


_MOST_WAITING: Final = 0.75
"""Share of unsettled work that may wait for the ledger.

More of what may be unsettled at once would leave too few under way.
"""

_log = logging.getLogger("tilia_async.bulk")


class LedgerRun:
    """A run of a job in a ledger.

    It alone has the job, as long as it renews its lease.

    Attributes:
        staying: accounts that are to be blocked again, because they were, or may have been, unblocked although others
            block them, and the blocks of those.
    """

    def __init__(self, ledger: BlockLedger, intent: Intent, job_id: str, origin: str, concurrency: int) -> None:
        self.staying: dict[str, tuple[BlockRecord, ...]] = {}
        self._ledger = ledger
        self._intent = attrs.evolve(intent, job_id=job_id)
        self._job_id = job_id
        self._origin = origin
        self._journal: Journal | None = None
        self._run_id = ""
        self._live_until = float("-inf")
        self._renewing = asyncio.Lock()
        self._unsent: set[str] = set()
        self._enough = max(1, int(concurrency * _MOST_WAITING))

    def is_live(self, now: float) -> bool:
        """Return True while nobody can have taken the job over."""
        return now < self._live_until

    async def begin(self) -> None:
        """Enter the run.

        Raises:
            LedgerError: the ledger cannot be written.
            ConfigurationError: the job was begun as another one; or the one to undo is under way, or none to undo.
        """
        # It loads the libraries beside the event loop.
        journal, run_id = await journal_of(self._ledger), new_run_id()
        from tilia_async.ledger.job_run import RUNNING_HERE  # noqa: PLC0415 - needs the extra

        job = self._definition()
        await _wait_for_end(journal, job)
        asked = monotonic()
        RUNNING_HERE.add(run_id)
        try:
            begun = await journal.begin_run(run_id, job, self._ledger.lease)
        except BaseException:  # whatever it is, nothing runs
            RUNNING_HERE.discard(run_id)
            raise
        self._intent = attrs.evolve(self._intent, reason=begun.reason, actor=begun.actor, review_at=begun.review_at)
        self._journal, self._run_id = journal, run_id
        self._live_until = asked + self._ledger.lease

    async def check(self) -> None:
        """Refuse a job that could not begin, and enter nothing.

        Raises:
            LedgerError: the ledger cannot be read.
            ConfigurationError: as ``begin``.
        """
        journal, job = await journal_of(self._ledger), self._definition()
        await _wait_for_end(journal, job)
        await journal.check_job(job)

    def _definition(self) -> JobDefinition:
        from tilia_async.ledger.jobs import UNDO, JobDefinition  # noqa: PLC0415 - needs the extra

        intent = self._intent
        return JobDefinition(
            job_id=self._job_id,
            origin=self._origin,
            action=intent.action.value if intent.undoes is None else UNDO,
            reason=intent.reason,
            actor=intent.actor,
            review_at=intent.review_at,
            undoes=intent.undoes,
        )

    async def keep(self) -> None:
        """Renew the lease, for ever.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        while True:
            await asyncio.sleep(self._ledger.lease / 3)
            async with self._renewing:
                await self._renew_locked()

    async def revive(self) -> None:
        """Renew the lease now, if it has run out.

        It may have run out while this process could not renew it.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        async with self._renewing:
            if not self.is_live(monotonic()):
                await self._renew_locked()

    async def admit(self, works: Sequence[WorkItem]) -> Admitted:
        """Put on record the intents that this run may send.

        Args:
            works: of different accounts.

        Raises:
            LedgerError: they are not known to be on record.
        """
        asked = monotonic()
        names = [work.key for work in works]
        claims = await self._opened().claim(self._run_id, self._intent, names, self._ledger.lease)
        self._live_until = max(self._live_until, asked + self._ledger.lease)
        # What an earlier run had may have been sent by that one.
        self._unsent.update(claims.mine.keys() - claims.doubtful)
        mine: list[WorkItem] = []
        settled: list[tuple[WorkItem, ExistingRecord]] = []
        for work in works:
            found = claims.others.get(work.key)
            if work.key in claims.mine:
                work.record_id = claims.mine[work.key]
                work.doubtful = work.doubtful or work.key in claims.doubtful
                self._set_beside(work, claims.beside.get(work.key, ()))
                mine.append(work)
            elif found is not None:
                settled.append((work, found))
            else:
                raise LedgerError(f"the record of the account {work.key!r} was removed while the job ran")
        return Admitted(mine, settled)

    def _set_beside(self, work: WorkItem, blocks: tuple[BlockRecord, ...]) -> None:
        if self._intent.undoes is None:
            work.beside = blocks
        elif blocks:
            self.staying[work.key] = blocks

    async def blocks_beside(self, account_id: str) -> tuple[BlockRecord, ...]:
        """Return the other blocks that keep an account blocked.

        An account whose block is being undone is to stay blocked for them.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await self._opened().blocks_beside(account_id, self._intent.undoes or "", self._job_id)

    def settle(
        self, work: WorkItem, state: RecordState, error: str | None, on_durable: OnDurable, *, waiting: int
    ) -> None:
        """Hand in what became of an account.

        Args:
            on_durable: called once it is on record, or with the error if it is not.
            waiting: how many are answered and not on record; if they are many, it is put there at once.
        """
        # From here on nobody says any more that it was not sent, whether or not this can be written.
        self._unsent.discard(work.key)
        settlement = RecordedOutcome(work.key, state, error, work.record_id)
        self._opened().settle_in_time(self._run_id, settlement, on_durable, urgent=waiting >= self._enough)

    async def end(self, unknown: Sequence[WorkItem]) -> None:
        """End the run, and sort out the rest.

        Says which accounts were not sent, and of which nobody knows what became.

        Raises:
            LedgerError: it is not known to be on record; the next run does the same with them all the same.
        """
        if self._journal is None:
            return
        from tilia_async.ledger.job_run import RUNNING_HERE  # noqa: PLC0415 - needs the extra

        why = "the job was cancelled before the answer came"
        ended = [RecordedOutcome(each.key, RecordState.UNKNOWN, why, each.record_id) for each in unknown]
        self._unsent.difference_update(each.key for each in unknown)
        why = "the job ended before this took effect"
        ended += [RecordedOutcome(key, RecordState.FAILED, why) for key in sorted(self._unsent)]
        try:
            await self._journal.settle(self._run_id, *ended)
            await self._journal.end_run(self._run_id)
        finally:
            RUNNING_HERE.discard(self._run_id)

    async def _renew_locked(self) -> None:
        """Renew the lease.

        If it has run out, another run may have the job, and nothing more is sent.

        Raises:
            LedgerError: the ledger cannot be written, or another run has the job.
        """
        asked = monotonic()
        was_live = self.is_live(asked)
        await self._opened().renew_run(self._run_id, self._ledger.lease)
        self._live_until = max(self._live_until, asked + self._ledger.lease)
        if not was_live:
            _log.warning(
                "the lease of the bulk job %r ran out while it was under way, and nobody took the job over. Open the "
                "ledger with a longer lease than %g seconds",
                self._job_id,
                self._ledger.lease,
            )

    def _opened(self) -> Journal:
        if self._journal is None:
            raise RuntimeError("the run has not begun")
        return self._journal


async def _wait_for_end(journal: Journal, job: JobDefinition) -> None:
    """Wait until no other run has a job.

    Nor the one that it undoes.

    Of a process that can be seen from here it is known at once. One elsewhere renews its lease, or is dead once that is
    over.

    Raises:
        ConfigurationError: another run has the job, or the one to undo is under way.
    """
    from tilia_async.ledger.jobs import refusal  # noqa: PLC0415 - needs the extra

    names = {job.job_id, job.undoes}
    pause, first = 0.05, dict[str, float]()
    while True:
        runs = await journal.live_runs(job.job_id, job.undoes)
        left = [each for each in runs if each.job_id in names and not each.is_dead]
        if not left:
            return
        if not first:
            first = {each.run_id: each.expires_at for each in left}
            _log.info("the job %r ran %s: waiting until its lease is renewed or over", left[0].job_id, left[0].place)
        for each in left:
            if each.is_seen or each.expires_at > first.get(each.run_id, 0.0):
                raise refusal(each, job.job_id)
        await asyncio.sleep(pause)
        pause = min(2 * pause, 1.0)
