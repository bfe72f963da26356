"""Completion of accounts: recorded, counted, yielded.

It puts on record what came of accounts, counts it, and tells it.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Iterator, Sequence
from functools import partial
from time import monotonic
from typing import Final

from anyio.abc import TaskGroup

from tilia_async import errors
from tilia_async.bulk.job import Job, Sink
from tilia_async.bulk.outcome import BulkItem, BulkOutcome
from tilia_async.bulk.progress_counter import ProgressCounter
from tilia_async.bulk.send_slots import SendSlots
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.work_item import WorkItem
from tilia_async.bulk.work_queue import WorkQueue
from tilia_async.ledger.claims import ExistingRecord
from tilia_async.ledger.record import BlockRecord, RecordState, kept_because, overtaken_because
from tilia_async.models.accounts import Account

_OUTCOMES: Final = {
    RecordState.CONFIRMED: BulkOutcome.DONE,
    RecordState.NOT_FOUND: BulkOutcome.NOT_FOUND,
    RecordState.REFUSED: BulkOutcome.REFUSED,
    RecordState.UNKNOWN: BulkOutcome.UNKNOWN,
    RecordState.FAILED: BulkOutcome.FAILED,
    RecordState.KEPT: BulkOutcome.KEPT,
}

_EFFECTS: Final = {RecordState.CONFIRMED: True, RecordState.FAILED: False}
"""The effect of an overtaken action before it was overtaken.

