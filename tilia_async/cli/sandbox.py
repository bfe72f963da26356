"""``tilia sandbox``: the embedded Tilia by itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

from tilia_async.sandbox import Sandbox


async def run(port: int, seed: int) -> int:
    """Serve until SIGINT or SIGTERM.

    Returns:
        The exit status: 1 if the port is taken.
    """
    sandbox = Sandbox(port, seed=seed)
    try:
        await sandbox.start()
    except OSError as error:
        print(f"tilia sandbox: cannot listen at port {port}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        # Lines that a shell can read: eval "$(tilia sandbox | head -n 3)" would be too clever, copying is not.
        print(f"export TILIA_CLIENT_ID={sandbox.client_id}")
        print(f"export TILIA_CLIENT_SECRET={sandbox.client_secret}")
        print(f"export TILIA_ENVIRONMENT='{sandbox.environment.template}'", flush=True)
        print(f"The sandbox runs at port {sandbox.port}; Ctrl-C ends it.", file=sys.stderr, flush=True)
        await _until_signal()
    finally:
        await sandbox.aclose()
    return 0


async def _until_signal() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no signal handlers in the loop; there Ctrl-C cancels the task instead.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, ended.set)
    with contextlib.suppress(asyncio.CancelledError):
        await ended.wait()
