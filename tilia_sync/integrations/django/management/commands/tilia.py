"""``manage.py tilia``: the command, with the settings of the project."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Literal

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tilia_async.config import Environment
from tilia_sync.integrations.django.app_settings import read_settings


class Command(BaseCommand):
    """The command ``tilia``, with the project's settings."""

    help = "Tilia Pay: manage.py tilia --help"
    requires_system_checks: list[str] | tuple[str, ...] | Literal["__all__"] = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Run it as it stands on the command line."""
        _run(argv[2:])

    def add_arguments(self, parser: CommandParser) -> None:
        """Take all words as they are, for ``call_command``."""
        parser.add_argument("words", nargs=argparse.REMAINDER)

    def handle(self, *_arguments: object, words: Sequence[str], **_options: object) -> None:
        """Run it for ``call_command``.

        Raises:
            CommandError: it did not end well.
        """
        try:
            _run(words)
        except SystemExit as end:
            if end.code:
                raise CommandError(f"tilia ended with {end.code}") from None


def _run(words: Sequence[str]) -> None:
    from tilia_async.cli import main  # noqa: PLC0415 - other commands do without it

    os.environ.update(_variables())
    sys.argv = ["tilia", *words]
    main()


def _variables() -> dict[str, str]:
    """Return the settings as the command reads them.

    They stay in this process: nobody sees them in a list of processes.
    """
    given = read_settings()
    environment = given.environment
    if isinstance(environment, Environment):
        environment = environment.template
    secret, ledger = given.client_secret, given.ledger
    found = {
        "TILIA_CLIENT_ID": given.client_id,
        "TILIA_CLIENT_SECRET": None if secret is None else secret.reveal(),
        "TILIA_ENVIRONMENT": environment,
        "TILIA_LEDGER": None if ledger is None else ledger.reveal(),
    }
    return {name: value for name, value in found.items() if value is not None}
