"""Questions and warnings before many accounts are changed."""

import asyncio
import json
import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.commands import blocks, run
from support.postgres import new_database

import tilia_sync
from tilia_async import Environment
from tilia_async.bulk.ledger_run import LedgerRun
from tilia_async.cli.bulk_preview import Preview
from tilia_async.ledger import BlockAction, BlockLedger
from tilia_async.ledger.intent import Intent
from tilia_async.sandbox import Fault

Settings = dict[str, str]


def test_it_says_where_it_goes_before_it_does(
    served: tilia_sync.Sandbox, settings: Settings, file: Path, account_ids: list[str], tmp_path: Path
) -> None:
    ledger = str(tmp_path / "b.db")
    one = account_ids[0].encode()
    assert run(settings, "bulk", "block", "-", "--reason", "x", "--ledger", ledger, given=one).exit_code == 0
    wave = ("bulk", "block", str(file), "--reason", "ban wave", "--actor", "ops", "--job", "w", "--ledger", ledger)
    told = [run(settings, *wave, "--dry-run").stdout, run(settings, *wave).stderr]
    for text in told:
        for line in (
            "block: 12 accounts",
            f"  environment  {settings['TILIA_ENVIRONMENT']}\n",
            f"  file         {file}",
            "  read as      UTF-8, no header, one on each line",
            f"  first        {account_ids[0]}\n",
            f"  last         {account_ids[-1]}\n",
            "  reason       ban wave\n",
            "  actor        ops\n",
            f"  ledger       {ledger}\n",
            "  job          w\n",
            "  blocked      1 already, as the ledger knows\n",
        ):
            assert line in text
    again = json.loads(run(settings, *wave, "--dry-run", "--json").stdout)
    assert (again["preview"]["already_blocked"], again["counts"]["skipped"]) == (12, 12)
    assert (again["preview"]["first"], again["preview"]["last"]) == (account_ids[0], account_ids[-1])
    assert "  skipped      12, confirmed by this job before" in run(settings, *wave, "--dry-run").stdout


def test_a_new_database_becomes_a_ledger_by_a_job_alone(settings: Settings, account_ids: list[str]) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        url = runner.run(stack.enter_async_context(new_database()))
        try:
            block = ("bulk", "block", "-", "--reason", "x", "--job", "w", "--ledger", url)
            given = account_ids[0].encode()
            dry = run(settings, *block, "--dry-run", given=given)
            assert dry.exit_code == 0
            assert "  blocked      not known: there is no ledger in 127.0.0.1/" in dry.stdout
            assert json.loads(run(settings, *block, "--dry-run", "--json", given=given).stdout)["preview"]["already_blocked"] is None  # fmt: skip
            done = run(settings, *block, given=given)
            assert (done.exit_code, "  blocked      0 already" in done.stderr) == (0, True)
            assert "  blocked      1 already" in run(settings, *block, "--dry-run", given=given).stdout
        finally:
            runner.run(stack.aclose())


def test_without_a_ledger_it_says_so(settings: Settings, file: Path) -> None:
    assert "  ledger       none: nothing will be on record" in run(settings, "bulk", "unblock", str(file)).stderr


def test_one_sentence_for_many_lines(settings: Settings) -> None:
    given = b"account_id,x\n" + b"acct_1,7\n" + b",7\n" * 30
    done = run(settings, "bulk", "block", "-", "--reason", "x", given=given)
    assert done.exit_code == 2
    assert "  lines 3, 4, 5, 6, 7, 8, 9, 10 and 22 more: has no account id\n" in done.stderr
    assert len(done.stderr.splitlines()) == 3
    names = run(settings, "bulk", "block", "-", "--reason", "x", given=b"nyx\nvex\n" * 30)
    assert (names.exit_code, len(names.stderr.splitlines())) == (2, 1)
    assert "no account ids: 'nyx', 'vex', 'nyx'" in names.stderr


