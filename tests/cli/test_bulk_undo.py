"""``tilia bulk undo``, and what ``tilia bulk`` says of jobs that are not so any more."""

import json
import shlex
from pathlib import Path

import pytest
from support.commands import blocks, run

import tilia_sync
from tilia_async.sandbox import Fault

Settings = dict[str, str]


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return str(tmp_path / "b.db")


def block(settings: Settings, ids: list[str], job: str, ledger: str, *more: str) -> int:
    lines = "\n".join(ids).encode()
    done = run(settings, "bulk", "block", "-", "--reason", job, "--job", job, "--ledger", ledger, *more, given=lines)
    return done.exit_code


def test_it_lifts_what_the_job_alone_caused_and_names_the_rest(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str], ledger: str
) -> None:
    assert block(settings, account_ids[:3], "for cause", ledger, "--actor", "ann") == 0
    assert block(settings, account_ids, "mistake", ledger) == 0
    undo = ("bulk", "undo", "mistake", "--reason", "wrong list", "--ledger", ledger)
    dry = run({}, *undo, "--dry-run")
    assert (dry.exit_code, dry.stdout.splitlines()[-3:]) == (
        0,
        [
            "12 accounts of job mistake; nothing was sent, this was a dry run.",
            "9 would be unblocked: nothing else blocks them.",
            "3 would be kept: something else blocks them, too, or may.",
        ],
    )
    assert json.loads(run({}, *undo, "--dry-run", "--json").stdout)["counts"]["kept"] == 3
    done = run(settings, *undo)
    assert done.exit_code == 1
    assert "undo: 12 of 12 accounts" in done.stdout
    assert "done  9  unblocked: nothing else blocks them" in done.stdout
    assert "kept  3  still blocked: something else blocks them, too" in done.stdout
    assert "kept: the account is blocked by the job 'for cause', reason 'for cause', actor 'ann'" in done.stdout
    assert all(account_id in done.stdout for account_id in account_ids[:3])
    assert "Recorded as job undo-mistake." in done.stdout
    assert "To go on" not in done.stdout
    assert "  job          undo-mistake\n" in done.stderr
    assert done.stderr.splitlines()[-1] == "undo: 12 of 12 (100.0 %); done 9, kept 3"
    assert [each for each in account_ids if served.accounts[each].is_blocked] == account_ids[:3]
    again = json.loads(run(settings, *undo, "--json").stdout)
    assert (again["action"], again["status"], again["go_on"]) == ("undo", "some_not_done", None)
    assert (again["counts"]["skipped"], again["counts"]["kept"]) == (9, 3)
    assert {each["also_blocked_by"][0]["job_id"] for each in again["failures"]} == {"for cause"}
    assert run(settings, "bulk", "undo", "for cause", "--ledger", ledger).exit_code == 0
    assert not any(served.accounts[each].is_blocked for each in account_ids)
    exported = run({}, "ledger", "export", "--job", "undo-mistake", "--ledger", ledger).stdout
    assert exported.count(",kept,") == 3


def test_an_undo_that_stops_prints_the_command_that_goes_on(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str], ledger: str
) -> None:
    block(settings, account_ids, "-wave", ledger)
    undo = (
        "bulk",
        "undo",
        "--reason",
        "it's wrong",
        "--ledger",
        ledger,
        "--json",
        "--undo-job",
        "mend 1",
        "--",
        "-wave",
    )
    stopped = run({**settings, "TILIA_CLIENT_SECRET": "wrong"}, *undo)
    told = json.loads(stopped.stdout)
    assert (stopped.exit_code, told["status"], told["job_id"], told["counts"]["done"]) == (1, "stopped", "mend 1", 0)
    _, *command = shlex.split(told["go_on"])
    went_on = json.loads(run(settings, *command).stdout)
    assert (went_on["status"], went_on["job_id"], went_on["counts"]["done"]) == ("all_done", "mend 1", 12)
    assert not any(served.accounts[each].is_blocked for each in account_ids)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nobody",), "this ledger has no job 'nobody' that could be undone"),
        (("undo-wave",), "its action is undo"),
        (("wave", "--reason", "another"), "was begun with no reason, and this has the reason 'another'"),
    ],
)
def test_what_cannot_be_undone_is_refused(
    served: tilia_sync.Sandbox,
    settings: Settings,
    account_ids: list[str],
    ledger: str,
    arguments: tuple[str, ...],
    told: str,
) -> None:
    block(settings, account_ids[:1], "wave", ledger)
    assert run(settings, "bulk", "undo", "wave", "--ledger", ledger).exit_code == 0
    before = len(served.requests)
    for more in ((), ("--dry-run",)):
        refused = run(settings, "bulk", "undo", *arguments, "--ledger", ledger, *more)
        assert refused.exit_code == 2
        assert told in refused.stderr
    assert len(served.requests) == before


