"""The way from command line to exit status.

What goes wrong on it is told in a sentence.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import typer
from typer import rich_utils

from tilia_async.cli.app import app
from tilia_async.cli.terminal import CLOSED_PIPE, ClosedPipeError, Streams, complain
from tilia_async.errors import TiliaError, readable


@runtime_checkable
class _UsageError(Protocol):
    """A usage error of click.

    Some releases of typer bring click with them and others do not.
    """

    exit_code: int

    def format_message(self) -> str: ...


def run() -> int:
    """Run the command, and return its exit status.

    The one that the process was started with.
    """
    streams = Streams()
    try:
        status = _run()
        streams.flush()
    except ClosedPipeError:
        return CLOSED_PIPE
    except OSError as error:
        if error is not streams.failure:
            raise
        complain(f"tilia: standard output cannot be written: {error.strerror}")
        return 1
    return status


def _run() -> int:
    try:
        status: object = app(standalone_mode=False)
    except TiliaError as error:
        told = f"tilia: {error}"
    except typer.Abort:
        told = "tilia: stopped"
    except Exception as error:  # those of click have no root that each release of typer shows
        if not isinstance(error, _UsageError):
            raise
        _explain(error)
        return error.exit_code
    else:
        return status if isinstance(status, int) else 0
    # Not returned above: the frames of an error's commands hold what was given on the command line.
    complain(told)
    return 1


def _explain(error: _UsageError) -> None:
    """Explain a mistake on the command line.

    It may hold anything.
    """
    message = "\n".join(map(readable, error.format_message().split("\n")))
    # Of which click it is, its own or the one that is installed, typer alone knows.
    shown: Any = error
    shown.format_message = lambda: message
    rich_utils.rich_format_error(shown)
