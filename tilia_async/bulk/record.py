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
from tilia_async.ledger.record import RecordState

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
        held: somebody has them in hand: another run, or this one, of which they are repetitions.
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
    """One run of a job in a ledger. Its claims live as long as it renews its lease."""

    def __init__(self, ledger: BlockLedger, intent: Intent, job_id: str, concurrency: int) -> None:
        self._ledger = ledger
        self._intent = attrs.evolve(intent, job_id=job_id)
        self._job_id = job_id
        self._journal: Journal | None = None
        self._run_id = ""
        self._live_until = float("-inf")
        self._renewing = asyncio.Lock()
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
        """
        journal, run_id, asked = await journal_of(self._ledger), new_run_id(), monotonic()
        await journal.begin_run(run_id, self._job_id, self._ledger.lease)
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

        Raises:
            LedgerError: they are not on record.
        """
        first: dict[str, Work] = {}
        held = [work for work in works if first.setdefault(work.key, work) is not work]
        asked = _Asked(list(first))
        await self._entries.add(asked)
        claims = asked.claims
        mine: list[Work] = []
        settled: list[tuple[Work, Found]] = []
        for key, work in first.items():
            found = claims.others.get(key)
            if key in claims.mine:
                mine.append(work)
            elif found is not None and found.settled:
                settled.append((work, found))
            else:
                held.append(work)
        return Admitted(mine, settled, held)

    async def settle(self, key: str, state: RecordState, error: str | None) -> None:
        """Put on record what became of an account.

        Raises:
            LedgerError: it is not on record.
        """
        await self._entries.add(Settlement(key, state, error))

    async def end(self, unknown: Sequence[str]) -> None:
        """End the claims, and say of which accounts nobody knows what became.

        Raises:
            LedgerError: it is not on record; the next run does the same with them all the same.
        """
        if self._journal is None:
            return
        await self._entries.aclose()
        if unknown:
            why = "the job was cancelled before the answer came"
            settlements = [Settlement(key, RecordState.UNKNOWN, why) for key in unknown]
            await self._journal.settle(self._run_id, *settlements)
        await self._journal.end_run(self._run_id)

    async def _write(self, entries: Sequence[Settlement | _Asked]) -> None:
        settlements = [each for each in entries if isinstance(each, Settlement)]
        asked = [each for each in entries if isinstance(each, _Asked)]
        names = [name for each in asked for name in each.names]
        claims = await self._opened().advance(self._run_id, self._intent, settlements, names)
        for each in asked:
            each.claims = claims

    async def _renew(self) -> None:
        asked = monotonic()
        await self._opened().renew_run(self._run_id, self._job_id, self._ledger.lease)
        self._live_until = asked + self._ledger.lease

    def _opened(self) -> Journal:
        if self._journal is None:
            raise RuntimeError("the run has not begun")
        return self._journal
