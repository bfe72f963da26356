"""The command ``tilia``. It needs the extra ``cli``."""

import sys

from tilia_async.errors import TiliaError


def main() -> None:
    """Run the command; without the extra, say how to get it."""
    try:
        from tilia_async.cli.app import app  # noqa: PLC0415 - only here is it known whether the extra is there
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit(f"the command needs {error.name}, which is not installed: pip install 'tilia-sdk[cli]'")
    try:
        app()
    except TiliaError as error:
        told = f"tilia: {error}"
    else:
        return
    # Not raised above: the frames of an error's commands hold what was given on the command line.
    sys.exit(told)
