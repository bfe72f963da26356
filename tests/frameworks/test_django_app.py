"""The app for Django: client, webhook view, admin of the ledger, system checks, command, in one project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.deliveries import BLOCK
from support.settings import running_sandbox

pytest.importorskip("django")
TESTS = Path(__file__).resolve().parents[1]


def test_a_project(tmp_path: Path) -> None:
    with running_sandbox() as (sandbox, environment):
        done = subprocess.run(
            [sys.executable, "-W", "error:::tilia_sync", TESTS / "support" / "django_project.py", tmp_path],
            env={**environment, "PYTHONPATH": str(TESTS)},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        (account_id,) = (each for each, account in sandbox.accounts.items() if account.username == "nyx")
        assert sandbox.accounts[account_id].is_blocked
    assert told["client"] == [True, "chargeback fraud", account_id]
    assert told["asynchronous views"] == [[200, 200], "in an asynchronous view", True]
    nobody = {"error": "NotFoundError", "operation": "accounts.find", "took_effect": False}
    assert told["errors"] == [[404, 404, 500], [nobody, nobody]]
    statuses, seen, sources = told["webhook"]
    # Without and with a login, what cannot be read, a receiver that fails, the same again, once more, an unblock.
    assert statuses == [405, 401, 400, 500, 204, 204, 204]
    assert seen == [[BLOCK["account_id"], True], [BLOCK["account_id"], False]]
    assert sources == ["webhook", "webhook"]
    pages, record, is_read_only = told["admin"]
    assert pages == [200, 200, 302, [403, 403, 403]]
    assert record == [account_id, "chargeback fraud", True, f"block of {account_id}: confirmed"]
    assert is_read_only
    errors = [
        "tilia.E001",
        "tilia.E001",
        "tilia.E001",
        "tilia.E002",
        "tilia.E004",
        "tilia.W001",
        "tilia.E003",
        "tilia.W002",
        "tilia.W003",
    ]
    assert told["checks"] == [[], *([each] for each in errors)]
    assert told["frames"] == [[True, False]] * 4
    assert told["command"]["account_id"] == account_id
    assert "404 Not Found" in done.stderr
    assert told["changed settings"] == [True, True, True]
