"""Tasks of Celery that may run again, and those that must not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.quick import QUICK

from tilia_async import errors
from tilia_sync import Sandbox, TiliaClient

celery = pytest.importorskip("celery")
from celery.contrib.testing.worker import start_worker  # noqa: E402 - after the skip
from celery.signals import worker_process_shutdown  # noqa: E402 - after the skip

from tilia_sync.integrations.celery import RETRYABLE, get_client, may_run_again  # noqa: E402 - after the skip

runs: list[str] = []
app = celery.Celery("retries", broker="memory://", backend="cache+memory://")
app.conf.broker_connection_retry_on_startup = False


@app.task(autoretry_for=RETRYABLE, retry_backoff=False, default_retry_delay=0, max_retries=2)
def block(account_id: str) -> bool | None:
    runs.append(account_id)
    if len(runs) == 1:
        # Nothing listens there.
        with TiliaClient("id", "s3cret", "http://127.0.0.1:1/{service}", retry=QUICK) as nowhere:
            return nowhere.accounts.block(account_id).is_blocked
    return get_client().accounts.block(account_id).is_blocked


@app.task(bind=True, max_retries=2)
def register(self: object, username: str) -> str:
    runs.append(username)
    try:
        return get_client().accounts.register(username, email=f"{username}@mail.example").account_id
    except errors.TiliaError as error:
        if not may_run_again(error):
            raise
        raise self.retry(exc=error, countdown=0) from error


@pytest.fixture(scope="module", params=["in this thread", pytest.param("a worker", marks=pytest.mark.nightly)])
def _worker(request: pytest.FixtureRequest) -> Iterator[None]:
    app.conf.task_always_eager = request.param == "in this thread"
    if app.conf.task_always_eager:
        yield
        return
    # To end it takes some seconds.
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        yield


@pytest.fixture
def worker(_worker: None, tilia_sandbox: Sandbox) -> Sandbox:
    runs.clear()
    return tilia_sandbox


def test_a_task_runs_again_where_nothing_was_done(worker: Sandbox) -> None:
    account_id = get_client().accounts.register("nyx", email="nyx@mail.example").account_id
    assert block.delay(account_id).get(timeout=30, interval=0.01) is True
    assert runs == [account_id, account_id]
    worker.faults.add("accounts.register", "rate_limited", retry_after=0)
    assert register.delay("vex").get(timeout=30, interval=0.01) in worker.accounts
    assert runs.count("vex") == 2


def test_a_task_whose_outcome_is_unknown_does_not(worker: Sandbox) -> None:
    worker.faults.add("accounts.register", "drop_after_commit")
    with pytest.raises(errors.OutcomeUnknownError):
        register.delay("nyx").get(timeout=30, interval=0.01)
    assert runs == ["nyx"]


def test_what_may_run_again_had_no_effect_however_it_was_rebuilt() -> None:
    for kind in RETRYABLE:
        assert kind("from its text, as Celery makes it").took_effect is False
    assert may_run_again(errors.ConnectError("no route"))
    assert may_run_again(errors.RateLimitedError(status=429, retryable=True))
    assert not may_run_again(errors.RateLimitedError("429 Too Many Requests"))
    assert not may_run_again(errors.ServerError(status=500, took_effect=None, retryable=True))
    assert not may_run_again(ValueError("mine"))


def test_the_client_is_one_until_the_worker_ends(tilia_sandbox: Sandbox) -> None:
    client = get_client()
    assert get_client() is client
    # As in the child of a prefork worker that ends.
    worker_process_shutdown.send(sender=None)
    assert "closed" in repr(client)
