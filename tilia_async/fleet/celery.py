"""Delivery of batches by Celery.

A message names a batch; who gets it takes that batch from the ledger, or finds that there is nothing left to take.
Celery takes no part in the ledger's transaction, so what is to be sent stands in an outbox there first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from celery import Celery
from celery.bootsteps import StartStopStep
from celery.exceptions import Reject

from tilia_async import errors
from tilia_async.fleet.connections import connected
from tilia_async.fleet.engine import ERROR_SECONDS, LaterError
from tilia_async.fleet.outbox import Message, Outbox, send_due
from tilia_async.secret import Secret

if TYPE_CHECKING:
    from celery import Task
    from celery.worker.consumer import Consumer

TASK: Final = "tilia.fleet.batch"
"""Name of the task that does a batch."""

SEND_TASK: Final = "tilia.fleet.send"
"""Name of the task that polls the outbox."""

POLL_SECONDS: Final = 30.0
"""Seconds between polls of the outbox, of each worker.

Its processes poll on their own, too, after a batch, if they did not for so long.
"""

_RETRY_SECONDS: Final = 3.0
"""Seconds before a request for a poll is repeated.

Twice as many after each failure.
"""

_ANSWER_SECONDS: Final = 5.0
"""Seconds that a broker may take for an answer.

RabbitMQ answers none that has sent a message, as long as it lacks memory or disk.
"""

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

        If the broker or the database is away, workers do it later.
        """
        try:
            async with connected(self._url) as connection:
                await send_due(connection, self._origin, self._publish)
        except errors.LedgerError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - each broker has errors of its own, and the batches are entered
            why = f"Celery cannot send to its broker ({type(error).__name__})"
        else:
            return
        _log.warning("%s: the batches are in the ledger, and a worker sends them once it can", why)

    async def _publish(self, messages: Sequence[Message]) -> None:
        await asyncio.to_thread(self._publish_blocking, messages)

    def _publish_blocking(self, messages: Sequence[Message]) -> None:
        with (
            self._app.connection_for_write(transport_options=_timeouts(self._app)) as connection,
            self._app.amqp.Producer(connection) as producer,
        ):
            for each in messages:
                arguments = {"job_id": each.job_id, "number": each.number, "origin": self._origin}
                self._app.send_task(TASK, kwargs=arguments, producer=producer, ignore_result=True)


class _Fleet(NamedTuple):
    """The work for an environment."""

    do: Callable[[str, int], Awaitable[None]]
    send: Callable[[], Awaitable[None]]


def add_tasks(
    app: Celery, origin: str, do: Callable[[str, int], Awaitable[None]], send: Callable[[], Awaitable[None]]
) -> None:
    """Add the tasks of a fleet to an app.

    Each runs an event loop of its own, in whatever process or thread the worker has for it. An app may work in
    several environments; of two fleets in one the later is used.

    Args:
        origin: of the environment.
        do: does a batch, or raises ``LaterError``.
        send: sends what is in the outbox.
    """
    fleets: dict[str, _Fleet] = vars(app).setdefault("tilia_fleets", {})
    is_new = not fleets
    fleets[origin] = _Fleet(do, send)
    if not is_new:
        return
    poller = _OutboxPoller(fleets)

    # Not shared: each app of a process has fleets of its own.
    @app.task(
        name=TASK,
        bind=True,
        shared=False,
        acks_late=True,
        reject_on_worker_lost=True,
        ignore_result=True,
        max_retries=None,
    )
    def batch(self: Task[Any, Any], job_id: str, number: int, origin: str) -> None:
        seconds = _do(fleets, job_id, number, origin)
        poller.poll_if_due()
        if seconds is None:
            return
        try:
            raise self.retry(countdown=seconds, max_retries=None)
        except Reject as unsent:
            # It cannot be sent again, but what came is still here.
            _log.warning(
                "batch %d of the job %r goes back to its queue, for it cannot be sent to it again: %s",
                number,
                job_id,
                type(unsent.__context__).__name__,
            )
            time.sleep(ERROR_SECONDS)
            raise Reject("it cannot be sent again", requeue=True) from None

    @app.task(name=SEND_TASK, shared=False, ignore_result=True)
    def send_again() -> None:
        poller.poll()

    # Not at a signal, which comes once: whoever loses its broker drops all that was to be done later.
    app.steps["consumer"].add(_PollScheduler)


