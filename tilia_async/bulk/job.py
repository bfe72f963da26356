"""A bulk job: its action, and its sink.

What it does to each account, and to whom it tells what came of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.bulk.job_record import JobRecord
from tilia_async.bulk.outcome import BulkItem
from tilia_async.config import RetryPolicy
from tilia_async.models.accounts import Account
from tilia_async.observe.watched_job import WatchedJob

if TYPE_CHECKING:
    from tilia_async.transport.requestor import TokenWatch

DEFAULT_CONCURRENCY: Final = 64
"""Most requests in flight of a job, by default."""

Sink = Callable[[BulkItem], Awaitable[object] | None]
"""A sink for each item.

Returns what to wait for if it takes its time.
"""


class Permits(Protocol):
    """Permits to send, which several runs share."""

    async def acquire(self) -> int:
        """Wait until one more request may be sent.

        Returns the epoch of its permit: every refusal that slows them down begins another.
        """
        ...

    def release(self) -> None:
        """Note that a request was answered, or was not sent."""
        ...

    def refused(self, epoch: int, wait: float) -> None:
        """Note that Tilia asked for less.

        Args:
            epoch: of the permit under which the refused request was sent.
            wait: seconds for which nothing should be sent.
        """
        ...


@attrs.frozen(eq=False)
class Shared:
    """The pace that a job shares with others.

    Attributes:
        limit: of the requests in flight, as this process has learned it.
        permits: one is needed for each request.
    """

    limit: AdaptiveLimit
    permits: Permits


@attrs.frozen(eq=False)
class Job:
    """The action on each account.

    Attributes:
        action: ``block``, ``unblock``, ``undo`` or ``lookup``.
        operation: the name of the operation that does it.
        send: does it once to an account, and returns that where there is something to show.
        retry: how often an account is tried, and how long is waited.
        concurrency: the most that is in flight.
        job_id: its name, also of its record.
        record: None: nothing is recorded.
        watched: tells the observers.
        shared: what this job shares with others; None: nothing.
    """

    action: str
    operation: str
    send: Callable[[str, TokenWatch], Awaitable[Account | None]]
    retry: RetryPolicy
    concurrency: int
    job_id: str
    record: JobRecord | None = None
    watched: WatchedJob = attrs.field(
        default=attrs.Factory(lambda job: WatchedJob((), job.action), takes_self=True), repr=False
    )
    shared: Shared | None = None
