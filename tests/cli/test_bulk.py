"""``tilia bulk``: what it does with a file, what it says and its exit status."""

import contextlib
import itertools
import json
import resource
import shlex
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from support.commands import blocks, run

import tilia_sync
from tilia_async.cli import checked_ids as account_list
from tilia_async.cli.account_file import By, Entry, FileOptions
from tilia_async.cli.bulk_command import Action, BulkCommand
from tilia_async.cli.bulk_input import Input
from tilia_async.cli.bulk_summary import Ending, Status, tell
from tilia_async.cli.checked_ids import CheckedIds, NoRoomError, first_pass
from tilia_async.cli.failure import ExitStatus
from tilia_async.cli.ledger_location import LedgerLocation
from tilia_async.sandbox import Fault

Settings = dict[str, str]


def test_it_blocks_them_all(served: tilia_sync.Sandbox, settings: Settings, file: Path, account_ids: list[str]) -> None:
    done = run(settings, "bulk", "block", str(file), "--reason", "fraud")
    assert done.exit_code == 0
    assert "block: 12 of 12 accounts" in done.stdout
    assert "Nothing was recorded" in done.stdout
    assert "--ledger FILE (pip install 'tilia-sdk[ledger]')" in done.stdout
    assert all(served.accounts[account_id].is_blocked for account_id in account_ids)
    assert done.stderr.endswith("\nblock: 12 of 12 (100.0 %); done 12\n")


def test_a_job_goes_on_and_sends_nothing_twice(
    served: tilia_sync.Sandbox, settings: Settings, file: Path, tmp_path: Path
) -> None:
    block = ("bulk", "block", str(file), "--reason", "fraud", "--job", "wave 7", "--ledger", str(tmp_path / "b.db"))
    dry = run({}, *block, "--dry-run")
    assert (dry.exit_code, dry.stderr) == (0, "")
    assert not (tmp_path / "b.db").exists()
    assert run(settings, *block).exit_code == 0
    with file.open("a") as more:
        more.write("nobody-1\nnobody-2\n")
    assert "12 of them are confirmed by job wave 7 already" in run({}, *block, "--dry-run").stdout
    assert blocks(served) == 12
    again = run(settings, *block)
    assert again.exit_code == 1
    assert blocks(served) == 14
    assert "skipped    12  confirmed by an earlier run of this job" in again.stdout
    assert "404 Not Found" in again.stdout
    # In the order in which they ended.
    assert "nobody-1, nobody-2" in again.stdout or "nobody-2, nobody-1" in again.stdout
    assert "Recorded as job wave 7." in again.stdout
    assert "To go on" not in again.stdout, "there is nothing left to do"


def test_a_job_that_stops_prints_the_command_that_goes_on(
    served: tilia_sync.Sandbox, settings: Settings, file: Path, tmp_path: Path
) -> None:
    block = ("bulk", "block", str(file), "--reason", "it's fraud", "--ledger", str(tmp_path / "b.db"))
    stopped = run({**settings, "TILIA_CLIENT_SECRET": "wrong"}, *block, "--json")
    told = json.loads(stopped.stdout)
    assert (stopped.exit_code, told["status"], told["counts"]["done"]) == (1, "stopped", 0)
    assert "no token for block_accounts" in told["cause"]
    assert told["recorded"]
    assert told["go_on"].endswith(f"--json '{file}'")
    assert blocks(served) == 0
    (_, *command) = shlex.split(told["go_on"])
    assert told["job_id"] in command
    went_on = json.loads(run(settings, *command).stdout)
    assert (went_on["status"], went_on["job_id"], went_on["counts"]["done"]) == ("all_done", told["job_id"], 12)
    assert went_on["go_on"] is None
    people = run({**settings, "TILIA_CLIENT_SECRET": "wrong"}, *block)
    assert people.exit_code == 1
    assert people.stdout.count("no token for block_accounts") == 1, "a reason is told once"
    assert "--reason 'it'\"'\"'s fraud' --job block-" in people.stdout


