"""Rules of every command: what it loads, its help, its exit status, its errors as JSON."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from support.commands import run

import tilia_sync
from tilia_async.cli.app import COMMANDS, app
from tilia_async.cli.network import Network
from tilia_async.sandbox import Fault
from tilia_async.version import __version__

HEAVY = (
    "tilia_async.cli.demo",
    "tilia_async.cli.doctor",
    "tilia_async.sandbox",
    "tilia_sync",
    "sqlalchemy",
    "pydantic",
)


@pytest.mark.parametrize("arguments", [["accounts", "get", "acct_1"], ["--help"], ["wallets", "list", "acct_1"]])
def test_a_command_loads_no_other(arguments: list[str]) -> None:
    script = (
        "import sys; from tilia_async.cli.run import status_of; status_of(sys.argv[1:]); print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()
    assert "tilia_async.cli.app" in loaded
    assert [name for name in HEAVY if name in loaded] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_of_a_command_is_what_its_help_says(name: str) -> None:
    """The summary stands beside the command's place, so that the help need not import it."""
    command = COMMANDS[name].load()
    assert command.name == name
    assert command.get_short_help_str(200) == COMMANDS[name].summary


def every(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [path, *(each for name, sub in found if sub is not None for each in every(sub, (*path, name)))]


def test_every_help_fits_eighty_columns() -> None:
    for path in every(app):
        for flag in ("-h", "--help"):
            done = run({"COLUMNS": "80"}, *path, flag)
            assert (done.exit_code, done.stderr) == (0, ""), path
            assert max(map(len, done.stdout.splitlines())) <= 80, path
            assert done.stdout.startswith(f"Usage: {' '.join(('tilia', *path))}")


@pytest.mark.parametrize("path", [(), ("accounts",), ("api",)])
def test_a_group_alone_says_what_it_has(path: tuple[str, ...]) -> None:
    done = run({}, *path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == run({}, *path, "-h").stdout


def test_the_version() -> None:
    assert run({}, "--version").stdout == f"tilia {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell: str) -> None:
    assert "_TILIA_COMPLETE" in run({}, "completion", shell).stdout


def test_words_are_completed() -> None:
    settings = {"_TILIA_COMPLETE": "bash_complete", "COMP_WORDS": "tilia acc", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tilia_async"], env=settings, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("plain,accounts\n", "")


@pytest.mark.parametrize(
    ("arguments", "fault", "status", "kind"),
    [
        (("get", "nobody"), None, 4, "NotFoundError"),
        (("get", "a/b"), None, 2, "InvalidRequestError"),
        (("get",), None, 2, "MissingParameter"),
        (("block", "nobody"), None, 4, "NotFoundError"),
        (("block", "{account}"), Fault.DROP_AFTER_COMMIT, 3, "OutcomeUnknownError"),
        (("block", "{account}"), Fault.SERVER_ERROR_EMPTY, 3, "ServerError"),
        (("get", "{account}"), Fault.SERVER_ERROR_EMPTY, 1, "ServerError"),
        (("get", "{account}"), Fault.DROP_BEFORE_COMMIT, 5, "TransportError"),
        (("register", "bot-0", "--email", "a@mail.example"), None, 1, "AccountExistsError"),
    ],
)
def test_the_exit_status_says_what_is_known(
    served: tilia_sync.Sandbox,
    settings: dict[str, str],
    account_ids: list[str],
    arguments: tuple[str, ...],
    fault: Fault | None,
    status: int,
    kind: str,
) -> None:
    named = [each.format(account=account_ids[0]) for each in arguments]
    if fault is not None:
        served.faults.add(f"accounts.{arguments[0]}", fault, times=10)
    people = run(settings, "accounts", *named)
    assert (people.exit_code, people.stdout) == (status, "")
    assert "tilia: " in people.stderr
    program = run(settings, "accounts", *named, "--json")
    assert (program.exit_code, program.stdout) == (status, "")
    told = json.loads(program.stderr)
    assert (told["exit_status"], told["error"]["type"]) == (status, kind)
    assert told["error"]["took_effect"] is (None if status == 3 else False)


def test_nobody_there_has_a_status_of_its_own(settings: dict[str, str]) -> None:
    gone = {**settings, "TILIA_ENVIRONMENT": "http://127.0.0.1:1/{service}"}
    assert run(gone, "accounts", "get", "acct_1").exit_code == 5
    assert run({**settings, "TILIA_CLIENT_SECRET": "wrong"}, "accounts", "get", "acct_1").exit_code == 1


def test_a_reason_that_nobody_keeps_gets_a_warning(settings: dict[str, str], account_ids: list[str]) -> None:
    done = run(settings, "accounts", "block", account_ids[0], "--reason", "fraud", "--actor", "ops")
    assert done.exit_code == 0
    assert "--reason and --actor will be on no record" in done.stderr
    assert run(settings, "accounts", "unblock", account_ids[0]).stderr == ""


def test_a_registration(settings: dict[str, str]) -> None:
    done = run(settings, "accounts", "register", "nyx", "--platform", "steam=7656", "--city", "Oslo", "--json")
    told = json.loads(done.stdout)
    assert (told["username"], told["external_platforms"]["steam"]["user_id"], told["city"]) == ("nyx", "7656", "Oslo")
    wrong = run(settings, "accounts", "register", "vex", "--platform", "gog=1")
    assert (wrong.exit_code, "'gog=1' is not PLATFORM=ID with one of steam" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("bulk", "block", "no such file", "--reason", "x"), 2, "no such file: it cannot be read"),
        (("bulk", "block", "-", "--reason", "x", "--job", "j"), 2, "give --ledger or set TILIA_LEDGER"),
        (("ledger", "jobs", "--ledger", "none.db"), 2, "there is no ledger at"),
        (("trigger", "kyc-webhook", "--to", "http://127.0.0.1:1/"), 5, "gives no answer"),
        (("accounts", "get", "a", "--proxy", "nonsense"), 2, "proxy"),
        (("accounts", "get", "a", "--ca-file", "none.pem"), 2, "none.pem cannot be used"),
        (("accounts", "gett"), 2, "No such command"),
    ],
)
def test_every_failure_is_json_if_json_is_asked_for(
    settings: dict[str, str], arguments: tuple[str, ...], status: int, message: str
) -> None:
    done = run(settings, *arguments, "--json")
    assert (done.exit_code, done.stdout) == (status, "")
    told = json.loads(done.stderr)
    assert told["exit_status"] == status
    assert message in told["error"]["message"]
    assert told["error"]["took_effect"] is False


def test_what_is_typed_after_the_options_end_is_no_option(settings: dict[str, str]) -> None:
    done = run(settings, "accounts", "get", "--", "--json")
    assert done.exit_code == 4
    assert done.stderr.startswith("tilia: ")


def test_ctrl_c_says_what_may_have_happened(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Network, "ask", interrupted)
    done = run(settings, "accounts", "block", "acct_1")
    assert done.exit_code == 130
    assert "what was under way may have taken effect" in done.stderr


def test_ids_are_whole_in_a_narrow_pipe(settings: dict[str, str], account_ids: list[str], tmp_path: Path) -> None:
    narrow = {**settings, "COLUMNS": "20", "TILIA_LEDGER": str(tmp_path / "b.db")}
    job = "a-job-with-a-name-that-is-longer-than-any-line-of-this-terminal"
    one = account_ids[0].encode()
    assert run(narrow, "bulk", "block", "-", "--reason", "x", "--job", job, given=one).exit_code == 0
    for command in (
        ("accounts", "get", account_ids[0]),
        ("ledger", "history", account_ids[0]),
        ("ledger", "blocked"),
        ("bulk", "lookup", "-"),
    ):
        done = run(narrow, *command, given=f"{account_ids[0]}\nnobody-{'x' * 29}\n".encode())
        assert account_ids[0] in done.output, command
    assert f"nobody-{'x' * 29}" in done.stdout
    wallets = run(narrow, "wallets", "list", account_ids[0])
    ids = [each["wallet_id"] for each in json.loads(run(narrow, "wallets", "list", account_ids[0], "--json").stdout)]
    assert ids
    assert all(each in wallets.stdout for each in ids)
    for command in (("ledger", "jobs"), ("ledger", "history", account_ids[0])):
        assert job in run(narrow, *command).stdout


def test_a_mistyped_command_and_a_missing_choice_are_told_plainly() -> None:
    typed = run({}, "acounts", "get", "x")
    assert (typed.exit_code, "there is no command 'acounts'; there is accounts" in typed.stderr) == (2, True)
    missing = run({}, "trigger")
    assert (missing.exit_code, "\n  kyc-webhook,\n" in missing.stderr, "\\t" in missing.stderr) == (2, True, False)
