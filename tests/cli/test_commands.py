"""The command ``tilia``, as a person or a script runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from support.commands import run

import tilia_sync

TILIA = [sys.executable, "-X", "dev", "-W", "error", "-m", "tilia_async"]


def without_slowness(stderr: str) -> str:
    """Output of a command without what asyncio's debug mode tells of a machine that is busy, which is no warning."""
    return re.sub(r"^Executing <.*> took [\d.]+ seconds\n", "", stderr, flags=re.MULTILINE)


def test_the_demo_walks_through_without_a_warning() -> None:
    started = time.monotonic()
    done = subprocess.run(
        [*TILIA, "demo", "--accounts", "200"], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, without_slowness(done.stderr)) == (0, "")
    assert time.monotonic() - started < 20
    for told in (
        "auth/token", "registration/v2/register", "accounts/register", "wallets/balances/{account_id}",
        "AccountBlockedError", "OutcomeUnknownError", "200 of 200 are blocked", "from 8 threads", "scope block_accounts",
    ):  # fmt: skip
        assert told in done.stdout
    assert "\x1b[" not in done.stdout, "a file gets no colours"
    assert not re.search(r"[ \t]+$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_runs_by_itself_until_a_signal(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*TILIA, "sandbox", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        lines = [served.stdout.readline() for _ in range(3)]
        settings = dict(re.fullmatch(r"export (\w+)='?([^'\n]+)'?\n", line).groups() for line in lines)
        assert list(settings) == ["TILIA_CLIENT_ID", "TILIA_CLIENT_SECRET", "TILIA_ENVIRONMENT"]
        with tilia_sync.TiliaClient(*settings.values()) as tilia:
            assert tilia.accounts.register("nyx", email="nyx@mail.example").username == "nyx"
        taken = subprocess.run(
            [*TILIA, "sandbox", "--port", re.search(r":(\d+)/", settings["TILIA_ENVIRONMENT"])[1]],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert taken.returncode == 1
        assert "cannot listen" in taken.stderr
        served.send_signal(number)
        _, stderr = served.communicate(timeout=20)
    assert served.returncode == 0
    first, _, *served_requests = without_slowness(stderr).splitlines()
    assert "Ctrl-C" in first
    assert [line.split()[4] for line in served_requests] == ["auth.token", "accounts.register"]


def test_without_the_extra_it_says_how_to_get_it() -> None:
    script = "import sys; sys.modules['click'] = None; from tilia_async.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "the command needs click, which is not installed: pip install 'tilia-sdk[cli]'\n"


def test_the_command_is_installed() -> None:
    command = os.path.join(os.path.dirname(sys.executable), "tilia")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "demo" in done.stdout
    assert "sandbox" in done.stdout


def test_accounts_and_wallets_from_the_command_line(served: tilia_sync.Sandbox, settings: dict[str, str]) -> None:
    with tilia_sync.TiliaClient(*settings.values()) as client:
        account_id = client.accounts.register("nyx", email="nyx@mail.example").account_id
    served.fund(account_id, tilia_sync.Money(1250, "USD"))
    assert json.loads(run(settings, "accounts", "find", "nyx", "--json").stdout)["account_id"] == account_id
    assert json.loads(run(settings, "accounts", "block", account_id, "--json").stdout) == {"is_blocked": True}
    assert "nyx@mail.example" in run(settings, "accounts", "get", account_id).stdout
    assert json.loads(run(settings, "accounts", "unblock", account_id, "--json").stdout) == {"is_blocked": False}
    listed = json.loads(run(settings, "wallets", "list", account_id, "--json").stdout)
    assert [(wallet["currency"], wallet["amount"]) for wallet in listed] == [("USD", 1250), ("TOK", 0), ("TOK", 0)]
    assert "$12.50" in run(settings, "wallets", "balances", account_id).stdout
    missing = run(settings, "accounts", "get", "nobody")
    assert (missing.exit_code, missing.stdout) == (4, "")
    assert missing.stderr.startswith("tilia: accounts.get: 404 Not Found")


def test_a_token_is_shown_only_if_asked_for(settings: dict[str, str]) -> None:
    told = json.loads(run(settings, "token", "--scope", "user_info", "--scope", "read_wallets", "--json").stdout)
    assert told["scopes"] == ["read_wallets", "user_info"]
    assert "access_token" not in told
    assert (
        len(json.loads(run(settings, "token", "--scope", "user_info", "--reveal", "--json").stdout)["access_token"])
        > 20
    )


def test_the_doctor_finds_what_is_wrong(settings: dict[str, str]) -> None:
    well = run(settings, "doctor")
    assert (well.exit_code, well.stderr) == (0, "")
    wrong = run({**settings, "TILIA_CLIENT_SECRET": "not-the-secret"}, "doctor", "--json")
    assert wrong.exit_code == 1
    assert "check client id and secret" in wrong.stdout
    assert {row["result"] for row in json.loads(wrong.stdout)} == {"ok", "WRONG"}
    assert "not-the-secret" not in wrong.stdout
    empty = run({}, "doctor")
    assert empty.exit_code == 1
    assert empty.stdout.count("WRONG") == 3


def test_the_scopes_of_operations() -> None:
    rows = json.loads(run({}, "scopes", "accounts", "--json").stdout)
    assert {row["operation"]: row["scopes"] for row in rows}["accounts.block"] == "block_accounts"
    assert run({}, "scopes", "nothing").exit_code == 2


def test_a_command_without_settings_names_the_variables() -> None:
    done = run({}, "accounts", "get", "acct_1")
    assert done.exit_code == 2
    assert done.stderr == (
        "tilia: the environment variables TILIA_CLIENT_ID, TILIA_CLIENT_SECRET and TILIA_ENVIRONMENT are not set\n"
    )


@pytest.mark.parametrize("command", [("accounts", "get"), ("accounts", "block"), ("wallets", "balances")])
def test_a_username_is_noticed_or_looked_up(
    served: tilia_sync.Sandbox, settings: dict[str, str], command: tuple[str, ...]
) -> None:
    account_id = served.add_account("nyx")
    hint = "An account id looks like acct_… or a UUID; for a username say --by username.\n"
    refused = run(settings, *command, "nyx")
    assert (refused.exit_code, refused.stderr.endswith(hint)) == (4, True)
    assert hint.strip() in json.loads(run(settings, *command, "nyx", "--json").stderr)["error"]["what_to_do"]
    nobody = run(settings, *command, "acct_2zkoZveOEZ6tOQU2i7bYAVnRrgM")
    assert (nobody.exit_code, "--by username" in nobody.stderr) == (4, False)
    done = run(settings, *command, "nyx", "--by", "username")
    assert done.exit_code == 0
    assert account_id in list(served.requests)[-1].path
    unknown = run(settings, *command, "vex", "--by", "username")
    assert (unknown.exit_code, "accounts.find" in unknown.stderr) == (4, True)
