"""Delivery of batches by Celery.

A message names a batch; who gets it takes that batch from the ledger, or finds that there is nothing left to take.
Celery takes no part in the ledger's transaction, so what is to be sent stands in an outbox there first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from celery import Celery
from celery.signals import worker_ready
from kombu.exceptions import OperationalError

from tilia_async import errors
from tilia_async.fleet.connections import connected
from tilia_async.fleet.engine import ERROR_SECONDS, LaterError
from tilia_async.fleet.outbox import Message, Outbox, send_due
from tilia_async.secret import Secret

if TYPE_CHECKING:
    from celery import Task

TASK: Final = "tilia.fleet.batch"
"""Name of the task that does a batch."""

SEND_TASK: Final = "tilia.fleet.send"
"""Name of the task that looks into the outbox."""

SEND_SECONDS: Final = 30.0
"""Seconds between looks into the outbox, of each worker."""

_log = logging.getLogger("tilia_async.fleet")


class CeleryEngine(Outbox):
    """Delivers batches by the messages of a Celery app.

    Args:
        url: of the ledger.
        origin: of the environment that the messages are for.
    """

    def __init__(self, app: Celery, url: Secret, origin: str) -> None:
        self._app = app
        self._url = url
        self._origin = origin

    async def send(self) -> None:
        """Send what was entered, and what was lost.

        If the broker is away, workers do it later.

        Raises:
            LedgerError: the database cannot be reached.
        """
        try:
            async with connected(self._url) as connection:
                await send_due(connection, self._origin, self._publish)
        except OperationalError as error:
            _log.warning(
                "Celery's broker cannot be reached (%s): the batches are in the ledger, and a worker sends them once "
                "it can",
                type(error).__name__,
            )

    async def _publish(self, messages: Sequence[Message]) -> None:
        await asyncio.to_thread(self._publish_blocking, messages)

    def _publish_blocking(self, messages: Sequence[Message]) -> None:
        with self._app.connection_for_write() as connection, self._app.amqp.Producer(connection) as producer:
            for each in messages:
                arguments = {"job_id": each.job_id, "number": each.number, "origin": self._origin}
                self._app.send_task(TASK, kwargs=arguments, producer=producer, ignore_result=True)


def add_tasks(
    app: Celery, origin: str, do: Callable[[str, int], Awaitable[None]], send: Callable[[], Awaitable[None]]
) -> None:
    """Add the tasks of a fleet to an app.

    Each runs an event loop of its own, in whatever process or thread the worker has for it.

    Args:
        origin: of the environment that these workers are for.
        do: does a batch, or raises ``LaterError``.
        send: sends what is in the outbox.
    """
    mine = origin

    @app.task(name=TASK, bind=True, acks_late=True, reject_on_worker_lost=True, ignore_result=True, max_retries=None)
    def batch(self: Task[Any, Any], job_id: str, number: int, origin: str) -> None:
        seconds = ERROR_SECONDS
        if origin != mine:
            _log.error(
                "a batch for %s came to a worker for %s: route the tasks of each environment to a queue of its own",
                origin,
                mine,
            )
        else:
            try:
                asyncio.run(_coroutine(do(job_id, number)))
            except LaterError as later:
                seconds = later.seconds
            except errors.TiliaError as error:
                _log.warning("batch %d of the job %r is tried again: %s", number, job_id, error)
            else:
                return
        raise self.retry(countdown=seconds, max_retries=None)

    @app.task(name=SEND_TASK, ignore_result=True)
    def send_again() -> None:
        asyncio.run(_coroutine(send()))

    worker_ready.connect(_look_often, weak=False, dispatch_uid=TASK)


async def _coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable


def _look_often(sender: Any, **_more: object) -> None:  # Celery types no consumer
    """Have somebody look into the outbox again and again."""
    app: Celery = sender.app
    if TASK not in app.tasks:
        return

    def look() -> None:
        try:
            app.send_task(SEND_TASK, expires=SEND_SECONDS, ignore_result=True, retry=False)
        except OperationalError as error:
            _log.debug("nobody looks for lost batches now: %s", error)

    look()
    sender.timer.call_repeatedly(SEND_SECONDS, look)
