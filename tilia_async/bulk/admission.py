"""Admission of accounts to a job's queue, on record first."""

from __future__ import annotations

from collections.abc import Sequence

from tilia_async import errors
from tilia_async.bulk.completion import Completion
from tilia_async.bulk.job_record import JobRecord
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.work_item import WorkItem
from tilia_async.bulk.work_queue import WorkQueue


class Admission:
    """Brings accounts to the queue that this run may send.

    Without a ledger it may send all. With one, an earlier run may have settled an account.
    """

    def __init__(self, record: JobRecord | None, queue: WorkQueue, stop: StopSignal, completion: Completion) -> None:
        self._record = record
        self._queue = queue
        self._stop = stop
        self._completion = completion

    async def admit(self, works: Sequence[WorkItem]) -> None:
        """Bring works to the queue.

        Of those that have their outcome it tells what is on record.
        """
        if not works or self._stop.called:
            return
        if self._record is None:
            self._queue.bring(works)
            return
        try:
            admitted = await self._record.admit(works)
        except errors.LedgerError as error:
            self._stop.call(error)
            return
        self._queue.bring(admitted.mine)
        for work, found in admitted.settled:
            await self._completion.finish_as_found(work, found)