def test_what_may_have_happened_is_left_for_another_run(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str], tmp_path: Path
) -> None:
    served.faults.add("accounts.unblock", Fault.SERVER_ERROR_EMPTY, times=3)
    unblock = ("bulk", "unblock", "-", "--json", "--ledger", str(tmp_path / "b.db"))
    done = run(settings, *unblock, given=account_ids[0].encode())
    told = json.loads(done.stdout)
    assert (done.exit_code, told["status"], told["counts"]["unknown"]) == (3, "some_not_done", 1)
    assert told["failures"][0]["error"].startswith("accounts.unblock: 500")
    _, *command = shlex.split(told["go_on"])
    assert run(settings, *command, given=account_ids[0].encode()).exit_code == 0


def test_what_was_refused_would_be_refused_again(
    served: tilia_sync.Sandbox, settings: Settings, file: Path, account_ids: list[str], tmp_path: Path
) -> None:
    served.block_as_tilia(account_ids[3])
    done = run(settings, "bulk", "unblock", str(file), "--ledger", str(tmp_path / "b.db"))
    assert done.exit_code == 1
    assert "refused   1  Tilia refused it for this account" in done.stdout
    assert account_ids[3] in done.stdout
    assert "To go on" not in done.stdout


def test_csv_from_standard_input(served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str]) -> None:
    rows = "".join(f'"bot, {number}",{account_id}\r\n' for number, account_id in enumerate(account_ids))
    given = f"\ufeffname,player\r\n{rows}\r\n".encode()
    assert run(settings, "bulk", "block", "-", "--column", "player", "--reason", "x", given=given).exit_code == 0
    assert blocks(served) == 12


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"account_id,x\na1\n,y\nb2\na1\nc/3\n", "2 lines cannot be used: 1 empty id, 1 malformed\n  line 3: has no"),
        (b"a1\nc/3\n", "  line 2: the id 'c/3' has a slash in it\nNothing was sent. Correct the file, or leave"),
        (b"\x1f\x8b\x08", "line 1: the file is compressed by gzip"),
        (b"", "there is no account id in it; nothing was sent"),
        (b"account_id\n", "there is no account id in it; nothing was sent"),
        (b"a1\n\x1b]0-owned\x07\n", r"line 2: the id '\x1b]0-owned\x07'"),
    ],
    ids=["lines", "advice", "gzip", "empty", "header", "control"],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_sent(
    served: tilia_sync.Sandbox, settings: Settings, content: bytes, told: str
) -> None:
    done = run(settings, "bulk", "block", "-", "--reason", "x", given=content)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("tilia: standard input: ")
    assert told in done.stderr
    assert len(served.requests) == 0


def test_bad_lines_are_left_out_if_asked_for(settings: Settings, account_ids: list[str]) -> None:
    good, *_ = account_ids
    done = run(settings, "bulk", "block", "-", "--reason", "x", "--keep-going", given=f"{good}\n{good}\n".encode())
    assert done.exit_code == 0, "the account is blocked, however often it is named"
    given = f"account_id,x\n{good}\n,y\n{good}\nx y\n".encode()
    told = run(settings, "bulk", "block", "-", "--reason", "x", "--keep-going", "--json", given=given)
    summary = json.loads(told.stdout)
    assert (told.exit_code, summary["counts"]["done"]) == (1, 1), "of the others nobody knows which they mean"
    assert summary["left_out"] == {"empty id": 1, "malformed": 1}
    assert summary["preview"]["merged"] == 1
    assert [problem["line"] for problem in summary["problems"]] == [3, 5]
    assert summary["problems"][1]["what"].startswith("'x y' is no account id")
    assert told.stderr == ""
    plain = run(settings, "bulk", "block", "-", "--reason", "x", "--keep-going", given=given)
    assert "line 5: 'x y' is no account id" in plain.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("block", "-"), "--reason"),
        (("block", "-", "--reason", "x", "--job", "j"), "give --ledger or set TILIA_LEDGER"),
        (("block", "-", "--reason", "x", "--review-at", "soon"), "is no date like 2026-03-31"),
        (("block", "no such file", "--reason", "x"), "no such file: it cannot be read: No such file or directory"),
        (("block", "/", "--reason", "x"), "/: it cannot be read: Is a directory"),
        (("block", "-", "--reason", "x", "--ledger", "mysql://u:geheim@h/d"), "the ledger's URL is like"),
        (("lookup", "-", "--output", "-", "--json"), "both the summary and the accounts"),
        (("block", "-", "--reason", "x", "--concurrency", "0"), "--concurrency"),
    ],
)
def test_a_command_that_is_wrong(settings: Settings, arguments: tuple[str, ...], told: str) -> None:
    done = run(settings, "bulk", *arguments, given=b"a1\n")
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in " ".join(done.stderr.replace("│", "").split())
    assert "geheim" not in done.stderr


