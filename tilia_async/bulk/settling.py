"""Puts on record what came of accounts, counts it, and tells it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from time import monotonic
from typing import Final

from tilia_async import errors
from tilia_async.api.accounts import Account
from tilia_async.bulk.job import Job, Sink
from tilia_async.bulk.line import Line
from tilia_async.bulk.outcome import BulkItem, BulkOutcome
from tilia_async.bulk.stop import Stop
from tilia_async.bulk.tally import Tally
from tilia_async.bulk.work import Work
from tilia_async.ledger.claims import Found
from tilia_async.ledger.record import BlockRecord, RecordState, kept_because, overtaken_because

_OUTCOMES: Final = {
    RecordState.CONFIRMED: BulkOutcome.DONE,
    RecordState.NOT_FOUND: BulkOutcome.NOT_FOUND,
    RecordState.REFUSED: BulkOutcome.REFUSED,
    RecordState.UNKNOWN: BulkOutcome.UNKNOWN,
    RecordState.FAILED: BulkOutcome.FAILED,
    RecordState.KEPT: BulkOutcome.KEPT,
}

_EFFECTS: Final = {RecordState.CONFIRMED: True, RecordState.FAILED: False}
"""Of what was overtaken, whether it took effect before; of all else nobody knows."""


class Settling:
    """The end of each account of a job.

    Attributes:
        tally: what has come of the job so far.
        sent: the accounts that were sent and are not settled.
    """

    def __init__(self, job: Job, line: Line, stop: Stop, sink: Sink | None, *, keeps_accounts: bool) -> None:
        self.tally = Tally(monotonic(), keeps_accounts=keeps_accounts)
        self.sent: set[Work] = set()
        self._record = job.record
        self._line = line
        self._stop = stop
        self._sink = sink
        self._in_hand: dict[str, Work] = {}

    def new(self, works: Sequence[Work]) -> list[Work]:
        """Those that are not in hand already. With a record, one that is given twice is sent once."""
        if self._record is None:
            return list(works)
        new: list[Work] = []
        for work in works:
            first = self._in_hand.setdefault(work.key, work)
            if first is work:
                new.append(work)
            else:
                first.twins += 1
        return new

    async def finish(
        self, work: Work, state: RecordState, failure: errors.TiliaError | None, account: Account | None = None
    ) -> None:
        """Settle an account's record, then tell."""
        beside = work.beside
        if self._record is not None and (others := self._record.staying.pop(work.key, ())):
            beside = others
            state, failure = _after_blocking_again(state, failure, others)
        elif state is RecordState.UNKNOWN and failure is not None and failure.took_effect is False:
            # So it was with the last attempt; one before it may have taken effect.
            failure = copy.copy(failure)
            failure.took_effect = None
        if self._record is not None:
            try:
                await self._record.settle(work.key, state, None if failure is None else str(failure))
            except errors.LedgerError as error:
                self._stop.call(error)
        self.sent.discard(work)
        outcome = _OUTCOMES[state]
        shown = None if outcome is BulkOutcome.DONE else failure
        await self._tell(work, BulkItem(work.account_id, outcome, shown, work.attempts, account, beside))
        self._line.finished()

    async def finish_as_found(self, work: Work, found: Found) -> None:
        """Tell what an earlier run has on record of an account."""
        if found.overtaken_by is not None:
            words = overtaken_because(found.overtaken_by, perhaps=found.overtaken_perhaps)
            told = errors.TiliaError(words, took_effect=_EFFECTS.get(found.state))
            await self._tell(work, BulkItem(work.account_id, BulkOutcome.OVERTAKEN, told))
            return
        if found.state is RecordState.CONFIRMED:
            await self._tell(work, BulkItem(work.account_id, BulkOutcome.SKIPPED))
            return
        effect = None if found.state is RecordState.UNKNOWN else False
        why = found.error or found.state.value
        told = errors.TiliaError(why if found.others else f"as this job has on record: {why}", took_effect=effect)
        item = BulkItem(work.account_id, _OUTCOMES[found.state], told, also_blocked_by=found.others)
        await self._tell(work, item)

    async def _tell(self, work: Work, item: BulkItem) -> None:
        """Tell of an account, as many times as it was given."""
        self._in_hand.pop(work.key, None)
        await self._emit(item)
        repeated = BulkItem(item.account_id, BulkOutcome.SKIPPED) if item.outcome is BulkOutcome.DONE else item
        for _ in range(work.twins):
            await self._emit(repeated)

    async def _emit(self, item: BulkItem) -> None:
        self.tally.add(item)
        if self._sink is None:
            return
        try:
            await self._sink(item)
        except Exception as error:  # noqa: BLE001 - it is the caller's function, and the caller gets what it raised
            self._stop.call(error)


def _after_blocking_again(
    state: RecordState, failure: errors.TiliaError | None, others: Sequence[BlockRecord]
) -> tuple[RecordState, errors.TiliaError]:
    """Tell of an account that was, or may have been, unblocked although it is to stay blocked."""
    if state is RecordState.CONFIRMED:
        return RecordState.KEPT, errors.TiliaError(kept_because(others))
    why = "no answer" if failure is None else str(failure)
    words = f"it may be unblocked, and was not blocked again for certain: {why}; {kept_because(others)}"
    return RecordState.UNKNOWN, errors.TiliaError(words, took_effect=None)