@pytest.fixture
def production(served: tilia_sync.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox passes for production."""
    monkeypatch.setattr(Environment, "PRODUCTION", served.environment)


@pytest.mark.parametrize("command", ["block", "unblock"])
@pytest.mark.usefixtures("production")
def test_off_a_terminal_production_wants_a_yes(
    served: tilia_sync.Sandbox, settings: Settings, file: Path, command: str
) -> None:
    before = len(served.requests)
    refused = run(settings, "bulk", command, str(file), "--reason", "x")
    assert (refused.exit_code, "say --yes. Nothing was sent" in refused.stderr) == (2, True)
    assert len(served.requests) == before
    assert run(settings, "bulk", command, str(file), "--reason", "x", "--dry-run").exit_code == 0
    assert run(settings, "bulk", "lookup", str(file)).exit_code == 0
    assert run(settings, "bulk", command, str(file), "--reason", "x", "--yes").exit_code == 0


def test_names_instead_of_ids_are_noticed_and_what_finds_them_is_named(settings: Settings) -> None:
    told = run(settings, "bulk", "block", "-", "--reason", "x", "--dry-run", given=b"player-1\nplayer-2\n").stdout
    assert "  note         none has the form of Tilia's ids, acct_… or a UUID; for usernames: --by username\n" in told
    assert "  blocked      not known without a ledger; tilia bulk lookup asks Tilia\n" in told


@pytest.mark.usefixtures("production")
def test_an_undo_asks_too(served: tilia_sync.Sandbox, settings: Settings, file: Path, tmp_path: Path) -> None:
    job = ("--ledger", str(tmp_path / "b.db"), "--reason", "x")
    assert run(settings, "bulk", "block", str(file), "--job", "w", "--yes", *job).exit_code == 0
    refused = run(settings, "bulk", "undo", "w", *job)
    assert (refused.exit_code, "say --yes" in refused.stderr) == (2, True)
    assert "  unblocked    12, nothing else blocks them" in refused.stderr
    assert run(settings, "bulk", "undo", "w", "--yes", *job).exit_code == 0


@pytest.mark.parametrize(("typed", "status"), [("12\n", 0), ("yes\n", 1), ("", 1), ("13\n", 1)])
@pytest.mark.usefixtures("production")
def test_in_a_terminal_the_number_of_accounts_is_the_answer(
    served: tilia_sync.Sandbox,
    settings: Settings,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    status: int,
) -> None:
    monkeypatch.setattr(Preview, "cannot_ask", False)
    done = run(settings, "bulk", "block", str(file), "--reason", "x", given=typed.encode())
    assert (done.exit_code, blocks(served)) == (status, 0 if status else 12)
    assert "Type the number of accounts, 12, to block them: " in done.stderr


def test_usernames_are_looked_up_shown_and_then_blocked(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str]
) -> None:
    given = "Username;Level\r\nbot-0;7\r\nbot-11;8\r\nbot-0;9\r\n".encode("utf-16")
    block = ("bulk", "block", "-", "--by", "username", "--reason", "x")
    dry = run(settings, *block, "--dry-run", given=given)
    assert (dry.exit_code, blocks(served)) == (0, 0)
    assert "2 usernames looked up: 2 accounts found" in dry.stderr
    assert f"  bot-0   {account_ids[0]}\n  bot-11  {account_ids[11]}\n" in dry.stderr
    assert (
        f"  first        {account_ids[0]}\n  last         {account_ids[11]}\n  merged       1 line names an account again\n"
        in dry.stdout
    )
    assert run(settings, *block, given=given).exit_code == 0
    assert [served.accounts[each].is_blocked for each in (account_ids[0], account_ids[1], account_ids[11])] == [
        True,
        False,
        True,
    ]


def test_a_name_that_nobody_has_blocks_nobody(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str]
) -> None:
    given = b"username\nbot-0\nnobody\n"
    block = ("bulk", "block", "-", "--by", "username", "--reason", "x")
    refused = run(settings, *block, given=given)
    assert (refused.exit_code, blocks(served)) == (2, 0)
    assert "  line 3: Tilia knows nobody named 'nobody'" in refused.stderr
    left_out = run(settings, *block, "--keep-going", given=given)
    assert (left_out.exit_code, blocks(served)) == (1, 1)
    assert served.accounts[account_ids[0]].is_blocked


def test_a_look_up_that_fails_blocks_nobody(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str]
) -> None:
    served.faults.add("accounts.find", Fault.SERVER_ERROR_EMPTY, times=50)
    given = "".join(f"bot-{number}\n" for number in range(12)).encode()
    done = run(settings, "bulk", "block", "-", "--by", "username", "--reason", "x", "--keep-going", given=given)
    assert (done.exit_code, blocks(served)) == (1, 0)
    assert "accounts.find: 500" in done.stderr


Given = tuple[str, ...]


@pytest.mark.parametrize(
    ("begun", "again", "elsewhere", "told"),
    [
        (("--reason", "wave"), ("--reason", "another"), False, "with the reason 'wave', and this has the reason 'another'"),
        (("--reason", "w", "--actor", "ann"), ("--reason", "w", "--actor", "bob"), False, "with the actor 'ann'"),
        (("--reason", "w"), ("--reason", "w", "--review-at", "2030-01-01"), False, "with no review date"),
        (("--reason", "w"), ("--reason", "w"), True, "and this client is for https://accounts.staging.tilia-inc.com"),
    ],
)  # fmt: skip
def test_a_dry_run_refuses_what_the_job_refuses(
    settings: Settings, file: Path, tmp_path: Path, begun: Given, again: Given, elsewhere: bool, told: str
) -> None:
    block = ("bulk", "block", str(file), "--job", "w", "--ledger", str(tmp_path / "b.db"))
    assert run(settings, *block, *begun).exit_code == 0
    there = {**settings, "TILIA_ENVIRONMENT": "staging"} if elsewhere else settings
    for more in ((), ("--dry-run",)):
        done = run(there, *block, *again, *more)
        assert (done.exit_code, done.stdout) == (2, ""), more
        assert f"the job 'w' of this ledger was begun {'at ' if elsewhere else ''}" in done.stderr
        assert told in done.stderr
    assert run({}, *block, *begun, "--dry-run").exit_code == 0, "without an environment there is none to compare"


def test_a_dry_run_refuses_another_action_and_words_that_cannot_be_kept(
    settings: Settings, file: Path, tmp_path: Path
) -> None:
    job = ("--job", "w", "--ledger", str(tmp_path / "b.db"))
    assert run(settings, "bulk", "block", str(file), "--reason", "w", *job).exit_code == 0
    for arguments, told in (
        (("unblock", str(file), *job), "was begun to block, and this is to unblock"),
        (
            ("block", str(file), "--reason", "w", "--job", "w" * 256, *job[2:]),
            "job_id: has 256 characters; 255 are the most",
        ),
        (("undo", "v", *job[2:]), "this ledger has no job 'v' that could be undone"),
        (("undo", "w", "--undo-job", "w", *job[2:]), "was begun to block, and this is to undo the job 'w'"),
    ):
        real, dry = (run(settings, "bulk", *arguments, *more) for more in ((), ("--dry-run",)))
        assert (real.exit_code, dry.exit_code) == (2, 2)
        assert told in dry.stderr
        assert told in real.stderr
    assert run(settings, "bulk", "undo", "w", *job[2:]).exit_code == 0
    again = ("undo", "undo-w", *job[2:])
    real, dry = (run(settings, "bulk", *again, *more) for more in ((), ("--dry-run",)))
    assert (real.exit_code, dry.exit_code, "blocked nobody" in dry.stderr) == (2, 2, True)


def test_a_dry_run_refuses_a_job_that_is_under_way(settings: Settings, file: Path, tmp_path: Path) -> None:
    location = tmp_path / "b.db"
    job = ("--job", "w", "--ledger", str(location))

    async def told() -> list[str]:
        async with BlockLedger.open(f"sqlite:///{location}") as ledger:
            run_of_another = LedgerRun(ledger, Intent(BlockAction.BLOCK, "w"), "w", settings["TILIA_ENVIRONMENT"], 1)
            await run_of_another.begin()
            block, undo = ("block", str(file), "--reason", "w", *job), ("undo", "w", *job[2:])
            told = [await asyncio.to_thread(run, {}, "bulk", *arguments, "--dry-run") for arguments in (block, undo)]
            await run_of_another.end([])
            return [f"{each.exit_code} {each.stderr}" for each in told]

    for each in asyncio.run(told()):
        assert each.startswith("2 tilia: the job 'w' ")
        assert str(os.getpid()) in each
