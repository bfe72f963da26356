"""Every command, with a standard output that is not as one would like it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from support.commands import TILIA, environment
from support.forked import Case, run

import tilia_sync
from tilia_async.cli.api import OperationGroup
from tilia_async.cli.app import app

NAME = "Zoë ✓ 名"


@pytest.fixture
def account_id(served: tilia_sync.Sandbox, settings: dict[str, str]) -> str:
    with tilia_sync.TiliaClient(*settings.values()) as tilia:
        return tilia.accounts.register(NAME, email="zoe@mail.example").account_id


@pytest.fixture
def commands(account_id: str, tmp_path: Path, settings: dict[str, str]) -> dict[str, list[str]]:
    """Every command with arguments for it; all of them print something on standard output."""
    (tmp_path / "ids.txt").write_text(f"{account_id}\n")
    with tilia_sync.BlockLedger.open(f"sqlite:///{tmp_path / 'blocks.db'}") as ledger:
        with tilia_sync.TiliaClient(*settings.values(), ledger=ledger) as tilia:
            tilia.accounts.block(account_id, NAME, NAME)
            tilia.bulk.block([account_id], NAME, job_id="wave")
    recorded = ["--ledger", "blocks.db"]
    return {
        "demo": ["--accounts", "1"],
        "sandbox": ["--port", "0"],
        "scopes": [],
        "token": ["--scope", "search_accounts"],
        "doctor": [],
        "api": ["accounts.get", f"account_id={account_id}"],
        "completion": ["bash"],
        "openapi": [],
        "verify": [],
        "accounts get": [account_id],
        "accounts find": [NAME],
        "accounts register": [f"{NAME} 2", "--email", "zoe2@mail.example"],
        "accounts block": [account_id, "--reason", NAME, *recorded],
        "accounts unblock": [account_id],
        "wallets list": [account_id],
        "wallets balances": [account_id],
        "bulk block": ["ids.txt", "--reason", NAME, *recorded, "--job", NAME],
        "bulk unblock": ["ids.txt"],
        "bulk undo": ["wave", *recorded, "--dry-run"],
        "bulk lookup": ["ids.txt", "--output", "-"],
        "ledger history": [account_id, *recorded],
        "ledger pending": recorded,
        "ledger blocked": recorded,
        "ledger jobs": recorded,
        "ledger due": ["--before", "2031-01-01", *recorded],
        "ledger export": recorded,
    }


def leaves(command: click.Command, path: str = "") -> set[str]:
    if not isinstance(command, click.Group) or isinstance(command, OperationGroup):
        return {path.strip()}
    context = click.Context(command)
    found = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return set().union(*(leaves(each, f"{path} {name}") for name, each in found.items()))


def test_every_command_is_tried(commands: dict[str, list[str]]) -> None:
    elsewhere = {"listen", "trigger"}  # with a receiver, in test_notification_commands.py
    # What steers a running sandbox or a fleet is tried with one, in test_sandbox_commands.py and test_fleet.py.
    steering = {each for each in leaves(app) if each.startswith(("sandbox ", "fleet "))}
    assert commands.keys() == {*leaves(app), "sandbox"} - elsewhere - steering


@pytest.mark.parametrize(
    ("out", "status", "told"),
    [
        ("gone", 141, None),
        pytest.param("full", 1, "No space left on device", marks=pytest.mark.nightly),
        pytest.param("closed", 1, "Bad file descriptor", marks=pytest.mark.nightly),
    ],
)
def test_what_cannot_be_printed_ends_in_a_sentence_or_in_none(
    commands: dict[str, list[str]], settings: dict[str, str], tmp_path: Path, out: str, status: int, told: str | None
) -> None:
    cases = [Case([*name.split(), *arguments], settings, out) for name, arguments in commands.items()]
    cases += [
        Case(["accounts", "get", commands["accounts get"][0], "--json"], settings, out),
        Case(["--help"], {}, out),
    ]
    for case, end in zip(cases, run(cases, tmp_path), strict=True):
        assert "Traceback" not in end.stderr, (case.arguments, end.stderr)
        assert end.status == status, (case.arguments, end)
        if told is not None:
            assert told in end.stderr, case.arguments
        elif case.arguments[0] not in {"bulk", "sandbox"}:
            assert end.stderr == "", case.arguments


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("cp1252", marks=pytest.mark.nightly)])
def test_what_has_no_character_is_escaped(
    commands: dict[str, list[str]], settings: dict[str, str], tmp_path: Path, encoding: str
) -> None:
    commands["sandbox"] = ["--port", str(settings["TILIA_ENVIRONMENT"].split(":")[2].split("/")[0])]
    cases = [
        Case([*name.split(), *arguments], settings, encoding=encoding)
        for name, arguments in commands.items()
        if name != "ledger export"
        and (encoding == "ascii" or name in {"accounts get", "bulk lookup", "ledger history"})
    ]
    as_json = [Case([*name.split(), *commands[name], "--json"], settings, encoding=encoding) for name in ("accounts get", "ledger history", "bulk block")]  # fmt: skip
    for case, end in zip([*cases, *as_json], run([*cases, *as_json], tmp_path), strict=True):
        assert "Traceback" not in end.stderr, (case.arguments, end.stderr)
        assert end.status == (1 if case.arguments[0] == "sandbox" else 0), (case.arguments, end)
        if case in as_json:
            assert NAME in json.dumps(json.loads(end.stdout), ensure_ascii=False)


def test_the_variable_of_python_in_a_process_of_its_own(account_id: str, settings: dict[str, str]) -> None:
    for variables in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        done = subprocess.run(
            [*TILIA, "accounts", "get", account_id], env={**environment(settings), **variables, "PYTHONWARNINGS": "error"},
            capture_output=True, timeout=50, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert rb"Zo\xeb \u2713 \u540d" in done.stdout


def test_a_pipe_that_closes_is_quiet_to_the_end_of_the_process() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*TILIA, "scopes"], env=environment({}), stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_neither_stream_is_there(tmp_path: Path) -> None:
    """No file of the command gets the number of one that was closed."""
    script = "import os, sys; os.closerange(0, 3); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    done = subprocess.run(
        [sys.executable, "-c", script, "-m", "tilia_async", "scopes"], env=environment({}), cwd=tmp_path, check=False
    )
    assert done.returncode == 1


@pytest.mark.nightly
def test_a_home_that_is_missing_or_cannot_be_written(
    commands: dict[str, list[str]], settings: dict[str, str], tmp_path: Path
) -> None:
    for name in ("demo", "sandbox"):
        del commands[name]
    home = "/no/such/home"
    everywhere = {**settings, **dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR"), home)}
    cases = [Case([*name.split(), *arguments], everywhere) for name, arguments in commands.items()]
    for case, end in zip(cases, run(cases, tmp_path), strict=True):
        assert (end.status, "Traceback" in end.stderr) == (0, False), (case.arguments, end)
