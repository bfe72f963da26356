"""A Celery task in prefork workers, which are forked from a parent that has called already."""

import subprocess
import sys
from pathlib import Path

import pytest
from settings import running_sandbox

from tilia_sync import errors

celery = pytest.importorskip("celery")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Celery's prefork pool needs fork")

TASKS = """
import os
from celery import Celery
from tilia_sync import TiliaClient

folder = os.environ["CELERY_FOLDER"]
app = Celery("tasks", broker="filesystem://", backend=f"file://{folder}/results")
app.conf.update(
    broker_transport_options={
        "data_folder_in": f"{folder}/queue", "data_folder_out": f"{folder}/queue",
        "control_folder": f"{folder}/control", "polling_interval": 0.05,
    },
    task_serializer="json", result_serializer="pickle", accept_content=["json", "pickle"],
    worker_hijack_root_logger=False, broker_connection_retry_on_startup=False,
)
tilia = TiliaClient.from_env()
if "worker" in os.environ.get("CELERY_ROLE", ""):
    # In the parent of the workers: they inherit a loop, a token and a connection that are not theirs.
    tilia.payment_methods.list("warm-up")

@app.task
def block(account_id):
    return os.getpid(), os.getppid(), tilia.accounts.block(account_id, reason="fraud").is_blocked
"""


def test_a_task_in_a_prefork_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prefork_tasks.py").write_text(TASKS)
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    with running_sandbox() as (sandbox, environment):
        environment |= {"CELERY_FOLDER": str(tmp_path), "CELERY_ROLE": "worker", "C_FORCE_ROOT": "1"}
        for name in ("TILIA_CLIENT_ID", "TILIA_CLIENT_SECRET", "TILIA_ENVIRONMENT", "CELERY_FOLDER"):
            monkeypatch.setenv(name, environment[name])
        monkeypatch.syspath_prepend(tmp_path)
        import prefork_tasks

        account_id = prefork_tasks.tilia.accounts.register("nyx", email="nyx@mail.example").account_id
        log = tmp_path / "worker.log"
        options = ["--pool", "prefork", "--concurrency", "2", "--without-gossip", "--without-mingle", "-l", "WARNING"]
        with log.open("w") as output:
            worker = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "prefork_tasks", "worker", *options, "--without-heartbeat"],
                cwd=tmp_path,
                env=environment,
                stdout=output,
                stderr=output,
            )
            try:
                blocks = [prefork_tasks.block.delay(account_id) for _ in range(6)]
                found = [each.get(timeout=30, interval=0.02) for each in blocks]
                with pytest.raises(errors.NotFoundError) as caught:
                    prefork_tasks.block.delay("acct_nobody").get(timeout=30, interval=0.02)
            finally:
                worker.terminate()
                worker.wait(20)
                prefork_tasks.tilia.close()
        assert {(parent, is_blocked) for _, parent, is_blocked in found} == {(worker.pid, True)}
        assert worker.pid not in {child for child, _, _ in found}
        assert sandbox.accounts[account_id].is_blocked
        # The error came back as itself, by pickle.
        assert (caught.value.operation, caught.value.status, caught.value.took_effect) == ("accounts.block", 404, False)
        assert worker.returncode == 0
        text = log.read_text()
        for word in ("SIGSEGV", "WorkerLostError", "Event loop is closed", "was destroyed", "never awaited"):
            assert word not in text
