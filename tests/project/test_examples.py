"""The examples run, and end as they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.counts import count

GAME_SERVER = Path(__file__).resolve().parents[2] / "examples" / "game_server.py"


def play(*options: str, timeout: float = 120) -> str:
    """Output of the game server, which ends well only if the book and the wallets agree and nothing is left behind."""
    done = subprocess.run(
        [sys.executable, "-W", "error", GAME_SERVER, *options],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def told(output: str, pattern: str) -> float:
    (found,) = re.findall(pattern, output)
    return float(found.replace(",", ""))


def test_a_short_game_under_fire() -> None:
    output = play("--players", "120", "--rate", "100", "--faults", "40", "--seed", "3")
    assert told(output, r"([\d,]+) connected") == 120
    assert told(output, r"([\d,]+) of [\d,]+ purchases paid") > 10
    assert told(output, r"([\d,]+) left in the middle") > 2
    assert told(output, r"([\d,]+) accounts banned") > 2


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_two_thousand_players_and_a_loop_that_is_never_held_up() -> None:
    output = play("--players", "2000", "--rate", "150", "--faults", "20", timeout=570)
    assert told(output, r"([\d,]+) connected") == 2000
    assert told(output, r"left behind: (\d+) files") == 0
    assert told(output, r"p99 ([\d.]+) ms, most") <= 20
    count("players of a game under fire", 2000)
