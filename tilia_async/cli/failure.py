"""Failures of a command: sentence or JSON, and exit status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

import click

from tilia_async.cli.terminal import complain, complain_json
from tilia_async.errors import (
    ApiError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    TiliaError,
    TokenError,
    TransportError,
)
from tilia_async.text import readable

_HINT = "Hint: "
"""Beginning of notes for the person at the command.

Other notes are for whoever reads a traceback.
"""


class ExitStatus(IntEnum):
    """Exit status of every command."""

    DONE = 0
    REFUSED = 1
    """Refused by Tilia, or not all done."""
    USAGE = 2
    """Wrong command, setting or input; nothing was sent."""
    UNKNOWN = 3
    """Outcome unknown, or done with an answer nobody can read."""
    NOT_FOUND = 4
    UNREACHABLE = 5
    """No answer from Tilia; nothing was done."""
    INTERRUPTED = 130
    """Ended by Ctrl-C, as shells count."""
    TERMINATED = 143


class CommandError(click.ClickException):
    """A command that cannot go on, for this machine's reasons.

    Attributes:
        status: the exit status.
    """

    def __init__(self, message: str, status: ExitStatus = ExitStatus.REFUSED) -> None:
        super().__init__(message)
        self.status = status


def exit_status_of(error: TiliaError) -> ExitStatus:
    """Return the exit status for an error."""
    if error.took_effect is not False:
        return ExitStatus.UNKNOWN
    if isinstance(error, ConfigurationError | InvalidRequestError):
        return ExitStatus.USAGE
    if isinstance(error, NotFoundError):
        return ExitStatus.NOT_FOUND
    return ExitStatus.UNREACHABLE if isinstance(error, TransportError) else ExitStatus.REFUSED


def wants_json(arguments: Sequence[str]) -> bool:
    """Tell whether a command line asks for JSON."""
    words = list(arguments)
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def add_hint(error: TiliaError, text: str) -> None:
    """Add what the person at the command may have meant."""
    error.add_note(f"{_HINT}{text}")


def _hints(error: TiliaError) -> list[str]:
    notes: list[str] = getattr(error, "__notes__", [])
    return [note.removeprefix(_HINT) for note in notes if note.startswith(_HINT)]


def complain_of(error: TiliaError, *, as_json: bool) -> ExitStatus:
    """Print an error, and return its exit status."""
    status = exit_status_of(error)
    if not as_json:
        complain(f"tilia: {error}")
        for hint in _hints(error):
            complain(hint)
        if error.took_effect is None:
            complain("It may be done already: look before you do it again.")
        return status
    fields: dict[str, object] = {
        **error.to_dict(),
        "what_to_do": " ".join([error.remedy, *_hints(error)]),
    }
    if isinstance(error, ApiError):
        fields |= {
            "status": error.status,
            "codes": list(error.codes),
            "messages": list(error.messages),
            "field_errors": {name: list(reasons) for name, reasons in error.field_errors.items()},
            "retryable": error.retryable,
        }
    if isinstance(error, TokenError):
        fields["status"] = error.status
    if isinstance(error, InvalidRequestError):
        fields["problems"] = error.problems
    _say(fields, status)
    return status


def complain_of_command(error: click.ClickException, *, as_json: bool) -> int:
    """Explain a wrong command, and return its exit status.

    It may hold anything.
    """
    status = error.status if isinstance(error, CommandError) else error.exit_code
    # click indents its lists by tabs, which would be shown as what they are.
    message = "\n".join(map(readable, error.format_message().expandtabs(2).split("\n")))
    if as_json:
        fields = {"type": type(error).__name__, "message": message, "operation": None, "took_effect": False}
        _say(fields, status)
        return status
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        # Its message is the whole help.
        for line in message.split("\n"):
            complain(line)
        return status
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        complain(context.get_usage())
        complain(f"Try '{context.command_path} -h' for help.")
    for line in f"tilia: {message}".split("\n"):
        complain(line)
    return status


def _say(fields: Mapping[str, object], status: int) -> None:
    complain_json({"error": fields, "exit_status": int(status)})
