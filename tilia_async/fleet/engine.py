"""The engine that delivers batches to workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, Protocol

import attrs

from tilia_async.fleet.connections import Connection
from tilia_async.ledger.jobs import JobDefinition

ERROR_SECONDS: Final = 5.0
"""Seconds before a batch comes again after a surprise."""

Work = Callable[[str, int], Awaitable[None]]
"""A function that does a batch, by job and number.

It raises ``LaterError`` if the batch is to be delivered again.
"""


@attrs.define
class LaterError(Exception):
    """A batch is to be delivered again.

    Attributes:
        seconds: not before so many have gone by.
    """

    seconds: float


class Engine(Protocol):
    """An engine that delivers each batch to one worker.

    And again where that worker dies.

    The ledger is the truth: what is delivered twice, or late, is refused there.
    """

    async def install(self) -> bool:
        """Make the engine's tables, unless they are there.

        Returns whether they were made.
        """
        ...

    async def enqueue(self, connection: Connection, job: JobDefinition, numbers: Sequence[int]) -> None:
        """Enter batches to be delivered, in the transaction under way."""
        ...

    async def withdraw(self, connection: Connection, job: JobDefinition) -> None:
        """Take back the batches that wait to be delivered."""
        ...

    async def queued(self, connection: Connection, job: JobDefinition) -> Collection[int]:
        """Return the batches that wait, as far as known."""
        ...

    async def send(self) -> None:
        """Send what was entered, once that is committed."""
        ...
