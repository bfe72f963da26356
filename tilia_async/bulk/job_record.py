"""The record of a job, as its run needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import attrs

from tilia_async.bulk.work_item import WorkItem
from tilia_async.ledger.claims import ExistingRecord
from tilia_async.ledger.record import BlockRecord, RecordState

if TYPE_CHECKING:
    from tilia_async.ledger.group_commit import OnDurable


@attrs.frozen
class Admitted:
    """The result of asking for works.

    Attributes:
        mine: they are on record as intended, and this run's to send.
        settled: they have an outcome already, and it is this.
    """

    mine: Sequence[WorkItem]
    settled: Sequence[tuple[WorkItem, ExistingRecord]]


class JobRecord(Protocol):
    """The record of a job, written by one run.

    Attributes:
        staying: accounts that are to be blocked again, and the blocks of others for which they are.
    """

    staying: dict[str, tuple[BlockRecord, ...]]

    def is_live(self, now: float) -> bool:
        """Return True while nobody can have taken the work over."""
        ...

    async def begin(self) -> None:
        """Enter the run.

        Raises:
            LedgerError: it is not known to be on record.
            ConfigurationError: it must not begin.
        """
        ...

    async def keep(self) -> None:
        """Renew the lease, for ever.

        Raises:
            LedgerError: it is not renewed.
        """
        ...

    async def revive(self) -> None:
        """Renew the lease now, if it has run out.

        Raises:
            LedgerError: it is not renewed.
        """
        ...

    async def admit(self, works: Sequence[WorkItem]) -> Admitted:
        """Put on record the intents that this run may send.

        Raises:
            LedgerError: they are not known to be on record.
        """
        ...

    def settle(
        self, work: WorkItem, state: RecordState, error: str | None, on_durable: OnDurable, *, waiting: int
    ) -> None:
        """Hand in what became of an account.

        Args:
            on_durable: called once it is on record, or with the error if it is not.
            waiting: how many are answered and not on record.
        """
        ...

    async def end(self, unknown: Sequence[WorkItem]) -> None:
        """End the run, and sort out the rest.

        Raises:
            LedgerError: it is not known to be on record.
        """
        ...
