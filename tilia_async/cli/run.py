"""The way from command line to exit status.

What goes wrong on it is told in a sentence.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from tilia_async.cli.app import app
from tilia_async.cli.failure import ExitStatus, complain_of, complain_of_command, wants_json
from tilia_async.cli.terminal import CLOSED_PIPE, ClosedPipeError, Streams, complain
from tilia_async.errors import TiliaError


def run() -> int:
    """Run the command, and return its exit status.

    The one that the process was started with.
    """
    streams = Streams()
    try:
        status = status_of(sys.argv[1:])
        streams.flush()
    except ClosedPipeError:
        return CLOSED_PIPE
    except OSError as error:
        if error is not streams.failure:
            raise
        complain(f"tilia: standard output cannot be written: {error.strerror}")
        return 1
    return status


def status_of(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit status.

    What goes wrong is told on standard error.
    """
    as_json = wants_json(arguments)
    try:
        status: object = app.main(list(arguments), prog_name="tilia", standalone_mode=False)
    except TiliaError as error:
        failed: TiliaError | click.ClickException = error
    except click.Abort:
        complain("tilia: stopped; what was under way may have taken effect")
        return ExitStatus.INTERRUPTED
    except click.ClickException as error:
        failed = error
    else:
        return status if isinstance(status, int) else 0
    # Not told above: the frames of an error's commands hold what was given on the command line.
    failed.__traceback__ = failed.__context__ = None
    if isinstance(failed, TiliaError):
        return complain_of(failed, as_json=as_json)
    return complain_of_command(failed, as_json=as_json)
