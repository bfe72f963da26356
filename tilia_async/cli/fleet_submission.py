"""The submission of a file's accounts to a fleet."""

from __future__ import annotations

import asyncio

from tilia_async.cli.bulk_command import BulkCommand
from tilia_async.cli.checked_ids import CheckedIds
from tilia_async.cli.failure import CommandError, ExitStatus
from tilia_async.cli.fleet_status import fields_of
from tilia_async.cli.output import show_fields
from tilia_async.cli.terminal import complain
from tilia_async.client import TiliaClient
from tilia_async.fleet import JobStatus
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.url import Kind, kind_of
from tilia_async.text import readable


def check_shareable(order: BulkCommand) -> None:
    """Refuse a ledger that no fleet can share.

    Before a large file is read.

    Raises:
        CommandError: there is none, or it is a file.
    """
    if order.ledger is None or kind_of(order.ledger.url) is not Kind.POSTGRESQL:
        raise CommandError(
            "a fleet shares its jobs in a ledger on PostgreSQL: give --ledger postgresql://… or set TILIA_LEDGER; "
            "nothing was sent",
            ExitStatus.USAGE,
        )


def submit(order: BulkCommand, accounts: CheckedIds, tilia: TiliaClient, ledger: BlockLedger) -> None:
    """Submit the accounts, and say how far the job is.

    Raises:
        TiliaError: it was not submitted.
    """

    async def ask() -> JobStatus:
        async with ledger, tilia:
            return await tilia.fleet.submit(
                accounts,
                order.action.value,
                reason=order.reason,
                actor=order.actor,
                job_id=order.job_id,
                review_at=order.review_at,
            )

    status = asyncio.run(ask())
    if not order.as_json:
        job = readable(status.job_id)
        complain(f"job {job} is submitted: see 'tilia fleet status {job} --watch'")
    show_fields(fields_of(status, as_json=order.as_json), as_json=order.as_json)
