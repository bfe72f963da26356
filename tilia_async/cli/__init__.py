"""The command ``tilia``. It needs the extra ``cli``."""

import sys


def main() -> None:
    """Run the command.

    Without the extra, it says how to get it.
    """
    try:
        from tilia_async.cli.run import run  # noqa: PLC0415 - only here is it known whether the extra is there
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        sys.exit(f"the command needs {error.name}, which is not installed: pip install 'tilia-sdk[cli]'")
    sys.exit(run())
