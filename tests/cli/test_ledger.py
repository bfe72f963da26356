"""``tilia ledger``: what it shows and exports of the record of blocks."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.commands import run

from tilia_async.cli import ledger_output
from tilia_async.ledger import BlockJob, JobState, RecordState

Settings = dict[str, str]
WAVE = ("--reason", "cheats \x1b[2J[red]", "--actor", "ops@acme.example", "--job", "wave", "--review-at", "2031-01-01")


@pytest.fixture
def ledger(settings: Settings, account_ids: list[str], tmp_path: Path) -> str:
    path = str(tmp_path / "b.db")
    given = "".join(f"{account_id}\n" for account_id in [*account_ids[:3], "nobody"]).encode()
    assert run(settings, "bulk", "block", "-", *WAVE, "--ledger", path, given=given).exit_code == 1
    given = account_ids[0].encode()
    assert run(settings, "bulk", "unblock", "-", "--ledger", path, "--job", "back", given=given).exit_code == 0
    return path


def test_the_history_of_an_account(ledger: str, account_ids: list[str]) -> None:
    told = run({"TILIA_LEDGER": ledger}, "ledger", "history", account_ids[0])
    lines = told.stdout.splitlines()
    assert [line.split()[2:] for line in lines[::2]] == [
        ["block", "confirmed", account_ids[0]], ["unblock", "confirmed", account_ids[0]],
    ]  # fmt: skip
    assert r"reason: cheats \x1b[2J[red]; by ops@acme.example; job wave; to be reviewed 2031-01-01" in " ".join(lines)
    assert "\x1b" not in told.stdout
    listed = json.loads(run({"TILIA_LEDGER": ledger}, "ledger", "history", account_ids[0], "--json").stdout)
    assert [record["action"] for record in listed] == ["block", "unblock"]
    assert listed[0]["reason"] == "cheats \x1b[2J[red]"


def test_a_single_block_is_recorded_too(settings: Settings, account_ids: list[str], tmp_path: Path) -> None:
    settings["TILIA_LEDGER"] = str(tmp_path / "b.db")
    assert run(settings, "accounts", "block", account_ids[0], "--reason", "fraud", "--actor", "ops").exit_code == 0
    assert run(settings, "accounts", "unblock", account_ids[0]).exit_code == 0
    told = json.loads(run(settings, "ledger", "history", account_ids[0], "--json").stdout)
    assert [(record["action"], record["reason"], record["actor"], record["source"]) for record in told] == [
        ("block", "fraud", "ops", "call"), ("unblock", None, None, "call"),
    ]  # fmt: skip


def test_who_is_blocked_and_due(ledger: str, account_ids: list[str]) -> None:
    for question in (("blocked",), ("blocked", "--issuer", "publisher"), ("due", "--before", "2031-01-02")):
        listed = json.loads(run({}, "ledger", *question, "--ledger", ledger, "--json").stdout)
        assert {record["account_id"] for record in listed} == set(account_ids[1:3])
    assert run({}, "ledger", "due", "--before", "2031-01-01", "--ledger", ledger).stdout == "none\n"
    cut = run({}, "ledger", "blocked", "--limit", "1", "--ledger", f"sqlite:///{ledger}")
    assert cut.stdout.count("acct_") == 1
    assert cut.stderr == "there are more than these 1: see --limit, or export them\n"
    assert run({}, "ledger", "pending", "--job", "wave", "--ledger", ledger, "--json").stdout == "[]\n"


def test_an_export(ledger: str, tmp_path: Path) -> None:
    exported = run({}, "ledger", "export", "--job", "wave", "--state", "not_found", "--ledger", ledger)
    (row,) = csv.DictReader(io.StringIO(exported.stdout))
    assert (row["account_id"], row["state"], row["job_id"]) == ("nobody", "not_found", "wave")
    file = tmp_path / "all.jsonl"
    for since, number in (("2020-01-01", 5), ("2999-01-01T00:00:00+02:00", 0)):
        done = run({}, "ledger", "export", str(file), "--format", "jsonl", "--since", since, "--ledger", ledger)
        assert done.exit_code == 0
        assert done.stderr == f"{number} records exported\n"
        assert len([json.loads(line) for line in file.read_text().splitlines()]) == number
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("all")) == ["all.jsonl"]


def test_an_export_takes_the_option_that_all_commands_take(ledger: str) -> None:
    by_format = run({}, "ledger", "export", "--format", "jsonl", "--ledger", ledger)
    as_json = run({}, "ledger", "export", "--json", "--ledger", ledger)
    assert as_json.stdout == by_format.stdout
    assert json.loads(as_json.stdout.splitlines()[0])["job_id"] == "wave"


def test_an_export_that_fails_leaves_the_file_as_it_was(ledger: str, tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_text("as it was")
    Path(ledger).write_bytes(b"no database, but text of some length" * 100)
    assert "file is not a database" in run_failing("export", str(file), "--ledger", ledger)
    assert file.read_text() == "as it was"
    assert not (tmp_path / "all.csv.part").exists()


@pytest.mark.parametrize(
    ("file", "why"), [("/dev/full", "No space left on device"), ("/no/x", "No such file or directory")]
)
def test_an_export_that_cannot_be_written(ledger: str, file: str, why: str) -> None:
    done = run({}, "ledger", "export", file, "--ledger", ledger)
    assert (done.exit_code, done.stderr) == (1, f"tilia: {file} cannot be written: {why}\n")


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = run({}, "ledger", "history", "acct_1", "--ledger", str(tmp_path / "typo.db"))
    assert done.exit_code == 2
    assert "there is no ledger at" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert "which ledger? Give --ledger, or set the variable TILIA_LEDGER" in run({}, "ledger", "pending").stderr


def run_failing(*arguments: str) -> str:
    done = run({}, "ledger", *arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    return done.stderr


def test_the_jobs_and_what_was_done_for_which_reason_or_by_whom(ledger: str) -> None:
    told = run({"TILIA_LEDGER": ledger, "COLUMNS": "80"}, "ledger", "jobs").stdout.splitlines()
    assert [line.split()[2:] for line in told if "Z  " in line] == [["block", "finished", "wave"], ["unblock", "finished", "back"]]  # fmt: skip
    assert r"4 accounts: 3 confirmed, 1 not found; reason: cheats \x1b[2J[red]; by" in " ".join(told)
    jobs = json.loads(run({}, "ledger", "jobs", "--ledger", ledger, "--json").stdout)
    assert [(job["job_id"], job["state"], job["counts"]) for job in jobs] == [
        ("wave", "finished", {"confirmed": 3, "not_found": 1}),
        ("back", "finished", {"confirmed": 1}),
    ]
    people = run({}, "ledger", "jobs", "--by", "actor", "--ledger", ledger).stdout.splitlines()
    assert people[0] == "block    ops@acme.example"
    assert people[2] == "unblock  no actor"
    reasons = json.loads(run({}, "ledger", "jobs", "--by", "reason", "--ledger", ledger, "--json").stdout)
    assert [(each["reason"], each["total"]) for each in reasons] == [("cheats \x1b[2J[red]", 4), (None, 1)]


def test_filters_of_the_blocks_in_force(ledger: str, account_ids: list[str]) -> None:
    def blocked(*filters: str) -> set[str]:
        told = json.loads(run({}, "ledger", "blocked", "--ledger", ledger, "--json", *filters).stdout)
        return {record["account_id"] for record in told}

    assert blocked("--job", "wave", "--actor", "ops@acme.example", "--until", "2031-01-01") == set(account_ids[1:3])
    assert blocked("--reason", "another") == blocked("--since", "2031-01-01") == set()


def test_nothing_is_lost_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    at = datetime(2026, 11, 29, tzinfo=UTC)
    job = BlockJob(
        job_id="block-2026-11-29-090959-a1c7f9", action="block", reason="fraud " * 30 + "!", actor="ops@acme.example",
        review_at=None, environment="https://accounts.staging.tilia-inc.com", undoes=None, total=5,
        counts={RecordState.CONFIRMED: 5}, state=JobState.FINISHED, started_at=at,
    )  # fmt: skip
    ledger_output.show_jobs([job], as_json=False)
    head, *details = capsys.readouterr().out.splitlines()
    assert head.endswith(job.job_id)
    assert details == [
        "    5 accounts: 5 confirmed",
        f"    reason: {job.reason}",
        "    by ops@acme.example",
        "    at https://accounts.staging.tilia-inc.com",
    ]
