"""A job's part in the ledger: what it claims, what it settles, and how long others keep off."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final

import attrs

from tilia_async.bulk.work import Work
from tilia_async.ledger.claims import NO_CLAIMS, Claims, Found, Settlement, new_run_id
from tilia_async.ledger.group_commit import GroupCommit
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import BlockLedger, journal_of
from tilia_async.ledger.record import BlockRecord, RecordState

if TYPE_CHECKING:
    from tilia_async.ledger.journal import Journal


_PATIENCE: Final = 0.025
"""Seconds that a settled account waits for others, so that they share a transaction."""


@attrs.frozen
class Admitted:
    """What came of asking for works.

    Attributes:
        mine: they are on record as intended, and this run's to send.
        settled: they have an outcome already, and it is this.
        held: another run has them in hand.
    """

    mine: Sequence[Work]
    settled: Sequence[tuple[Work, Found]]
    held: Sequence[Work]


@attrs.define(eq=False)
class _Asked:
    """Accounts that were asked for, and what came of it."""

    names: Sequence[str]
    claims: Claims = NO_CLAIMS


class JobRecord:
    """One run of a job in a ledger. Its claims live as long as it renews its lease.

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
        # While these wait, the others are under way.
        self._entries = GroupCommit[Settlement | _Asked](
            self._write, enough=max(1, concurrency * 3 // 4), patience=_PATIENCE
        )

    def is_live(self, now: float) -> bool:
        """Nobody can have taken the claims over yet."""
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
            await self._renew()

    async def revive(self) -> None:
        """Renew the lease now, if it has run out while this process could not.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        async with self._renewing:
            if not self.is_live(monotonic()):
                await self._renew()

    async def admit(self, works: Sequence[Work]) -> Admitted:
        """Put the intents on record, for those that this run may send.

        Args:
            works: of different accounts.

        Raises:
            LedgerError: they are not on record.
        """
        asked = _Asked([work.key for work in works])
        await self._entries.add(asked)
        claims = asked.claims
        mine: list[Work] = []
        settled: list[tuple[Work, Found]] = []
        held: list[Work] = []
        for work in works:
            found = claims.others.get(work.key)
            if work.key in claims.mine:
                work.doubtful = work.key in claims.doubtful
                self._set_beside(work, claims.beside.get(work.key, ()))
                mine.append(work)
            elif found is not None and found.settled:
                settled.append((work, found))
            else:
                held.append(work)
        return Admitted(mine, settled, held)

    def _set_beside(self, work: Work, blocks: tuple[BlockRecord, ...]) -> None:
        if self._intent.undoes is None:
            work.beside = blocks
        elif blocks:
            self.staying[work.key] = blocks

    async def blocks_beside(self, account_id: str) -> tuple[BlockRecord, ...]:
        """Return the blocks for which an account whose block is being undone is to stay blocked.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await self._opened().blocks_beside(account_id, self._intent.undoes or "", self._job_id)

    async def settle(self, key: str, state: RecordState, error: str | None) -> None:
        """Put on record what became of an account.

        Raises:
            LedgerError: it is not on record.
        """
        # From here on nobody says any more that it was not sent, whether or not this can be written.
        self._unsent.discard(key)
        await self._entries.add(Settlement(key, state, error))

    async def end(self, unknown: Sequence[str]) -> None:
        """End the claims, and say which accounts were not sent, and of which nobody knows what became.

        Raises:
            LedgerError: it is not on record; the next run does the same with them all the same.
        """
        if self._journal is None:
            return
        await self._entries.aclose()
        why = "the job was cancelled before the answer came"
        settlements = [Settlement(key, RecordState.UNKNOWN, why) for key in unknown]
        why = "the job ended before this took effect"
        settlements += [Settlement(key, RecordState.FAILED, why) for key in self._unsent.difference(unknown)]
        if settlements:
            await self._journal.settle(self._run_id, *settlements)
        await self._journal.end_run(self._run_id)

    async def _write(self, entries: Sequence[Settlement | _Asked]) -> None:
        settlements = [each for each in entries if isinstance(each, Settlement)]
        asked = [each for each in entries if isinstance(each, _Asked)]
        names = [name for each in asked for name in each.names]
        claims = await self._opened().advance(self._run_id, self._intent, settlements, names)
        for each in asked:
            each.claims = claims
        # What an earlier run had may have been sent by that one.
        self._unsent |= claims.mine - claims.doubtful

    async def _renew(self) -> None:
        asked = monotonic()
        await self._opened().renew_run(self._run_id, self._job_id, self._ledger.lease)
        self._live_until = asked + self._ledger.lease

    def _opened(self) -> Journal:
        if self._journal is None:
            raise RuntimeError("the run has not begun")
        return self._journal


async def _wait_for_end(journal: Journal, job_id: str) -> None:
    """Wait until the claims of a run whose process died have ended.

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