def test_without_settings_nothing_is_read() -> None:
    done = run({}, "bulk", "block", "no such file", "--reason", "x")
    assert done.exit_code == 2
    assert "TILIA_CLIENT_ID, TILIA_CLIENT_SECRET and TILIA_ENVIRONMENT are not set" in done.stderr


def test_a_look_up_writes_what_it_finds(settings: Settings, file: Path, account_ids: list[str], tmp_path: Path) -> None:
    with file.open("a") as more:
        more.write("nobody\n")
    piped = run(settings, "bulk", "lookup", str(file), "--output", "-")
    assert piped.exit_code == 1
    assert {json.loads(line)["account_id"] for line in piped.stdout.splitlines()} == set(account_ids)
    assert "lookup: 13 of 13 accounts" in piped.stderr
    written = run(settings, "bulk", "lookup", str(file), "--output", str(tmp_path / "found.jsonl"))
    assert (tmp_path / "found.jsonl").read_text().count('"is_blocked":false') == 12
    assert "not found   1" in written.stdout
    full = run(settings, "bulk", "lookup", str(file), "--output", "/dev/full")
    assert full.exit_code == 1
    assert "stopped: what was found cannot be written: No space left on device" in full.stdout


@pytest.mark.parametrize("is_set", [True, False])
def test_a_password_is_never_shown(settings: Settings, file: Path, is_set: bool) -> None:
    url = "postgresql://tilia:geheim@127.0.0.1:1/blocks"
    named = ((), {"TILIA_LEDGER": url}) if is_set else (("--ledger", url), {})
    done = run({**settings, **named[1]}, "bulk", "block", str(file), "--reason", "x", *named[0])
    assert done.exit_code == 1
    assert "/blocks cannot be read or written" in done.stderr
    assert "geheim" not in done.output


@pytest.mark.parametrize("is_set", [True, False])
def test_the_command_to_go_on_has_no_password_in_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_set: bool
) -> None:
    url = "postgresql://tilia:geheim@127.0.0.1:1/blocks"
    if is_set:
        monkeypatch.setenv("TILIA_LEDGER", url)
    place = LedgerLocation.of(None if is_set else url)
    assert place is not None
    assert place.shown == "postgresql://127.0.0.1:1/blocks"
    order = BulkCommand(action=Action.BLOCK, file="a.txt", ledger=place, job_id="j")
    tell(order, Ending(status=Status.STOPPED, input=Input(accounts=1, left_out={}, problems=()), counts={}))
    told = capsys.readouterr().out
    assert '--ledger "$TILIA_LEDGER"' in told
    assert ("Put the ledger's URL into TILIA_LEDGER first" in told) is not is_set
    assert "geheim" not in told


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@examples(max_examples=10, deadline=None)
@given(
    st.builds(
        BulkCommand,
        action=st.just(Action.BLOCK),
        file=TEXTS,
        options=st.builds(
            FileOptions,
            column=st.none() | TEXTS,
            delimiter=st.sampled_from([None, ";", "\t", "-"]),
            encoding=st.sampled_from([None, "cp1252"]),
            by=st.sampled_from([None, *By]),
        ),
        yes=st.booleans(),
        keeps_going=st.booleans(),
        concurrency=st.integers(1, 1000),
        reason=TEXTS,
        actor=st.none() | TEXTS,
        review_at=st.none() | st.datetimes(timezones=st.just(UTC)),
        ledger=st.sampled_from([LedgerLocation.of("it's here.db"), LedgerLocation.of("sqlite:////tmp/b.db")]),
        job_id=TEXTS,
        as_json=st.booleans(),
    )
)
def test_the_command_to_go_on_asks_for_the_same(order: BulkCommand) -> None:
    asked: list[BulkCommand] = []

    def taken(order: BulkCommand) -> ExitStatus:
        asked.append(order)
        return ExitStatus.DONE

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tilia_async.cli.bulk.run", taken)
        _, *arguments = shlex.split(order.command())
        assert run({}, *arguments).exit_code == 0
    assert asked == [order]


