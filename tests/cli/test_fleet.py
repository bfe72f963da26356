"""``tilia fleet``: submit, work, look, steer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
from redis.asyncio import Redis
from support.commands import TILIA, blocks, environment, run
from support.postgres import new_database
from support.redis_server import SERVER, new_prefix

import tilia_sync
from tilia_async import Environment
from tilia_async.config import Service

Settings = dict[str, str]


@pytest.fixture
def shared(settings: Settings) -> Iterator[Settings]:
    """Settings with a ledger that a fleet can share."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        url = runner.run(stack.enter_async_context(new_database()))
        try:
            yield {**settings, "TILIA_LEDGER": url}
        finally:
            runner.run(stack.aclose())


def told(settings: Settings, *arguments: str, expect: int = 0, given: bytes | None = None) -> dict[str, object]:
    done = run(settings, "fleet", *arguments, "--json", given=given)
    assert done.exit_code == expect, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_job_from_its_submission_to_its_end(shared: Settings, served: tilia_sync.Sandbox, file: Path) -> None:
    with file.open("a") as more:
        more.write("nobody\n")
    first = told(shared, "submit", str(file), "--reason", "fraud", "--actor", "ann", "--job", "wave")
    assert (first["state"], first["total"], first["settled"], first["actor"]) == ("running", 13, 0, "ann")
    assert told(shared, "install") == {"installed": False}
    assert told(shared, "pause", "wave")["state"] == "paused"
    assert run(shared, "fleet", "work", "--until-idle").exit_code == 0
    assert blocks(served) == 0
    assert told(shared, "resume", "wave")["state"] == "running"
    worked = run(shared, "fleet", "work", "--until-idle", "--concurrency", "4")
    assert (worked.exit_code, worked.stdout) == (0, "")
    assert blocks(served) == 13
    watched = told(shared, "status", "wave", "--watch", expect=1)
    assert (watched["state"], watched["counts"]["done"], watched["counts"]["not_found"]) == ("finished", 12, 1)
    shown = run(shared, "fleet", "status", "wave").stdout
    assert "13 of 13" in shown
    assert "done 12, not found 1" in shown
    failed = json.loads(run(shared, "fleet", "failures", "wave", "--json").stdout)
    assert [(each["account_id"], each["outcome"]) for each in failed] == [("nobody", "not_found")]
    assert told(shared, "retry", "wave")["state"] == "finished"
    assert run(shared, "fleet", "workers").stdout == "none\n"
    again = run(shared, "fleet", "submit", str(file), "--reason", "fraud", "--job", "wave")
    assert (again.exit_code, "with 13 accounts, and is finished" in again.stderr) == (2, True)
    late = run(shared, "fleet", "cancel", "wave")
    assert (late.exit_code, "is finished" in late.stderr) == (2, True)


def test_a_file_that_cannot_be_used_is_not_submitted(shared: Settings) -> None:
    for given in (b"acct_1\na/b\n", b"", b"\0\1\2"):
        done = run(shared, "fleet", "submit", "-", "--reason", "fraud", "--job", "wave", given=given)
        assert done.exit_code == 2, done.output
        assert "othing was s" in done.stderr
    done = run(shared, "fleet", "submit", "/nowhere/list.csv", "--reason", "fraud")
    assert (done.exit_code, "nothing was sent" in done.stderr) == (2, True)
    kept = told(shared, "submit", "-", "--reason", "fraud", "--keep-going", given=b"acct_1\na/b\n", expect=1)
    assert kept["total"] == 1


def test_a_file_is_submitted_like_a_job_of_one_process(
    shared: Settings, served: tilia_sync.Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Environment, "PRODUCTION", served.environment)
    both = (("bulk", "block", str(file), "--fleet"), ("fleet", "submit", str(file)))
    for number, command in enumerate(both):
        words = (*command, "--reason", "ban wave", "--job", f"wave-{number}")
        dry = run(shared, *words, "--dry-run")
        assert (dry.exit_code, "12 accounts to block; nothing was sent, this was a dry run" in dry.stdout) == (0, True)
        refused = run(shared, *words)
        assert (refused.exit_code, "say --yes. Nothing was sent" in refused.stderr) == (2, True)
        assert "  first " in refused.stderr
        assert "has no job" in run(shared, "fleet", "status", f"wave-{number}").stderr
        done = run(shared, *words, "--yes")
        assert (done.exit_code, "0 of 12" in done.stdout) == (0, True)
        assert f"tilia fleet status wave-{number} --watch" in done.stderr
        assert "block: 12 accounts\n" in done.stderr
    assert blocks(served) == 0


