"""SIGTERM for workers, beside whoever waits for it too."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

Leave = Callable[[], object]


class _Sigterm:
    """The process's handler of SIGTERM while workers run.

    It is Python's own and no event loop's. A loop has one handler for a signal, and forgets the one before; the handler
    that a loop has is called beside this one.
    """

    def __init__(self) -> None:
        self._workers: list[Leave] = []
        self._before: Callable[[int, FrameType | None], Any] | int | None = None
        self._process = 0
        self._came = False

    def enter(self, leave: Leave) -> None:
        if not self._workers or self._process != os.getpid():
            self._workers.clear()
            self._process = os.getpid()
            self._came = False
            self._before = signal.signal(signal.SIGTERM, self._handle)
        self._workers.append(leave)

    def exit(self, leave: Leave) -> None:
        if self._process != os.getpid():
            return
        self._workers.remove(leave)
        if self._workers:
            return
        # Whoever has set another meanwhile keeps it.
        if signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self._before)
        if self._came and callable(self._before):
            self._before(signal.SIGTERM, None)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._process != os.getpid():
            # A forked child is no worker: for it, SIGTERM is what it was before.
            signal.signal(signal.SIGTERM, self._before)
            signal.raise_signal(signal.SIGTERM)
            return
        self._came = True
        for leave in tuple(self._workers):
            leave()


_SIGTERM: Final = _Sigterm()


@contextmanager
def leaving_on_sigterm(leave: Leave) -> Generator[None]:
    """Have SIGTERM tell a worker to leave.

    That is so in the main thread alone: elsewhere nobody is told. When the last worker has left, the handler that was
    there before is back, and is called if SIGTERM came. One that is not Python's could not be put back, and stays.

    Args:
        leave: called between two steps of the main thread, in the middle of anything.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is None:
        yield
        return
    _SIGTERM.enter(leave)
    try:
        yield
    finally:
        _SIGTERM.exit(leave)