def test_a_url_that_may_hold_a_password_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://tilia:geheim@db.example/blocks"
    given = BulkCommand(action=Action.BLOCK, file="a.txt", ledger=LedgerLocation.of(url), job_id="j")
    assert given.command() == 'tilia bulk block --job j --ledger "$TILIA_LEDGER" a.txt'
    assert "geheim" not in repr(given)
    assert given.ledger is not None
    assert given.ledger.is_variable_to_be_set
    monkeypatch.setenv("TILIA_LEDGER", url)
    assert LedgerLocation.existing(None).option == '--ledger "$TILIA_LEDGER"'
    assert not LedgerLocation.existing(None).is_variable_to_be_set


def test_a_date_without_an_offset_is_utc(settings: Settings, file: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "b.db"
    done = run(
        settings, "bulk", "block", str(file), "--reason", "x", "--review-at", "2031-05-06", "--ledger", str(ledger)
    )
    assert done.exit_code == 0
    listed = run({}, "ledger", "due", "--before", "2031-05-06T00:00:01Z", "--ledger", str(ledger), "--json")
    assert [datetime.fromisoformat(record["review_at"]) for record in json.loads(listed.stdout)] == [
        datetime(2031, 5, 6, tzinfo=UTC)
    ] * 12


def test_a_full_disk_is_reported_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_list, "_CACHE_KIB", 64)
    with at_most(100_000), pytest.raises(NoRoomError, match=r"account ids cannot be used: .*SQLITE_TMPDIR"):
        with first_pass(Entry(line, f"account-{line}") for line in range(20_000)):
            pytest.fail("there is no room for them")


def test_a_temporary_database_that_is_lost_stops_the_job(
    served: tilia_sync.Sandbox, settings: Settings, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = CheckedIds.__iter__

    def some(accounts: CheckedIds) -> Iterator[str]:
        yield from itertools.islice(every(accounts), 2)
        raise NoRoomError("no room")

    monkeypatch.setattr(CheckedIds, "__iter__", some)
    done = run(settings, "bulk", "block", str(file), "--reason", "x", "--ledger", str(tmp_path / "b.db"))
    assert done.exit_code == 1
    assert "stopped: no room\nTo go on with job block-" in done.stdout
    assert blocks(served) <= 2
    before = blocks(served)
    again = run(settings, "bulk", "block", str(file), "--reason", "x", "--ledger", str(tmp_path / "b.db"))
    assert (again.exit_code, again.stderr) == (1, "tilia: no room; nothing was sent\n")
    assert blocks(served) == before


def test_a_ledger_without_room_stops_the_job(
    served: tilia_sync.Sandbox, settings: Settings, file: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "b.db"
    block = ("bulk", "block", str(file), "--reason", "x", "--concurrency", "1", "--job", "j", "--ledger", str(ledger))
    with at_most(82_000):
        stopped = run(settings, *block)
    assert stopped.exit_code == 1
    assert f"stopped: the ledger at {ledger} cannot be read or written: " in stopped.stdout
    with contextlib.closing(sqlite3.connect(ledger)) as database:
        (recorded,) = database.execute("SELECT count(*) FROM tilia_block_records WHERE job_id = 'j'").fetchone()
    assert blocks(served) <= recorded < 12, "what is not on record is not sent"


@contextlib.contextmanager
def at_most(size: int) -> Iterator[None]:
    """No file of this process can become larger: the errors are those of a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
