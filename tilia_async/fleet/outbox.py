"""The outbox of an engine outside of the ledger.

Such an engine takes no part in the ledger's transactions. So a transaction enters here what is to be delivered, and
only then it is sent. What was not sent, or was lost on its way, is found here and sent again: the ledger gives a
batch that comes twice to one worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, NamedTuple

from tilia_async.fleet.connections import Connection
from tilia_async.ledger.intent import LONGEST_LEASE
from tilia_async.ledger.jobs import JobDefinition

IDLE_SECONDS: Final = 60.0
"""Seconds without anybody at work.

After them messages may be lost. Messages of a job that wait in a queue behind those of others look the same.
"""

LOST_SECONDS: Final = 600.0
"""Seconds after which an idle job's message counts as lost."""

_MOST: Final = 1_000
"""Messages that are sent in one transaction."""

_LOCK: Final = 0x7111D
"""Key of PostgreSQL's advisory lock for sending."""

_TRIES: Final = 5
"""Tries to take it."""

_TRY_SECONDS: Final = 0.1
"""Seconds between them.

Who has it may have looked a moment before something was entered, and be about to leave.
"""

_NOW: Final = "(extract(epoch from clock_timestamp())::double precision)"

_ENTER: Final = """
    INSERT INTO tilia_fleet_messages (job_id, number)
    SELECT %(job_id)s, unnest(%(numbers)s::integer[])
    ON CONFLICT (job_id, number) DO UPDATE SET sent_at = NULL
"""

_HAS_MESSAGES: Final = "SELECT EXISTS (SELECT 1 FROM tilia_fleet_messages WHERE job_id = %(job_id)s)"

_DUE: Final = f"""
    SELECT m.job_id, m.number
    FROM tilia_bulk_jobs AS j
    JOIN tilia_bulk_batches AS b ON b.job_id = j.job_id AND b.finished_at IS NULL
    JOIN tilia_fleet_messages AS m ON m.job_id = b.job_id AND m.number = b.number
    WHERE j.state = 'running' AND j.origin = %(origin)s
      AND (b.run_id IS NULL OR b.expires_at NOT BETWEEN {_NOW} AND {_NOW} + %(longest)s)
      AND (
          m.sent_at IS NULL
          OR b.run_id IS NOT NULL AND m.sent_at < b.expires_at
          OR b.run_id IS NULL AND m.sent_at < {_NOW} - %(lost)s AND NOT EXISTS (
              SELECT 1 FROM tilia_bulk_batches AS other
              WHERE other.job_id = j.job_id
                AND (other.taken_at > {_NOW} - %(idle)s OR other.run_id IS NOT NULL AND other.expires_at > {_NOW})
          )
      )
    ORDER BY m.job_id, m.number LIMIT %(most)s
"""  # noqa: S608 - an expression of ours
"""Select what is to be sent.

What was never sent; what somebody had in hand who died since; and what nobody took for long.
"""

_SENT: Final = f"""
    UPDATE tilia_fleet_messages AS m SET sent_at = {_NOW}
    FROM unnest(%(jobs)s::text[], %(numbers)s::integer[]) AS sent (job_id, number)
    WHERE m.job_id = sent.job_id AND m.number = sent.number
"""  # noqa: S608 - an expression of ours


class Message(NamedTuple):
    """A batch that is to be delivered."""

    job_id: str
    number: int


Send = Callable[[Sequence[Message]], Awaitable[None]]
"""A function that sends messages.

It raises what it likes if some were not sent.
"""


async def has_messages(connection: Connection, job_id: str) -> bool:
    """Tell whether a job is delivered from here."""
    found = await (await connection.execute(_HAS_MESSAGES, {"job_id": job_id})).fetchone()
    return found is not None and bool(found[0])


class Outbox:
    """An engine that enters what is to be delivered.

    A worker sends it: whoever steers a job may not know the broker.
    """

    async def install(self) -> bool:
        """Return False: the ledger's tables are all it needs."""
        return False

    async def enqueue(self, connection: Connection, job: JobDefinition, numbers: Sequence[int]) -> None:
        """Enter batches to be sent, in the transaction under way."""
        await connection.execute(_ENTER, {"job_id": job.job_id, "numbers": list(numbers)})

    async def withdraw(self, connection: Connection, job: JobDefinition) -> None:
        """Leave the messages.

        Of a job that does not run, nothing can be taken.
        """

    async def queued(self, connection: Connection, job: JobDefinition) -> Collection[int]:  # noqa: ARG002 - a broker cannot be asked
        """Return none: a broker cannot be asked."""
        return ()

    async def send(self) -> None:
        """Leave it to a worker, which looks often."""


async def send_due(connection: Connection, origin: str, send: Send) -> int:
    """Send what is due, and return the number of messages.

    It is noted afterwards: a process that dies in between leaves some that are sent twice, and none that is not. Where
    another process sends, it is left to that one, which goes on until nothing is due.

    Args:
        origin: of the environment.
    """
    number = 0
    bounds = {"origin": origin, "longest": LONGEST_LEASE, "lost": LOST_SECONDS, "idle": IDLE_SECONDS, "most": _MOST}
    while True:
        async with connection.transaction():
            # One process at a time, or each would send the same.
            if not await _locked(connection):
                return number
            rows = await (await connection.execute(_DUE, bounds)).fetchall()
            due = [Message(*row) for row in rows]
            if not due:
                return number
            await send(due)
            jobs, numbers = [each.job_id for each in due], [each.number for each in due]
            await connection.execute(_SENT, {"jobs": jobs, "numbers": numbers})
        number += len(due)


async def _locked(connection: Connection) -> bool:
    """Take the lock for sending, if that is soon possible."""
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(_TRY_SECONDS)
        found = await (await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))).fetchone()
        if found is not None and found[0]:
            return True
    return False
