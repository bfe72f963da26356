"""Nothing that a player, a file, a ledger, Tilia or an argument says never commands the terminal, whichever command shows it."""

import json
import re
from pathlib import Path

import pytest
from support.forked import Case, Ending, run

import tilia_sync

HOSTILE = (
    "nyx\\[/] [red] [link=https://evil.example]x[/link] :smile: \x1b[2J\x1b]0;owned\x07 "
    "\x1b]8;;https://evil.example\x1b\\ \x9b31m\x90q \u202egnp.exe\u2066 \u200b\u2028 \r\n\x08\x7f\x00"
)
ARGUMENT = HOSTILE.replace("\x00", "")
OURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[hl]|\x1b\[[0-9]*[AK]|\x1b\[2K|\r")
"""Colours, and what a bar that is drawn again and again needs."""


def check(case: Case, end: Ending) -> str:
    """Nothing in it can command a terminal; what is shown."""
    for stream in (end.stdout, end.stderr):
        shown = OURS.sub("", stream) if case.out == "terminal" else stream
        raw = [each for each in shown if not each.isprintable() and each != "\n"]
        assert not raw, (case.arguments, raw, stream)
    assert "Traceback" not in end.stderr + end.stdout, (case.arguments, end)
    assert "😄" not in end.stdout, case.arguments
    return end.stdout


@pytest.fixture
def account_id(served: tilia_sync.Sandbox, settings: dict[str, str]) -> str:
    with tilia_sync.TiliaClient(*settings.values()) as tilia:
        account_id = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
    served.accounts[account_id].username = HOSTILE
    return account_id


@pytest.mark.parametrize("out", [pytest.param("file", marks=pytest.mark.nightly), "terminal"])
def test_in_any_command(
    served: tilia_sync.Sandbox, settings: dict[str, str], account_id: str, tmp_path: Path, out: str
) -> None:
    (tmp_path / "ids.txt").write_text(f"{account_id}\n")
    (tmp_path / "odd.csv").write_text(f'account_id,why\n"{ARGUMENT}",x\n')
    (tmp_path / "columns.csv").write_text(f'"{ARGUMENT[:-4]}",why\na,b\n', newline="")
    with tilia_sync.BlockLedger.open(f"sqlite:///{tmp_path / 'blocks.db'}") as ledger:
        with tilia_sync.TiliaClient(*settings.values(), ledger=ledger) as tilia:
            tilia.accounts.block(account_id, ARGUMENT, ARGUMENT)
    recorded = ["--ledger", "blocks.db"]
    told = [
        ["accounts", "get", account_id],
        ["ledger", "history", account_id, *recorded],
        ["ledger", "blocked", *recorded],
        ["ledger", "due", "--before", "2031-01-01", *recorded],
        ["bulk", "block", "ids.txt", "--reason", ARGUMENT, "--actor", ARGUMENT, "--job", ARGUMENT, *recorded],
        ["bulk", "undo", ARGUMENT, *recorded, "--dry-run"],
        ["bulk", "lookup", "ids.txt", "--output", "-"],
        *([["ledger", "export", *recorded]] if out == "terminal" else []),
    ]
    refused = [
        ["accounts", "get", ARGUMENT],
        ["accounts", "find", ARGUMENT],
        ["accounts", "block", ARGUMENT, "--reason", ARGUMENT],
        ["wallets", "list", ARGUMENT],
        ["wallets", "balances", account_id, "--currency", ARGUMENT],
        ["token", "--scope", ARGUMENT],
        ["scopes", ARGUMENT],
        ["bulk", "block", "odd.csv", "--reason", "x"],
        ["bulk", "block", "columns.csv", "--reason", "x"],
        ["bulk", "block", "ids.txt", "--reason", "x", "--column", ARGUMENT],
        ["bulk", "block", f"no {ARGUMENT}", "--reason", "x"],
        ["bulk", "undo", ARGUMENT, "--ledger", ARGUMENT],
        ["ledger", "due", "--before", ARGUMENT, *recorded],
        ["ledger", "export", "--format", ARGUMENT, *recorded],
        ["ledger", "export", f"/no/such/{ARGUMENT}", *recorded],
        ["sandbox", "--port", ARGUMENT],
        [ARGUMENT],
        ["accounts", f"--{ARGUMENT}"],
        ["accounts", ARGUMENT],
    ]
    cases = [Case(arguments, settings, out) for arguments in (*told, *refused)]
    cases += [Case(["doctor"], {**settings, "TILIA_ENVIRONMENT": ARGUMENT}, out)]
    cases += [Case(["accounts", "get", "x"], {**settings, "TILIA_ENVIRONMENT": ARGUMENT}, out)]
    for case, end in zip(cases, run(cases, tmp_path), strict=True):
        shown = check(case, end)
        if case.arguments in told:
            assert end.status == 0, (case.arguments, end)
        else:
            assert end.status != 0, case.arguments
        if case.arguments[:2] in (["accounts", "get"], ["ledger", "history"]) and case.arguments in told:
            assert "[link=https://evil.example]x[/link]" in shown.replace("\n", "").replace("    ", ""), shown


def test_json_says_it_all_and_commands_nothing(settings: dict[str, str], account_id: str, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text(f"{account_id}\n")
    commands = (["accounts", "get", account_id, "--json"], ["bulk", "lookup", "ids.txt", "--output", "-"])
    for case, end in zip(cases := [Case(each, settings) for each in commands], run(cases, tmp_path), strict=True):
        assert json.loads(check(case, end))["username"] == HOSTILE


def test_one_place_prints() -> None:
    """No other module of the command makes a console, reads markup or prints by itself."""
    import tilia_async.cli

    for path in Path(tilia_async.cli.__file__).parent.glob("*.py"):
        if path.name != "terminal.py":
            found = re.findall(
                r"\bConsole\(|from_markup|rich\.markup|\bprint\((?<!\.print\()|\becho\(|\[/\]", path.read_text()
            )
            assert not found, (path.name, found)