def test_a_dry_run_refuses_what_a_submission_refuses(shared: Settings, served: tilia_sync.Sandbox, file: Path) -> None:
    words = (str(file), "--reason", "ban wave", "--job")
    assert run(shared, "bulk", "block", *words, "wave", "--fleet").exit_code == 0
    assert run(shared, "bulk", "block", *words, "alone").exit_code == 0
    there = {**shared, "TILIA_ENVIRONMENT": "staging"}
    sent = blocks(served)
    for settings, command, job, why in (
        (shared, "block", "wave", "with 12 accounts, and is running"),
        (there, "block", "wave", "with 12 accounts, and is running"),
        (shared, "unblock", "wave", "with 12 accounts, and is running"),
        (shared, "block", "alone", "is one process's, not a fleet's"),
    ):
        for more in ((), ("--dry-run",)):
            done = run(settings, "bulk", command, *words, job, "--fleet", *more)
            assert (done.exit_code, done.stdout, why in done.stderr) == (2, "", True), (command, job, more)
            assert done.stderr.startswith(f"tilia: the job '{job}' of this ledger ")
    assert run(shared, "bulk", "block", *words, "new", "--fleet", "--dry-run").exit_code == 0
    assert blocks(served) == sent


def test_what_no_fleet_can_do_is_refused_before_the_file_is_read(
    shared: Settings, settings: Settings, tmp_path: Path
) -> None:
    block = ("bulk", "block", "/nowhere/list.csv", "--reason", "x", "--fleet")
    in_a_file = run(settings, *block, "--ledger", str(tmp_path / "b.db"))
    assert (in_a_file.exit_code, "a ledger on PostgreSQL" in in_a_file.stderr) == (2, True)
    assert not (tmp_path / "b.db").exists()
    without = run(settings, *block)
    assert (without.exit_code, "a ledger on PostgreSQL" in without.stderr) == (2, True)
    paced = run(shared, *block, "--concurrency", "8")
    assert (paced.exit_code, "each worker of a fleet has its own" in paced.stderr) == (2, True)


@pytest.fixture
def kept(served: tilia_sync.Sandbox) -> Iterator[Callable[[], bool]]:
    """Tell whether Redis has a budget of this sandbox; afterwards it has none."""
    name = f"tilia:budget:{served.environment.url(Service.ACCOUNTS)}"
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        runner.run(stack.enter_async_context(new_prefix()))
        redis = runner.run(stack.enter_async_context(Redis.from_url(SERVER)))
        try:
            yield lambda: bool(runner.run(redis.exists(name)))
        finally:
            runner.run(redis.delete(name))
            runner.run(stack.aclose())


@pytest.mark.parametrize("option", [(), ("--budget", ""), ("--budget", SERVER)], ids=["none", "empty", "given"])
def test_workers_share_a_budget_in_redis(
    shared: Settings, served: tilia_sync.Sandbox, file: Path, kept: Callable[[], bool], option: tuple[str, ...]
) -> None:
    told(shared, "submit", str(file), "--reason", "fraud", "--job", "wave")
    # The option is stronger than the variable, an empty one is none.
    variable = {"TILIA_BUDGET": "redis://127.0.0.1:1/0" if SERVER in option else SERVER}
    done = run({**shared, **variable}, "fleet", "work", "--until-idle", *option)
    assert (done.exit_code, done.stderr) == (0, "working; SIGTERM or Ctrl-C ends it\n")
    assert blocks(served) == 12
    assert kept()


@pytest.mark.parametrize(
    ("url", "status", "why"),
    [
        ("postgresql://ops:hunter-two@127.0.0.1/x", 2, "the fleet's budget's URL is like redis://"),
        ("redis://ops:hunter-two@127.0.0.1:1/0", 1, "the fleet's budget in Redis cannot be reached"),
    ],
)
@pytest.mark.parametrize("is_set", [True, False])
def test_a_budget_that_is_none_is_told_without_its_password(
    shared: Settings, url: str, status: int, why: str, is_set: bool
) -> None:
    option = () if is_set else ("--budget", url)
    done = run({**shared, "TILIA_BUDGET": url if is_set else ""}, "fleet", "work", "--until-idle", *option)
    assert (done.exit_code, why in done.stderr) == (status, True), done.output
    assert "hunter-two" not in done.output