def test_it_needs_a_ledger_that_is_there(settings: Settings, tmp_path: Path) -> None:
    for more in ((), ("--ledger", str(tmp_path / "none.db"))):
        refused = run(settings, "bulk", "undo", "wave", *more)
        assert (refused.exit_code, "ledger" in refused.stderr) == (2, True)
    assert not (tmp_path / "none.db").exists()


def test_a_job_whose_blocks_were_lifted_is_not_all_done(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str], ledger: str
) -> None:
    block(settings, account_ids, "wave", ledger)
    lines = "\n".join(account_ids[:5]).encode()
    assert run(settings, "bulk", "unblock", "-", "--ledger", ledger, given=lines).exit_code == 0
    sent = blocks(served)
    given = "\n".join(account_ids).encode()
    wave = ("bulk", "block", "-", "--reason", "wave", "--job", "wave", "--ledger", ledger)
    dry = run({}, *wave, "--dry-run", given=given)
    assert "7 of them are confirmed by job wave already" in dry.stdout
    assert "Of 5 the opposite is on record since" in dry.stdout
    again = run(settings, *wave, given=given)
    assert (again.exit_code, blocks(served)) == (1, sent)
    assert "overtaken  5  left alone, the opposite is on record since" in again.stdout
    assert "skipped    7  confirmed by an earlier run of this job" in again.stdout
    assert "overtaken: unblocked since, by the job 'unblock-" in again.stdout
    assert "To go on" not in again.stdout
    told = json.loads(run(settings, *wave, "--json", given=given).stdout)
    assert (told["status"], told["counts"]["overtaken"], len(told["failures"])) == ("some_not_done", 5, 5)


def test_the_same_job_with_another_reason_is_refused(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str], ledger: str
) -> None:
    block(settings, account_ids, "wave", ledger)
    given = "\n".join(account_ids).encode()
    refused = run(
        settings, "bulk", "block", "-", "--reason", "another", "--job", "wave", "--ledger", ledger, given=given
    )
    assert refused.exit_code == 2
    assert "the reason 'wave', and this has the reason 'another'" in refused.stderr
    assert blocks(served) == 12


def test_an_unblock_tells_what_else_it_lifted(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str], ledger: str
) -> None:
    block(settings, account_ids[:7], "for cause", ledger)
    block(settings, account_ids, "mistake", ledger)
    given = "\n".join(account_ids).encode()
    unblock = ("bulk", "unblock", "-", "--ledger", ledger)
    done = run(settings, *unblock, given=given)
    assert done.exit_code == 0
    assert "overlaps: several blocks held 7 of them, and all were lifted:" in done.stdout
    assert "the job 'for cause', reason 'for cause'; the job 'mistake', reason 'mistake'" in done.stdout
    assert "and 2 more" in done.stdout
    assert "tilia bulk undo JOB" in done.stdout
    block(settings, account_ids[:1], "one", ledger)
    block(settings, account_ids, "two", ledger)
    told = json.loads(run(settings, *unblock, "--json", given=given).stdout)
    ((account_id, also),) = [(each["account_id"], each["also_blocked_by"]) for each in told["overlaps"]]
    assert (account_id, [each["job_id"] for each in also]) == (account_ids[0], ["one", "two"])
    assert not any(served.accounts[each].is_blocked for each in account_ids)


def test_a_dry_run_counts_who_was_freed_before_the_job_could_block_them(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str], ledger: str
) -> None:
    served.faults.add("accounts.block", Fault.SERVER_ERROR_EMPTY, times=3)
    assert block(settings, account_ids[:1], "wave", ledger) == 3
    given = account_ids[0].encode()
    assert run(settings, "bulk", "unblock", "-", "--ledger", ledger, given=given).exit_code == 0
    wave = ("bulk", "block", "-", "--reason", "wave", "--job", "wave", "--ledger", ledger)
    dry = run({}, *wave, "--dry-run", given=given)
    assert "0 of them are confirmed by job wave already" in dry.stdout
    assert "Of 1 the opposite is on record since" in dry.stdout
    again = run(settings, *wave, given=given)
    assert (again.exit_code, served.accounts[account_ids[0]].is_blocked) == (1, False)
    assert "overtaken  1  left alone, the opposite is on record since" in again.stdout
