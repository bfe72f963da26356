"""A fleet whose batches Celery delivers by RabbitMQ.

This module is the app, too: a worker finds its settings as JSON in the environment variable ``FLEET``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from typing import IO

import attrs
from celery import Celery
from kombu.exceptions import OperationalError

import tilia_async.fleet.celery
from support.fleet_worker import LEASE, Scene
from support.postgres import unavailable
from tilia_async import RetryPolicy, TiliaClient
from tilia_async.fleet import Fleet
from tilia_async.fleet.celery import POLL_SECONDS
from tilia_async.ledger import BlockLedger

BROKER = os.environ.get("TILIA_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//")


def new_app(queue: str, broker: str = BROKER) -> Celery:
    """Return an app with a queue of its own."""
    found = Celery("tilia_fleet", broker=broker, set_as_current=False)
    found.conf.update(
        task_default_queue=queue,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
    )
    return found


@attrs.frozen
class Broker:
    """A queue, and the fleet that sends to it.

    Attributes:
        fleet: submits through it.
        app: sends to it.
        settings: of a worker.
    """

    fleet: Fleet
    app: Celery
    settings: str

    @contextlib.contextmanager
    def worker(self, pool: str = "prefork") -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        """Start a worker for two batches.

        At the end it is killed with its children, and its log printed. If the test fails, each of them tells first
        where its threads are.
        """
        options = [
            # RabbitMQ keeps a queue for a name until it has seen that its worker is dead, and refuses the next one.
            "--hostname",
            f"{uuid.uuid4().hex}@%h",
            "--pool",
            pool,
            "--concurrency",
            "2",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "support.celery_fleet", "worker", "-l", "WARNING", *options],
                env={
                    **os.environ,
                    "FLEET": self.settings,
                    "C_FORCE_ROOT": "1",
                    "PYTHONFAULTHANDLER": "1",
                    "PYTHONPATH": os.path.dirname(os.path.dirname(__file__)),
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield process, log
            except BaseException:  # whatever the test fails with, its time limit too
                kill(process, signal.SIGABRT)
                raise
            finally:
                kill(process)
                log.seek(0)
                sys.stdout.write(log.read().decode(errors="replace"))

    def consumers(self) -> int:
        """Return the number of workers that RabbitMQ knows."""
        with self.app.connection_for_read() as connection:
            return connection.default_channel.queue_declare(self.app.conf.task_default_queue, passive=True)[2]

    def waiting(self) -> int:
        """Return the number of messages that wait."""
        with self.app.connection_for_read() as connection:
            return connection.default_channel.queue_declare(self.app.conf.task_default_queue, passive=True)[1]

    def lose(self) -> int:
        """Lose the messages that wait, and return their number."""
        with self.app.connection_for_write() as connection:
            return connection.default_channel.queue_purge(self.app.conf.task_default_queue) or 0


def kill(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGKILL) -> None:
    """Kill a worker and its children.

    The signal is one that none of them handles.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    # One that tells where its threads are may stand still there; the last signal is SIGKILL.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)


@contextlib.contextmanager
def broker_for(scene: Scene, *, way: str = BROKER, poll: float | None = None) -> Iterator[Broker]:
    """Return a new queue.

    Where no RabbitMQ answers, the test is skipped.

    Args:
        way: of the workers to RabbitMQ.
        poll: seconds between polls of the outbox.
    """
    queue = f"tilia-{uuid.uuid4().hex}"
    app = new_app(queue)
    try:
        app.connection_for_write().ensure_connection(max_retries=1, timeout=2).release()
    except (OSError, OperationalError) as error:
        unavailable(f"no RabbitMQ answers at TILIA_TEST_RABBITMQ: {type(error).__name__}")
    settings = json.dumps(
        {"template": scene.template, "ledger": scene.url, "queue": queue, "way": way, "poll": poll or POLL_SECONDS}
    )
    try:
        yield Broker(scene.tilia.fleet.with_celery(app, concurrency=4), app, settings)
    finally:
        with app.connection_for_write() as connection:
            connection.default_channel.queue_delete(queue)
        app.close()


if "FLEET" in os.environ:
    _given = json.loads(os.environ["FLEET"])
    vars(tilia_async.fleet.celery)["POLL_SECONDS"] = _given["poll"]
    app = new_app(_given["queue"], _given["way"])
    _client = TiliaClient(
        "id",
        "secret",
        _given["template"],
        ledger=BlockLedger.open(_given["ledger"], lease=LEASE),
        retry=RetryPolicy(attempts=3, initial=0.01),
    )
    fleet = _client.fleet.with_celery(app, concurrency=4)
