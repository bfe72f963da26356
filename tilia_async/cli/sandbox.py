"""``tilia sandbox``: the embedded Tilia by itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterable

import typer

from tilia_async.cli.terminal import complain, say
from tilia_async.sandbox import Sandbox


async def run(port: int, seed: int, allowed_hosts: Iterable[str] = ()) -> int:
    """Serve until SIGINT or SIGTERM.

    Returns:
        The exit status: 1 if the port is taken.
    """
    try:
        sandbox = Sandbox(port, seed=seed, allowed_hosts=allowed_hosts)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--allowed-host") from None
    try:
        await sandbox.start()
    except OSError as error:
        complain(f"tilia sandbox: cannot listen at port {port}: {error.strerror}")
        return 1
    try:
        # Lines that a shell can read: eval "$(tilia sandbox | head -n 3)" would be too clever, copying is not.
        say(f"export TILIA_CLIENT_ID={sandbox.client_id}")
        say(f"export TILIA_CLIENT_SECRET={sandbox.client_secret}")
        say(f"export TILIA_ENVIRONMENT='{sandbox.environment.template}'")
        complain(f"The sandbox runs at port {sandbox.port}; Ctrl-C ends it.")
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
