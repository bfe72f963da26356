"""A Celery task in prefork workers, which are forked from a parent that has called already."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.redis_server import SERVER
from support.settings import running_sandbox

from tilia_async.sandbox import Fault
from tilia_sync import Sandbox, errors
from tilia_sync.integrations.per_process import close_all

celery = pytest.importorskip("celery")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Celery's prefork pool needs fork")

TASKS = """
import os
from celery import Celery
from tilia_sync.integrations.celery import get_client

folder = os.environ["CELERY_FOLDER"]
broker = os.environ["CELERY_BROKER"]
app = Celery("tasks", broker=broker, backend=f"file://{folder}/results")
options = {
    "data_folder_in": f"{folder}/queue", "data_folder_out": f"{folder}/queue",
    "control_folder": f"{folder}/control", "polling_interval": 0.05,
}
app.conf.update(
    broker_transport_options=options if broker == "filesystem://" else {},
    task_default_queue=os.environ["CELERY_QUEUE"],
    task_serializer="json", result_serializer=os.environ["CELERY_RESULTS"], accept_content=["json", "pickle"],
    worker_hijack_root_logger=False, broker_connection_retry_on_startup=False,
)
tilia = get_client()
if "worker" in os.environ.get("CELERY_ROLE", ""):
    # In the parent of the workers: they inherit a loop, a token and a connection that are not theirs.
    tilia.payment_methods.list("warm-up")

@app.task
def block(account_id):
    return os.getpid(), os.getppid(), tilia.accounts.block(account_id, reason="fraud").is_blocked

@app.task
def register(username):
    return tilia.accounts.register(username, email=f"{username}@mail.example").account_id

@app.task
def misuse():
    tilia.accounts.register("")
"""


@contextmanager
def working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, results: str, broker: str = "filesystem://"
) -> Iterator[tuple[Sandbox, Any, subprocess.Popen[bytes], Path]]:
    """A worker, and the module of its tasks as whoever sends them has it."""
    (tmp_path / f"{module}.py").write_text(TASKS)
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    with running_sandbox() as (sandbox, environment):
        environment |= {"CELERY_FOLDER": str(tmp_path), "CELERY_ROLE": "worker", "C_FORCE_ROOT": "1"}
        settings = {"RESULTS": results, "BROKER": broker, "QUEUE": f"tilia-{uuid.uuid4().hex}"}
        environment |= {f"CELERY_{name}": value for name, value in settings.items()}
        for name in ("TILIA_CLIENT_ID", "TILIA_CLIENT_SECRET", "TILIA_ENVIRONMENT"):
            monkeypatch.setenv(name, environment[name])
        for name in ("FOLDER", *settings):
            monkeypatch.setenv(f"CELERY_{name}", environment[f"CELERY_{name}"])
        monkeypatch.syspath_prepend(tmp_path)
        tasks: Any = __import__(module)
        log = tmp_path / "worker.log"
        options = ["--pool", "prefork", "--concurrency", "2", "--without-gossip", "--without-mingle", "-l", "WARNING"]
        # RabbitMQ refuses a worker with the name of one that another test has.
        options += ["--hostname", f"{uuid.uuid4().hex}@%h"]
        with log.open("w") as output:
            worker = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", module, "worker", *options, "--without-heartbeat"],
                cwd=tmp_path,
                env=environment,
                stdout=output,
                stderr=output,
            )
            try:
                yield sandbox, tasks, worker, log
            finally:
                worker.terminate()
                worker.wait(20)
                close_all()
                if broker != "filesystem://":
                    with tasks.app.connection_for_write() as connection:
                        connection.default_channel.queue_delete(environment["CELERY_QUEUE"])
                tasks.app.close()


def get(result: Any) -> Any:
    return result.get(timeout=60, interval=0.02)


@pytest.mark.parametrize(
    ("broker", "module"),
    [
        ("filesystem://", "prefork_tasks"),
        pytest.param(SERVER, "redis_tasks", marks=pytest.mark.nightly),
        pytest.param("amqp://guest:guest@127.0.0.1:5672//", "rabbit_tasks", marks=pytest.mark.nightly),
    ],
)
def test_a_task_in_a_prefork_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: str, module: str) -> None:
    with working(tmp_path, monkeypatch, module, "pickle", broker) as (sandbox, tasks, worker, log):
        account_id = tasks.tilia.accounts.register("nyx", email="nyx@mail.example").account_id
        found = [get(each) for each in [tasks.block.delay(account_id) for _ in range(6)]]
        with pytest.raises(errors.NotFoundError) as caught:
            get(tasks.block.delay("acct_nobody"))
        assert {(parent, is_blocked) for _, parent, is_blocked in found} == {(worker.pid, True)}
        assert worker.pid not in {child for child, _, _ in found}
        assert sandbox.accounts[account_id].is_blocked
        # The error came back as itself, by pickle.
        assert (caught.value.operation, caught.value.status, caught.value.took_effect) == ("accounts.block", 404, False)
    assert worker.returncode == 0
    text = log.read_text()
    for word in ("SIGSEGV", "WorkerLostError", "Event loop is closed", "was destroyed", "never awaited"):
        assert word not in text


@pytest.mark.nightly
def test_what_json_makes_of_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery's default serializer keeps the class and the text, and makes the error anew from them."""
    with working(tmp_path, monkeypatch, "json_tasks", "json") as (sandbox, tasks, _, _):
        sandbox.faults.add("accounts.register", Fault.DROP_AFTER_COMMIT)
        with pytest.raises(errors.OutcomeUnknownError, match=r"accounts\.register: sent, and no answer") as unknown:
            get(tasks.register.delay("nyx"))
        assert unknown.value.took_effect is None
        assert "do not simply call again" in unknown.value.explain()
        with pytest.raises(errors.AccountExistsError, match=r"accounts\.register: 409 Conflict") as taken:
            get(tasks.register.delay("nyx"))
        assert (taken.value.status, taken.value.took_effect) == (409, None)
        sandbox.faults.add("accounts.register", Fault.SERVER_ERROR_EMPTY)
        with pytest.raises(errors.ServerError) as failed:
            get(tasks.register.delay("other"))
        assert failed.value.took_effect is None
        with pytest.raises(errors.InvalidRequestError, match=r"accounts\.register: not sent, ") as refused:
            get(tasks.misuse.delay())
        assert (refused.value.took_effect, refused.value.problems) == (False, {})
