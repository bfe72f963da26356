"""The parts of a bulk job, without HTTP.

A function stands for Tilia.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from tilia_async import RetryPolicy
from tilia_async.bulk import BulkItem
from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.bulk.completion import Completion
from tilia_async.bulk.failure_policy import FailurePolicy
from tilia_async.bulk.job import Job
from tilia_async.bulk.ledger_run import LedgerRun
from tilia_async.bulk.send_slots import SendSlots
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.work_item import WorkItem
from tilia_async.bulk.work_queue import WorkQueue
from tilia_async.models.accounts import Account
from tilia_async.transport.requestor import TokenWatch

AT_ONCE = RetryPolicy(attempts=3, initial=0)

Send = Callable[[str, TokenWatch], Awaitable[Account | None]]


async def served(_account_id: str, _watch: TokenWatch) -> None:
    return None


def job(
    send: Send = served,
    *,
    action: str = "block",
    retry: RetryPolicy = AT_ONCE,
    concurrency: int = 4,
    record: LedgerRun | None = None,
) -> Job:
    return Job(action, f"accounts.{action}", send, retry, concurrency, "wave-7", record)


@attrs.define
class Parts:
    """The parts of a job, as a run makes them."""

    job: Job = attrs.field(factory=job)
    items: list[BulkItem] = attrs.field(factory=list)
    stop: StopSignal = attrs.field(factory=StopSignal)
    limit: AdaptiveLimit = attrs.field(init=False)
    queue: WorkQueue = attrs.field(init=False)
    slots: SendSlots = attrs.field(init=False)
    completion: Completion = attrs.field(init=False)
    policy: FailurePolicy = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.limit = AdaptiveLimit(self.job.concurrency)
        self.queue = WorkQueue(self.job.concurrency)
        self.slots = SendSlots(self.limit, self.stop, lambda _now: None)
        self.completion = Completion(
            self.job, self.queue, self.slots, self.stop, self.items.append, keeps_accounts=False
        )
        self.policy = FailurePolicy(self.job.retry, self.queue, self.limit, self.slots, self.stop, self.completion)

    async def sent(self, account_id: str = "acct_1") -> WorkItem:
        """Return an account whose first request was answered."""
        work = WorkItem(account_id)
        self.queue.bring([work])
        assert await self.queue.take() is work
        assert await self.slots.take(work)
        self.slots.answered()
        work.attempts = 1
        return work
