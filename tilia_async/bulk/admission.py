"""Admission of accounts to a job's queue, on record first."""

from __future__ import annotations

from typing import Final

from tilia_async import errors
from tilia_async.bulk.completion import Completion
from tilia_async.bulk.job_record import JobRecord
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.work_item import WorkItem
from tilia_async.bulk.work_queue import WorkQueue

_POLLS: Final = (0.05, 1.0)
"""Seconds between looks at another run's accounts.

The first, and the longest, for accounts that another run has in hand.
"""


class Admission:
    """Brings accounts to the queue that this run may send.

    Without a ledger it may send all. With one, another run may have an account in hand, or have settled it.
    """

    def __init__(self, record: JobRecord | None, queue: WorkQueue, stop: StopSignal, completion: Completion) -> None:
        self._record = record
        self._queue = queue
        self._stop = stop
        self._completion = completion

    async def admit(self, works: list[WorkItem]) -> list[WorkItem]:
        """Bring works to the queue.

        Returns those that somebody has in hand.
        """
        if not works or self._stop.called:
            return works
        if self._record is None:
            self._queue.bring(works)
            return []
        try:
            admitted = await self._record.admit(works)
        except errors.LedgerError as error:
            self._stop.call(error)
            return works
        self._queue.bring(admitted.mine)
        for work, found in admitted.settled:
            await self._completion.finish_as_found(work, found)
        return list(admitted.held)

    async def wait_for(self, held: list[WorkItem], most: int) -> list[WorkItem]:
        """Ask again for works that another has in hand.

        Until not more than so many are left.
        """
        pause, longest = _POLLS
        while len(held) > most and not self._stop.called:
            await self._stop.pause(pause)
            before = len(held)
            held = await self.admit(held)
            pause = min(pause * 2, longest) if len(held) == before else _POLLS[0]
        return held

    async def claim_again(self, record: JobRecord, work: WorkItem) -> None:
        """Claim an account whose claim ended with a lease.

        Another run may have it in hand, or have settled it.
        """
        pause, longest = _POLLS
        while not self._stop.called:
            try:
                admitted = await record.admit([work])
            except errors.LedgerError as error:
                self._stop.call(error)
                break
            if admitted.mine:
                break
            for _, found in admitted.settled:
                self._completion.sent.discard(work)
                await self._completion.finish_as_found(work, found)
                self._queue.finished()
                return
            await self._stop.pause(pause)
            pause = min(pause * 2, longest)
        self._queue.put_back(work)
