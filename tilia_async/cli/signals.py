"""The signals that end a command.

Whoever runs it in a process of theirs gets their handlers back.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Generator


async def until_signal() -> None:
    """Wait for SIGINT or SIGTERM."""
    ended = asyncio.Event()
    with (
        handled(signal.SIGINT, ended.set),
        handled(signal.SIGTERM, ended.set),
        contextlib.suppress(asyncio.CancelledError),
    ):
        await ended.wait()


@contextlib.contextmanager
def handled(number: signal.Signals, act: Callable[[], object]) -> Generator[None]:
    """Have the running loop do something when a signal comes.

    Windows has no signal handlers in the loop, and a thread has no signals: there Ctrl-C cancels the task instead.
    """
    loop = asyncio.get_running_loop()
    before = signal.getsignal(number)
    try:
        loop.add_signal_handler(number, act)
    except (NotImplementedError, RuntimeError, ValueError):
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
        if before is not None:
            signal.signal(number, before)
