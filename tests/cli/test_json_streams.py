"""Contents of the two streams with ``--json``, for programs."""

import json
from pathlib import Path

import pytest
from support.commands import run

import tilia_sync
from tilia_async import Environment
from tilia_async.sandbox import Fault

Settings = dict[str, str]


def test_a_job_that_is_done_leaves_standard_error_empty(settings: Settings, file: Path, tmp_path: Path) -> None:
    job = ("--job", "w", "--ledger", str(tmp_path / "b.db"), "--json")
    for arguments in (
        ("block", str(file), "--reason", "x", *job, "--dry-run"),
        ("block", str(file), "--reason", "x", *job),
        ("lookup", str(file), "--json"),
        ("undo", "w", *job[2:], "--dry-run"),
        ("undo", "w", *job[2:]),
    ):
        done = run(settings, "bulk", *arguments)
        assert (done.exit_code, done.stderr) == (0, "")
        assert json.loads(done.stdout)["accounts"] == 12


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (b"account_id,x\nacct_1,7\n,7\n", "standard input: 1 line cannot be used: 1 empty id"),
        (b"nyx\nvex\n", "standard input: it has names in it, and no account ids: 'nyx', 'vex'"),
        (b"\n", "standard input: there is no account id in it"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_the_summary(settings: Settings, given: bytes, why: str) -> None:
    done = run(settings, "bulk", "block", "-", "--reason", "x", "--json", given=given)
    told = json.loads(done.stdout)
    assert (done.exit_code, done.stderr, told["status"]) == (2, "", "bad_input")
    assert told["cause"].startswith(why)
    left_out = run(settings, "bulk", "lookup", "-", "--json", "--keep-going", given=b"account_id,x\nacct_1,7\n,7\n")
    assert (left_out.stderr, json.loads(left_out.stdout)["left_out"]) == ("", {"empty id": 1})


def test_a_failure_is_json_and_nothing_else(
    served: tilia_sync.Sandbox, settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = run(settings, "accounts", "block", "nobody", "--reason", "x", "--json")
    assert (block.exit_code, json.loads(block.stderr)["error"]["type"]) == (4, "NotFoundError")
    served.faults.add("accounts.block", Fault.DROP_AFTER_COMMIT, times=3)
    one = file.read_bytes().splitlines()[0]
    doubtful = run(settings, "bulk", "block", "-", "--reason", "x", "--json", given=one)
    assert (doubtful.exit_code, doubtful.stderr) == (3, "")
    assert json.loads(doubtful.stdout)["counts"]["unknown"] == 1
    monkeypatch.setattr(Environment, "PRODUCTION", served.environment)
    asked = run(settings, "bulk", "block", str(file), "--reason", "x", "--json")
    assert (asked.exit_code, "say --yes" in json.loads(asked.stderr)["error"]["message"]) == (2, True)


def test_a_reason_that_is_on_no_record_is_told_after_it_was_done(settings: Settings, account_ids: list[str]) -> None:
    done = run(settings, "accounts", "block", account_ids[0], "--reason", "x", "--json")
    assert json.loads(done.stdout)["is_blocked"]
    assert "--reason will be on no record" in done.stderr
