"""Runs of the command ``tilia``.

In this process, or in one of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from typer.testing import CliRunner, Result

import tilia_sync
from tilia_async.cli.app import app

TILIA = [sys.executable, "-m", "tilia_async"]


def settings_of(sandbox: tilia_sync.Sandbox) -> dict[str, str]:
    return {
        "TILIA_CLIENT_ID": sandbox.client_id,
        "TILIA_CLIENT_SECRET": sandbox.client_secret,
        "TILIA_ENVIRONMENT": sandbox.environment.template,
    }


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TILIA_")}
    return {**clean, "COLUMNS": "100", **settings}


def run(settings: Mapping[str, str], *arguments: str, given: bytes | None = None) -> Result:
    """Run the command in this process."""
    unset = {name: None for name in os.environ if name.startswith("TILIA_")}
    result = CliRunner().invoke(app, arguments, input=given, env={**unset, "COLUMNS": "100", **settings})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def blocks(sandbox: tilia_sync.Sandbox) -> int:
    """Return the number of requests to block."""
    return sum(request.operation == "accounts.block" for request in sandbox.requests)
