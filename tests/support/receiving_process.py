"""A worker process that receives notifications.

The processes are forks of one that has imported all.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import attrs

from support.deliveries import basic
from tilia_async import Environment, TiliaClient
from tilia_async.ledger import BlockLedger
from tilia_async.webhooks import WebhookReceiver

ALLOWED = basic("tilia", "password")


@attrs.frozen
class Worker:
    """A worker's order.

    With the sandbox of its parent.
    """

    client_id: str
    client_secret: str
    environment: Environment
    ledger: str


def start(worker: Worker) -> tuple[BaseProcess, Connection]:
    """Start a worker.

    It sends None when it is ready, and takes a list of bodies, whose statuses it sends back.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["receiving_process", "tilia_async.ledger.journal", "aiosqlite", "psycopg"])
    ours, theirs = context.Pipe()
    child = context.Process(target=work, args=(worker, theirs), daemon=True)
    child.start()
    theirs.close()
    return child, ours


def work(worker: Worker, pipe: Connection) -> None:
    """Work in the child."""
    asyncio.run(receive(worker, pipe))


async def receive(worker: Worker, pipe: Connection) -> None:
    async with (
        BlockLedger.open(worker.ledger) as ledger,
        TiliaClient(worker.client_id, worker.client_secret, worker.environment) as tilia,
    ):
        receiver = WebhookReceiver(tilia, ledger, basic_auth=("tilia", "password"), confirm=True)
        pipe.send(None)
        bodies: list[bytes] = await asyncio.to_thread(pipe.recv)
        statuses = await asyncio.gather(*(receiver.handle(body, authorization=ALLOWED) for body in bodies))
    pipe.send([int(status) for status in statuses])
