"""Runs of the command ``tilia``.

In this process, or in one of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import attrs
from click.testing import CliRunner

import tilia_sync
from tilia_async.cli.run import status_of

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


@attrs.frozen
class Ended:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def run(settings: Mapping[str, str], *arguments: str, given: bytes | None = None) -> Ended:
    """Run the command in this process."""
    unset = {name: None for name in os.environ if name.startswith("TILIA_")}
    with CliRunner().isolation(given, {**unset, "COLUMNS": "100", **settings}) as (out, err, _):
        status = status_of(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        told = [each.getvalue().decode().replace("\r\n", "\n") for each in (out, err)]
    return Ended(status, *told)


def blocks(sandbox: tilia_sync.Sandbox) -> int:
    """Return the number of requests to block."""
    return sum(request.operation == "accounts.block" for request in sandbox.requests)
