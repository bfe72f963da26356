"""The README and the other pages are true: their commands exist, and their Python runs as printed."""

import inspect
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from tilia_async import TiliaClient
from tilia_async.api import OPERATIONS
from tilia_sync import Sandbox

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGES = {"README.md": README} | {
    path.relative_to(ROOT / "docs").as_posix(): path.read_text() for path in sorted((ROOT / "docs").rglob("*.md"))
}
SNIPPETS = {
    f"{name}-{number}": snippet
    for name, page in PAGES.items()
    for number, snippet in enumerate(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL), start=1)
    # tests/testing runs those by pytest, and tests/fleet those that need a database.
    if "def test_" not in snippet and "TILIA_LEDGER" not in snippet
}
COMMANDS = (
    "python3 -m venv .venv && .venv/bin/pip install -q '.[cli]' && .venv/bin/tilia demo",
    "python3 -m venv .venv && .venv/bin/pip install -q nox && .venv/bin/nox -s tests",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_stands_alone_on_its_line(command: str) -> None:
    assert README.splitlines().count(command) == 1


@pytest.mark.parametrize("snippet", SNIPPETS.values(), ids=SNIPPETS)
def test_a_snippet_runs_as_printed(snippet: str, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        settings = {
            "TILIA_CLIENT_ID": sandbox.client_id,
            "TILIA_CLIENT_SECRET": sandbox.client_secret,
            "TILIA_ENVIRONMENT": sandbox.environment.template,
            "TILIA_WEBHOOK_PASSWORD": "a long random word",
        }
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", snippet],
            cwd=tmp_path,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        # How long a step took tells of the machine, not of the snippet.
        complaints = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
        assert (done.returncode, complaints) == (0, [])


def test_there_are_snippets_for_both_packages() -> None:
    assert any("tilia_async" in snippet for snippet in SNIPPETS.values())
    assert any("tilia_sync" in snippet for snippet in SNIPPETS.values())


def test_every_method_is_listed() -> None:
    listed = {
        f"{service}.{method}"
        for service, methods in re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGES["methods.md"], re.MULTILINE)
        for method in re.findall(r"`(\w+)`", methods)
    }
    services = typing.get_type_hints(TiliaClient)
    assert listed == {f"{name}.{method}" for name, kind in services.items() for method in public_methods(kind)}
    assert listed >= set(OPERATIONS)


def public_methods(service: type) -> list[str]:
    return [name for name, member in vars(service).items() if inspect.isfunction(member) and not name.startswith("_")]
