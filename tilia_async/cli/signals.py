"""The signals that end a command which serves."""

from __future__ import annotations

import asyncio
import contextlib
import signal


async def until_signal() -> None:
    """Wait for SIGINT or SIGTERM."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no signal handlers in the loop; there Ctrl-C cancels the task instead.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, ended.set)
    with contextlib.suppress(asyncio.CancelledError):
        await ended.wait()
