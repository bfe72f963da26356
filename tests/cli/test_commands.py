"""The command ``tilia``, as a person or a script runs it."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

import tilia_sync

TILIA = [sys.executable, "-X", "dev", "-W", "error", "-m", "tilia_async"]


def test_the_demo_walks_through_without_a_warning() -> None:
    started = time.monotonic()
    done = subprocess.run(
        [*TILIA, "demo", "--accounts", "200"], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
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
    assert stderr.splitlines() == [stderr.splitlines()[0]]
    assert "Ctrl-C" in stderr


def test_without_the_extra_it_says_how_to_get_it() -> None:
    script = "import sys; sys.modules['typer'] = None; from tilia_async.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "the command needs typer, which is not installed: pip install 'tilia-sdk[cli]'\n"


def test_the_command_is_installed() -> None:
    command = os.path.join(os.path.dirname(sys.executable), "tilia")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "demo" in done.stdout
    assert "sandbox" in done.stdout
