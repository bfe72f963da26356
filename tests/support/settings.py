"""Settings of the tests' applications.

They find the sandbox by the variables that ``from_env`` reads.
"""

import contextlib
import os
from collections.abc import Iterator

from tilia_sync import Sandbox


def variables(sandbox: Sandbox) -> dict[str, str]:
    return {
        "TILIA_CLIENT_ID": sandbox.client_id,
        "TILIA_CLIENT_SECRET": sandbox.client_secret,
        "TILIA_ENVIRONMENT": f"http://127.0.0.1:{sandbox.port}/{{service}}",
    }


@contextlib.contextmanager
def running_sandbox() -> Iterator[tuple[Sandbox, dict[str, str]]]:
    """Run a sandbox, and return its environment.

    For a process that is to use it.
    """
    with Sandbox(wallet_delay=0) as sandbox:
        yield sandbox, {**os.environ, **variables(sandbox)}
