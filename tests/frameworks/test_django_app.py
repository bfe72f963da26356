"""The app for Django: client, webhook view, admin of the ledger, system checks, command, in one project."""

from __future__ import annotations

import json
import re
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


PAGE = (TESTS.parent / "docs" / "frameworks" / "django.md").read_text("utf-8")
OF_THE_PAGE = """
import base64, os, sys, types
import django
from django.conf import settings

page = dict(enumerate(sys.argv[1:]))
named = {}
exec(page[0].replace("[..., ", "["), named)
settings.configure(
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF="of_the_page",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", *named["INSTALLED_APPS"]],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "django.db"},
        "blocks": {"ENGINE": "django.db.backends.sqlite3", "NAME": "blocks.db"},
    },
    # What the page leaves open, and a database that is here.
    TILIA={
        **named["TILIA"],
        "CLIENT_ID": os.environ["TILIA_CLIENT_ID"],
        "CLIENT_SECRET": os.environ["TILIA_CLIENT_SECRET"],
        "ENVIRONMENT": os.environ["TILIA_ENVIRONMENT"],
        "LEDGER": "sqlite:///blocks.db",
        "WEBHOOK": {**named["TILIA"]["WEBHOOK"], "BASIC_AUTH": ("tilia", "a long random word")},
    },
)
django.setup()
from django.core.checks import run_checks
from django.test import Client, RequestFactory

urls = sys.modules["of_the_page"] = types.ModuleType("of_the_page")
exec(page[1], vars(urls))
registered = urls.register(RequestFactory().post("/"), "nyx")
login = base64.b64encode(b"tilia:a long random word").decode()
refused = Client().post("/tilia/", b"{}", content_type="application/json")
unread = Client().post("/tilia/", b"{}", content_type="application/json", headers={"Authorization": f"Basic {login}"})
print(run_checks(), registered.status_code, refused.status_code, unread.status_code)
"""


def test_what_the_page_shows(tmp_path: Path) -> None:
    blocks = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    with running_sandbox() as (sandbox, environment):
        done = subprocess.run(
            [sys.executable, "-W", "error:::tilia_sync", "-c", OF_THE_PAGE, *blocks],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (done.returncode, done.stdout.split("\n")[-2]) == (0, "[] 200 401 400"), done.stderr
        assert [account.username for account in sandbox.accounts.values()] == ["nyx"]
