"""A thread that runs an event loop, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias, TypeVar

from tilia_sync.call import Call
from tilia_sync.daemons import THREAD_NAME, DaemonThreads

T = TypeVar("T")

CLEANUP_SECONDS: Final = 1.0
"""How long a call that Ctrl-C ended may take to clean up, before the interrupt goes on to the caller."""
CLOSE_SECONDS: Final = 2.0
"""How long clients may take to close, when their thread ends."""

Close: TypeAlias = Callable[[], Coroutine[object, object, None]]


class LoopRunner:
    """A loop and its thread. It is used by :class:`tilia_sync.bridge.LoopThread` only.

    Attributes:
        calls: those under way; guarded by the lock of whoever uses the runner.
        ready: set once the loop takes calls, or will never.
        over: it takes no calls any more.
        failure: why there is no loop.
    """

    def __init__(self) -> None:
        self.calls: set[Call[Any]] = set()
        self.ready = threading.Event()
        self.over = False
        self.failure: Exception | None = None
        self.thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def post(self, callback: Callable[[], object]) -> bool:
        """Run something in the loop's thread, soon; False if there is no loop any more."""
        loop = self._loop
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(callback)
        except RuntimeError:
            return False
        return True

    def close(self, close: Close, then: Callable[[], object]) -> None:
        """In the loop's thread: close somebody's part."""
        task = asyncio.get_running_loop().create_task(close())
        self._closing.add(task)

        def finish(ended: asyncio.Task[None]) -> None:
            self._closing.discard(ended)
            if not ended.cancelled():
                # Asked for, so that the loop does not complain that nobody did; a close that fails has closed.
                ended.exception()
            then()

        task.add_done_callback(finish)

    def stop(self) -> None:
        """End the loop, once what is being closed is closed."""
        self.post(self._wind_up)

    def join(self) -> None:
        """Wait for the end, unless it is this very thread; a loop that hangs is left behind."""
        if self.thread is not threading.current_thread():
            self.thread.join(CLOSE_SECONDS + CLEANUP_SECONDS)

    def _wind_up(self) -> None:
        loop = asyncio.get_running_loop()

        async def end() -> None:
            if self._closing:
                await asyncio.wait(self._closing, timeout=CLOSE_SECONDS)
            loop.stop()

        self._ending = loop.create_task(end())

    def _run(self) -> None:
        try:
            loop = _new_loop()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for those who wait for the loop
            self.failure = error
            self._end()
            return
        try:
            loop.set_default_executor(DaemonThreads())
            asyncio.set_event_loop(loop)
            self._loop = loop
            self.ready.set()
            _run_until_stopped(loop)
            self._loop = None
            self._finish(loop)
        finally:
            self._loop = None
            asyncio.set_event_loop(None)
            loop.close()
            self._end()

    def _end(self) -> None:
        self.over = True
        self.ready.set()
        for call in list(self.calls):
            call.end()

    def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is left, and let it clean up for a while."""
        for call in list(self.calls):
            call.cancel()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            with contextlib.suppress(RuntimeError):
                loop.run_until_complete(asyncio.wait(tasks, timeout=CLEANUP_SECONDS))
        loop.run_until_complete(loop.shutdown_asyncgens())


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            # A task inside a call raised it. Its call tells the caller, and the loop has others to serve.
            continue
        return


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where the extra ``speed`` is installed."""
    try:
        from tilia_sync.fast_loop import FastLoop  # noqa: PLC0415 - an extra, and only the thread needs it
    except ImportError:
        return asyncio.new_event_loop()
    return FastLoop()