@pytest.mark.parametrize("given", [True, False])
def test_the_tables_of_tokens_are_made_where_they_are_to_lie(shared: Settings, given: bool) -> None:
    url = shared["TILIA_LEDGER"]
    told({**shared, "TILIA_TOKENS": url if given else ""}, "install")
    with psycopg.connect(url) as database:
        (found,) = database.execute("SELECT to_regclass('tilia_tokens') IS NOT NULL").fetchone() or ()
    assert found is given


@pytest.mark.parametrize("kind", ["postgresql", "redis"])
def test_workers_share_a_token(shared: Settings, served: tilia_sync.Sandbox, file: Path, kind: str) -> None:
    """In processes of their own: within one, clients share their tokens anyway."""
    url = {"postgresql": shared["TILIA_LEDGER"], "redis": SERVER}[kind]
    before = len(served.requests)
    for turn, option in enumerate([("--tokens", url), ("--tokens", "")]):
        told(shared, "submit", str(file), "--reason", "fraud", "--job", f"wave {turn}")
        settings = environment({**shared, "TILIA_TOKENS": url if turn else "redis://127.0.0.1:1/0"})
        worker = [*TILIA, "fleet", "work", "--until-idle", *option]
        done = subprocess.run(worker, env=settings, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "working; SIGTERM or Ctrl-C ends it\n")
    assert blocks(served) == 24
    assert sum(request.operation == "auth.token" for request in served.requests[before:]) == 1


@pytest.mark.parametrize("is_set", [True, False])
@pytest.mark.parametrize(
    ("url", "status", "why"),
    [
        ("mysql://ops:hunter-two@127.0.0.1/x", 2, "a URL like postgresql://user:password@host/database or redis://"),
        ("hunter-two", 2, "a URL like postgresql://user:password@host/database or redis://"),
        ("POSTGRESQL://ops:hunter-two@127.0.0.1:1/x", 0, "working"),
        ("postgres://ops:hunter-two@[/x", 2, "postgresql://"),
        # A store that is not to be reached costs the worker nothing but a question of its own.
        ("redis://ops:hunter-two@127.0.0.1:1/0", 0, "working"),
    ],
)
def test_a_store_of_tokens_that_is_none_is_told_without_its_password(
    shared: Settings, url: str, status: int, why: str, is_set: bool
) -> None:
    option = () if is_set else ("--tokens", url)
    done = run({**shared, "TILIA_TOKENS": url if is_set else ""}, "fleet", "work", "--until-idle", *option)
    assert (done.exit_code, why in done.stderr) == (status, True), done.output
    assert "hunter-two" not in done.output


def test_a_driver_that_cannot_be_loaded_is_a_sentence(shared: Settings) -> None:
    settings = environment({**shared, "TILIA_TOKENS": shared["TILIA_LEDGER"], "PSYCOPG_IMPL": "none"})
    done = subprocess.run([*TILIA, "fleet", "work"], env=settings, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert done.stderr.startswith("tilia: the store of tokens cannot be used: ")


def test_a_fleet_needs_a_ledger(settings: Settings) -> None:
    missing = run(settings, "fleet", "workers")
    assert (missing.exit_code, "which ledger?" in missing.output) == (2, True)


def test_a_worker_ends_well_with_sigterm(shared: Settings, served: tilia_sync.Sandbox, file: Path) -> None:
    told(shared, "submit", str(file), "--reason", "fraud", "--job", "wave")
    worker = subprocess.Popen(
        [*TILIA, "fleet", "work"], env=environment(shared), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert told(shared, "status", "wave", "--watch")["state"] == "finished"
        (found,) = json.loads(run(shared, "fleet", "workers", "--json").stdout)
        assert str(worker.pid) in found["worker"].split("/")
        os.kill(worker.pid, signal.SIGTERM)
        out, err = worker.communicate(timeout=20)
    finally:
        worker.kill()
    assert (worker.returncode, out) == (0, "")
    assert err == "working; SIGTERM or Ctrl-C ends it\n"
    assert blocks(served) == 12
