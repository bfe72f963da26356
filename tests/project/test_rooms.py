"""Each room imports only what lies below it (DESIGN: arrows run one way)."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = {"cryptography", "filelock", "rich", "typer", "uvloop"}


def test_arrows_run_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("tilia_async", {*EXTRAS, "cattrs", "aiohttp.web", "tilia_async.sandbox", "tilia_sync"}),
        ("tilia_sync.client", {*EXTRAS, "cattrs"}),
        ("tilia_async.webhooks", {"cattrs", "aiohttp.web", "tilia_async.sandbox", "tilia_sync"}),
        ("tilia_async.sandbox", {"typer", "rich", "cattrs", "tilia_sync"}),
    ],
)
def test_an_import_loads_only_what_it_needs(module: str, absent: set[str]) -> None:
    script = f"import {module}, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert absent.isdisjoint(done.stdout.split())
