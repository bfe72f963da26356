"""Checks of a job before it begins.

A dry run refuses what the job would refuse, and nobody is asked about a job that could not begin.
"""

from __future__ import annotations

import asyncio

from tilia_async.bulk.ledger_run import LedgerRun
from tilia_async.cli.bulk_command import Action, BulkCommand
from tilia_async.config import Environment, Service
from tilia_async.errors import ConfigurationError, LedgerError
from tilia_async.ledger import BlockAction
from tilia_async.ledger.intent import Intent, job_name
from tilia_async.ledger.ledger import existing_ledger, journal_of
from tilia_async.secret import Secret
from tilia_async.wire.refusal import refuse


def check_beginning(order: BulkCommand, environment: Environment | None) -> None:
    """Refuse a job that could not begin.

    Args:
        environment: None: it is not set, and not compared with that of the job.

    Raises:
        InvalidRequestError: reason, actor, review date or a job's name cannot be recorded.
        ConfigurationError: the job was begun as another one, or is under way; or there is nothing to undo. Of a fleet's
            job: it was submitted before.
        LedgerError: the job to undo cannot be read.
    """
    if order.action is Action.LOOKUP:
        return
    undoes = order.undoes
    action = BlockAction.UNBLOCK if undoes is not None else BlockAction(order.action)
    intent = Intent(action, order.reason, order.actor, order.review_at, order.job_id, undoes)
    name = {} if undoes is None else {"job": job_name(undoes)}
    refuse(f"bulk.{order.action}", name | intent.problems())
    if order.ledger is None or order.job_id is None or not order.ledger.exists():
        return
    origin = "" if environment is None else environment.url(Service.ACCOUNTS)
    try:
        if order.is_shared:
            asyncio.run(_check_shared(order.ledger.url, order.job_id))
        else:
            asyncio.run(_check(order.ledger.url, intent, order.job_id, origin))
    except ConfigurationError as error:
        # The person at the command asked for no operation of that name.
        raise ConfigurationError(str(error).removeprefix(f"{error.operation}: ")) from None
    except LedgerError:
        # A ledger that is not made yet has no job. What else is wrong with it is told where it is read.
        if undoes is not None:
            raise


async def _check(url: Secret, intent: Intent, job_id: str, origin: str) -> None:
    async with existing_ledger(url) as ledger:
        await LedgerRun(ledger, intent, job_id, origin, concurrency=1).check()


async def _check_shared(url: Secret, job_id: str) -> None:
    from tilia_async.ledger.fleet_jobs import check_submittable  # noqa: PLC0415 - needs the extra

    async with existing_ledger(url) as ledger:
        await check_submittable((await journal_of(ledger)).database, job_id)
