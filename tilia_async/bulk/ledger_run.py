"""A job's part in the ledger.

What it claims, what it settles, and how long others keep off.
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
from tilia_async.ledger.claims import ExistingRecord, RecordedOutcome, new_run_id
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import BlockLedger, journal_of
from tilia_async.ledger.record import BlockRecord, RecordState

if TYPE_CHECKING:
    from tilia_async.ledger.group_commit import OnDurable
    from tilia_async.ledger.journal import Journal


_MOST_WAITING: Final = 0.75
"""Share of unsettled work that may wait for the ledger.

More of what may be unsettled at once would leave too few under way.
"""

_log = logging.getLogger("tilia_async.bulk")


class LedgerRun:
    """A run of a job in a ledger.

    Its claims live as long as it renews its lease.

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
        self._unsent: dict[str, str] = {}
        self._enough = max(1, int(concurrency * _MOST_WAITING))

    def has_claimed(self, work: WorkItem) -> bool:
        """Return True if the claim is this run's.

        It is not if the lease ran out since.
        """
        return work.run_id == self._run_id

    def is_live(self, now: float) -> bool:
        """Return True while nobody can have taken its claims over."""
        return now < self._live_until

    async def begin(self) -> None:
        """Enter the run.

        Raises:
            LedgerError: the ledger cannot be written.
            ConfigurationError: the job was begun as another one; or the one to undo is under way, or none to undo.
        """
        # It loads the libraries beside the event loop.
        journal, run_id = await journal_of(self._ledger), new_run_id()
        from tilia_async.ledger.jobs import UNDO, JobDefinition  # noqa: PLC0415 - needs the extra

        intent = self._intent
        if intent.undoes is not None:
            await _wait_for_end(journal, intent.undoes)
        job = JobDefinition(
            job_id=self._job_id,
            origin=self._origin,
            action=intent.action.value if intent.undoes is None else UNDO,
            reason=intent.reason,
            actor=intent.actor,
            review_at=intent.review_at,
            undoes=intent.undoes,
        )
        asked = monotonic()
        begun = await journal.begin_run(run_id, job, self._ledger.lease)
        self._intent = attrs.evolve(intent, reason=begun.reason, actor=begun.actor, review_at=begun.review_at)
        self._journal, self._run_id = journal, run_id
        self._live_until = asked + self._ledger.lease

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
            LedgerError: they are not on record.
        """
        run_id = self._run_id
        claims = await self._opened().claim(run_id, self._intent, [work.key for work in works])
        for work in works:
            self._unsent.pop(work.key, None)
        # What an earlier run had may have been sent by that one.
        self._unsent.update(dict.fromkeys(claims.mine.keys() - claims.doubtful, run_id))
        mine: list[WorkItem] = []
        settled: list[tuple[WorkItem, ExistingRecord]] = []
        held: list[WorkItem] = []
        for work in works:
            found = claims.others.get(work.key)
            if work.key in claims.mine:
                work.record_id = claims.mine[work.key]
                work.run_id = run_id
                work.doubtful = work.doubtful or work.key in claims.doubtful
                self._set_beside(work, claims.beside.get(work.key, ()))
                mine.append(work)
            elif found is not None and found.settled:
                settled.append((work, found))
            else:
                held.append(work)
        return Admitted(mine, settled, held)

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
        self._unsent.pop(work.key, None)
        settlement = RecordedOutcome(work.key, state, error, work.record_id)
        self._opened().settle_in_time(work.run_id, settlement, on_durable, urgent=waiting >= self._enough)

    async def end(self, unknown: Sequence[WorkItem]) -> None:
        """End the claims, and sort out the rest.

        Says which accounts were not sent, and of which nobody knows what became.

        Raises:
            LedgerError: it is not on record; the next run does the same with them all the same.
        """
        if self._journal is None:
            return
        ended: dict[str, list[RecordedOutcome]] = {self._run_id: []}
        why = "the job was cancelled before the answer came"
        for work in unknown:
            self._unsent.pop(work.key, None)
            ended.setdefault(work.run_id, []).append(
                RecordedOutcome(work.key, RecordState.UNKNOWN, why, work.record_id)
            )
        why = "the job ended before this took effect"
        for key, run_id in self._unsent.items():
            ended.setdefault(run_id, []).append(RecordedOutcome(key, RecordState.FAILED, why))
        for run_id, settlements in ended.items():
            await self._journal.settle(run_id, *settlements)
        await self._journal.end_run(self._run_id)

    async def _renew_locked(self) -> None:
        """Renew the lease.

        If it has run out, go on as another run, since others may have taken over what this had.
        """
        journal, lease = self._opened(), self._ledger.lease
        asked = monotonic()
        if self.is_live(asked):
            await journal.renew_run(self._run_id, self._job_id, lease)
            # What came late may have come after others looked.
            if self.is_live(monotonic()):
                self._live_until = asked + lease
                return
        _log.warning(
            "the lease of the bulk job %r ran out while it was under way: what was in flight may be sent again by "
            "another process. Open the ledger with a longer lease than %g seconds",
            self._job_id,
            lease,
        )
        replaced, self._run_id = self._run_id, new_run_id()
        asked = monotonic()
        await journal.renew_run(self._run_id, self._job_id, lease, replaced=replaced)
        self._live_until = asked + lease

    def _opened(self) -> Journal:
        if self._journal is None:
            raise RuntimeError("the run has not begun")
        return self._journal


async def _wait_for_end(journal: Journal, job_id: str) -> None:
    """Wait until a dead run's claims have ended.

    The claims of a run whose process died.

    Raises:
        ConfigurationError: the job is under way: its process renews its claims.
    """
    from tilia_async.ledger.jobs import under_way  # noqa: PLC0415 - needs the extra

    first = await journal.live_runs(job_id)
    live, pause = first, 0.05
    while live:
        if any(run_id not in first or ends_at > first[run_id] for run_id, ends_at in live.items()):
            raise under_way(job_id)
        await asyncio.sleep(pause)
        live, pause = await journal.live_runs(job_id), min(2 * pause, 1.0)