class _OutboxPoller:
    """Poller of the outbox, in each process of a worker.

    The message that asks for a poll waits behind those of batches, and if they are many it expires there. So who is
    done with a batch polls, too, if nobody of this process did for a while.
    """

    def __init__(self, fleets: Mapping[str, _Fleet]) -> None:
        self._fleets = fleets
        self._due_at = float("-inf")

    def poll(self) -> None:
        """Send what is due, in each environment."""
        for origin, fleet in list(self._fleets.items()):
            try:
                asyncio.run(_coroutine(fleet.send()))
            except errors.TiliaError as error:
                _log.warning("nobody sees which batches for %s are to be sent: %s", origin, error)
            except Exception:  # noqa: BLE001 - the other environments are polled all the same
                _log.exception("nobody sees which batches for %s are to be sent", origin)
        self._due_at = monotonic() + POLL_SECONDS

    def poll_if_due(self) -> None:
        """Poll, unless it was done not long ago."""
        if monotonic() > self._due_at:
            self.poll()


def _do(fleets: Mapping[str, _Fleet], job_id: str, number: int, origin: str) -> float | None:
    """Do a batch.

    Returns:
        Seconds after which it is to be delivered again; None: it is done.
    """
    if origin not in fleets:
        _log.error(
            "a batch for %s came to a worker for %s: route the tasks of each environment to a queue of its own",
            origin,
            " and ".join(fleets),
        )
        return ERROR_SECONDS
    try:
        asyncio.run(_coroutine(fleets[origin].do(job_id, number)))
    except LaterError as later:
        return later.seconds
    except errors.TiliaError as error:
        _log.warning("batch %d of the job %r is tried again: %s", number, job_id, error)
        return ERROR_SECONDS
    except Exception:  # noqa: BLE001 - of a task that fails Celery drops the message
        _log.exception("batch %d of the job %r is tried again", number, job_id)
        return ERROR_SECONDS
    return None


def _timeouts(app: Celery) -> dict[str, float]:
    """Return the options of a connection that waits not long."""
    if app.connection_for_write().transport.driver_name != "py-amqp":
        return {}
    return {"read_timeout": _ANSWER_SECONDS, "write_timeout": _ANSWER_SECONDS}


async def _coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable


class _PollScheduler(StartStopStep):
    """Source of requests for polls, in a worker's parent process.

    It begins anew whenever the worker has connected to its broker.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Consumer, **options: object) -> None:
        super().__init__(parent, **options)
        self._series: object | None = None
        self._entry: Any = None  # Celery types no entries

    def start(self, parent: Any) -> None:  # Celery types no consumer
        """Ask, now and again and again."""
        self._series = object()
        self._ask(parent, self._series, 0)

    def stop(self, parent: Any) -> None:  # Celery types no consumer
        """Ask no more."""
        self._series = None
        if self._entry is not None:
            parent.timer.cancel(self._entry)
        self._entry = None

    def _ask(self, parent: Any, series: object, failures: int) -> None:
        failures = 0 if _request_poll(parent.app) else failures + 1
        seconds = min(POLL_SECONDS, _RETRY_SECONDS * 2 ** (failures - 1)) if failures else POLL_SECONDS
        # Some timers have a thread of their own, and it may have been stopped meanwhile.
        if self._series is series:
            self._entry = parent.timer.call_after(seconds, self._ask, (parent, series, failures))


def _request_poll(app: Celery) -> bool:
    """Have a process of some worker poll the outbox.

    Returns:
        Whether the message was sent, as far as known. What a child of the worker closed fails, and is opened anew.
    """
    try:
        app.send_task(SEND_TASK, expires=POLL_SECONDS, ignore_result=True, retry=False)
    except Exception as error:  # noqa: BLE001 - brokers and the user's routes raise what they like; the worker goes on
        _log.warning("nobody is asked now to look for lost batches: %s", type(error).__name__)
        return False
    return True
