"""A Celery task in a worker whose threads are greenlets, with RabbitMQ between."""

import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from support.greenlets import needs
from support.settings import running_sandbox

celery = pytest.importorskip("celery")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gevent's and eventlet's workers are for Unix")

BROKER = ("127.0.0.1", 5672)

TASKS = """
import os, time
from celery import Celery
from tilia_sync import TiliaClient

app = Celery("tasks", broker="amqp://guest:guest@127.0.0.1:5672//", backend="rpc://")
app.conf.update(task_default_queue=os.environ["CELERY_QUEUE"], broker_connection_retry_on_startup=False,
    worker_hijack_root_logger=False)
tilia = TiliaClient.from_env(timeout=10)

@app.task
def block(account_id):
    began = time.monotonic()
    return tilia.accounts.block(account_id, reason="fraud").is_blocked, began, time.monotonic()
"""


@pytest.mark.nightly
@pytest.mark.parametrize("pool", ["gevent", pytest.param("eventlet", marks=pytest.mark.nightly)])
def test_tasks_of_one_worker_wait_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: str) -> None:
    needs(pool)
    with socket.socket() as probe:
        if probe.connect_ex(BROKER):
            pytest.skip("no RabbitMQ here")
    module = f"{pool}_tasks"
    (tmp_path / f"{module}.py").write_text(TASKS)
    with running_sandbox() as (sandbox, environment):
        environment["CELERY_QUEUE"] = f"tilia-{uuid.uuid4().hex}"
        for name in ("TILIA_CLIENT_ID", "TILIA_CLIENT_SECRET", "TILIA_ENVIRONMENT", "CELERY_QUEUE"):
            monkeypatch.setenv(name, environment[name])
        monkeypatch.syspath_prepend(tmp_path)
        tasks = __import__(module)
        account_id = tasks.tilia.accounts.register("nyx", email="nyx@mail.example").account_id
        sandbox.faults.add("accounts.block", "latency", seconds=1.0, times=20)
        options = ["--pool", pool, "--concurrency", "30", "--without-gossip", "--without-mingle", "-l", "WARNING"]
        log = tmp_path / "worker.log"
        with log.open("w") as output:
            worker = subprocess.Popen(
                [
                    sys.executable,
                    "-W",
                    "ignore",
                    "-m",
                    "celery",
                    "-A",
                    module,
                    "worker",
                    *options,
                    "--without-heartbeat",
                ],
                cwd=tmp_path,
                env=environment | {"C_FORCE_ROOT": "1"},
                stdout=output,
                stderr=output,
            )
            try:
                answers = [each.get(timeout=40) for each in [tasks.block.delay(account_id) for _ in range(20)]]
            finally:
                worker.terminate()
                worker.wait(20)
                with tasks.app.connection_for_write() as connection:
                    connection.default_channel.queue_delete(environment["CELERY_QUEUE"])
                tasks.app.close()
                tasks.tilia.close()
        assert [blocked for blocked, _, _ in answers] == [True] * 20
        assert max(began for _, began, _ in answers) < min(ended for _, _, ended in answers)
        assert "blocks the event loop" not in log.read_text()