Whether it took effect before; of all else nobody knows.
"""


class Completion:
    """The end of each account of a job.

    Attributes:
        tally: what has come of the job so far.
        sent: the accounts that were sent and have no outcome.
        tellers: where a sink is waited for that takes its time; None before the job and after it.
    """

    def __init__(
        self, job: Job, queue: WorkQueue, slots: SendSlots, stop: StopSignal, sink: Sink | None, *, keeps_accounts: bool
    ) -> None:
        self.tellers: TaskGroup | None = None
        self.tally: ProgressCounter = ProgressCounter(monotonic(), job.watched, keeps_accounts=keeps_accounts)
        self.sent: set[WorkItem] = set()
        self._record = job.record
        self._queue = queue
        self._slots = slots
        self._stop = stop
        self._sink = sink
        self._in_hand: dict[str, WorkItem] = {}
        self._unwritten = 0
        self._all_written = asyncio.Event()

    def new(self, works: Sequence[WorkItem]) -> list[WorkItem]:
        """Drop accounts that are in hand already.

        With a record, an account that is given twice is sent once.
        """
        if self._record is None:
            return list(works)
        new: list[WorkItem] = []
        for work in works:
            first = self._in_hand.setdefault(work.key, work)
            if first is work:
                new.append(work)
            else:
                first.duplicates += 1
        return new

    async def finish(
        self, work: WorkItem, state: RecordState, failure: errors.TiliaError | None, account: Account | None = None
    ) -> None:
        """Give an account its outcome, record it, and tell it.

        Of one that was sent, it does not wait for the record: the account counts as unsettled until it is told. With
        all others it waits, so that no more of them wait than there are workers.
        """
        beside = work.beside
        if self._record is not None and (others := self._record.staying.pop(work.key, ())):
            beside = others
            state, failure = _after_blocking_again(state, failure, others)
        elif state is RecordState.UNKNOWN and failure is not None and failure.took_effect is False:
            # So it was with the last attempt; one before it may have taken effect.
            failure = copy.copy(failure)
            failure.took_effect = None
        self.sent.discard(work)
        outcome = _OUTCOMES[state]
        shown = None if outcome is BulkOutcome.DONE else failure
        item = BulkItem(work.account_id, outcome, shown, work.attempts, account, beside)
        if self._record is None:
            await self._tell(work, item)
            self._slots.settled(work)
            self._queue.finished()
            return
        self._queue.finished()
        self._unwritten += 1
        error = None if failure is None else str(failure)
        waiting = self._slots.waiting
        if work.is_open:
            self._record.settle(work, state, error, partial(self._written, work, item, None), waiting=waiting)
        else:
            written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._record.settle(work, state, error, partial(self._written, work, item, written), waiting=waiting)
            await written

    async def settled(self) -> None:
        """Wait until all that has an outcome is told."""
        while self._unwritten:
            self._all_written.clear()
            await self._all_written.wait()

    def _written(
        self, work: WorkItem, item: BulkItem, written: asyncio.Future[None] | None, failure: BaseException | None
    ) -> bool:
        """Tell of an account that is on record now.

        It may also be one that could not be put there, which stops the job.
        """
        if isinstance(failure, Exception):
            self._stop.call(failure)
        if self.tellers is None:
            return failure is None
        items = self._items(work, item)
        try:
            for each in items:
                if (waits := self._emit(each)) is not None:
                    self.tellers.start_soon(self._tell_on, waits, items, work, written)
                    return True
        except BaseException as error:  # noqa: BLE001 - the caller's function ends the process, and not the ledger
            self.tellers.start_soon(_raise, error)
        self._item_was_emitted(work, written)
        return True

    async def _tell_on(
        self, waits: Awaitable[object], items: Iterator[BulkItem], work: WorkItem, written: asyncio.Future[None] | None
    ) -> None:
        await waits
        for each in items:
            if (waits_again := self._emit(each)) is not None:
                await waits_again
        self._item_was_emitted(work, written)

    def _item_was_emitted(self, work: WorkItem, written: asyncio.Future[None] | None) -> None:
        self._slots.settled(work)
        if written is not None and not written.done():
            written.set_result(None)
        self._unwritten -= 1
        if not self._unwritten:
            self._all_written.set()

    async def finish_as_found(self, work: WorkItem, found: ExistingRecord) -> None:
        """Tell what an earlier run recorded of an account."""
        if found.overtaken_by is not None:
            words = overtaken_because(found.overtaken_by, perhaps=found.overtaken_perhaps)
            error = errors.TiliaError(words, took_effect=_EFFECTS.get(found.state))
            await self._tell(work, BulkItem(work.account_id, BulkOutcome.OVERTAKEN, error))
            return
        if found.state is RecordState.CONFIRMED:
            await self._tell(work, BulkItem(work.account_id, BulkOutcome.SKIPPED))
            return
        effect = None if found.state is RecordState.UNKNOWN else False
        why = found.error or found.state.value
        error = errors.TiliaError(why if found.others else f"as this job has on record: {why}", took_effect=effect)
        item = BulkItem(work.account_id, _OUTCOMES[found.state], error, also_blocked_by=found.others)
        await self._tell(work, item)

    async def _tell(self, work: WorkItem, item: BulkItem) -> None:
        for each in self._items(work, item):
            if (waits := self._emit(each)) is not None:
                await waits

    def _items(self, work: WorkItem, item: BulkItem) -> Iterator[BulkItem]:
        """Yield an account's item for each time it was given."""
        self._in_hand.pop(work.key, None)
        yield item
        repeated = BulkItem(item.account_id, BulkOutcome.SKIPPED) if item.outcome is BulkOutcome.DONE else item
        for _ in range(work.duplicates):
            yield repeated

    def _emit(self, item: BulkItem) -> Awaitable[object] | None:
        """Tell of an account, and return what to await.

        None if nothing is to be waited for then.
        """
        self.tally.add(item)
        if self._sink is None:
            return None
        try:
            waits = self._sink(item)
        except Exception as error:  # noqa: BLE001 - it is the caller's function, and the caller gets what it raised
            self._stop.call(error)
            return None
        return None if waits is None else self._heard(waits)

    async def _heard(self, waits: Awaitable[object]) -> None:
        try:
            await waits
        except Exception as error:  # noqa: BLE001 - as above
            self._stop.call(error)


async def _raise(error: BaseException) -> None:
    raise error


def _after_blocking_again(
    state: RecordState, failure: errors.TiliaError | None, others: Sequence[BlockRecord]
) -> tuple[RecordState, errors.TiliaError]:
    """Tell of an account that is to stay blocked.

    It was, or may have been, unblocked although it is to stay blocked.
    """
    if state is RecordState.CONFIRMED:
        return RecordState.KEPT, errors.TiliaError(kept_because(others))
    why = "no answer" if failure is None else str(failure)
    words = f"it may be unblocked, and was not blocked again for certain: {why}; {kept_because(others)}"
    return RecordState.UNKNOWN, errors.TiliaError(words, took_effect=None)
