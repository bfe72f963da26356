"""A bulk job in a child that is killed.

The children are forks of one that has imported all.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
from multiprocessing.process import BaseProcess

import attrs

from tilia_async import RetryPolicy, TiliaClient
from tilia_async.ledger import BlockLedger

JOB = "ban-wave-7"


@attrs.frozen
class Order:
    """An order for a child.

    With the sandbox of its parent.

    Attributes:
        lapses: a file that gets a line whenever the lease of a child ran out while it was alive.
    """

    client_id: str
    client_secret: str
    environment: str
    ledger: str
    accounts: tuple[str, ...]
    concurrency: int
    lease: float
    lapses: str = os.devnull


def start(order: Order) -> BaseProcess:
    """Start a child that works at the job.

    Until it is done or killed.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killed_job", "tilia_async.ledger.journal", "aiosqlite", "psycopg"])
    child = context.Process(target=work, args=(order,), daemon=True)
    child.start()
    return child


def work(order: Order) -> None:
    """Work in the child."""
    lapses = logging.FileHandler(order.lapses)
    lapses.addFilter(lambda record: record.module == "ledger_run")
    logging.getLogger("tilia_async").addHandler(lapses)
    asyncio.run(block(order))


async def block(order: Order) -> None:
    async with (
        BlockLedger.open(order.ledger, lease=order.lease) as ledger,
        TiliaClient(
            order.client_id,
            order.client_secret,
            order.environment,
            retry=RetryPolicy(attempts=5, initial=0.01),
            ledger=ledger,
        ) as tilia,
    ):
        await tilia.bulk.block(order.accounts, reason="chargebacks", job_id=JOB, concurrency=order.concurrency)
