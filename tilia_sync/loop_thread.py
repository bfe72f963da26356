"""A thread that runs an event loop, and the calls that go through it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, TypeAlias, TypeVar

from tilia_async.errors import ClientClosedError

T = TypeVar("T")

THREAD_NAME: Final = "tilia-sync"
CLEANUP_SECONDS: Final = 1.0
"""How long a call that Ctrl-C ended may take to clean up, before the interrupt goes on to the caller."""
CLOSE_SECONDS: Final = 2.0
"""How long clients may take to close, when their thread ends."""

# On Windows a wait without a limit cannot be interrupted by Ctrl-C.
_POLL_SECONDS: Final = 0.1 if sys.platform == "win32" else None

Close: TypeAlias = Callable[[], Coroutine[object, object, None]]


class Call(Generic[T]):
    """One coroutine on its way through the thread."""

    def __init__(self, coroutine: Coroutine[object, object, T]) -> None:
        self.context = contextvars.copy_context()
        self._coroutine = coroutine
        self._ended = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._value: list[T] = []
        self._error: BaseException | None = None

    def start(self) -> None:
        """In the loop's thread: make a task of it."""
        self._task = asyncio.get_running_loop().create_task(self._contain(), context=self.context)
        self._task.add_done_callback(self.end)

    def cancel(self) -> None:
        """In the loop's thread: ask it to stop; one that has not started will not."""
        if self._task is None:
            self._coroutine.close()
            self.end()
        else:
            self._task.cancel()

    def end(self, _: object = None) -> None:
        """Nothing more will come of it."""
        self._ended.set()

    def wait(self, seconds: float | None = None) -> bool:
        """In the caller's thread: until it ended; False if that took too long."""
        if seconds is not None:
            return self._ended.wait(seconds)
        # The boolean says whether it ended. An exception that a signal handler raises here is the caller's own,
        # whatever its class, so none is caught.
        while not self._ended.wait(_POLL_SECONDS):
            pass
        return True

    def result(self) -> T:
        """In the caller's thread, after it ended: what came of it."""
        if isinstance(self._error, asyncio.CancelledError) or (self._error is None and not self._value):
            # Nobody who could have cancelled it is here any more: the thread was stopped.
            raise ClientClosedError("the loop thread was stopped during the call", took_effect=None)
        if self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                # A frame that holds the exception that holds the frame is a circle.
                del error
        return self._value[0]

    async def _contain(self) -> None:
        try:
            self._value.append(await self._coroutine)
        except asyncio.CancelledError as error:
            self._error = error
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit would end the loop for all clients; it is the caller's
            self._error = error


class LoopRunner:
    """A loop and its thread, from start to end. It is used by :class:`tilia_sync.bridge.LoopThread` only.

    Attributes:
        calls: how many are under way; guarded by the lock of whoever uses the runner.
        ready: set once the loop takes calls, or will never.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: set[Call[Any]] = set()
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

    def submit(self, call: Call[T]) -> bool:
        """Start a call; False if there is no loop any more."""
        self._pending.add(call)
        if self.post(call.start):
            return True
        self._pending.discard(call)
        return False

    def done(self, call: Call[T]) -> None:
        """The caller has gone."""
        self._pending.discard(call)

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
        loop = asyncio.new_event_loop()
        try:
            # One of its own, since the default is joined at the end, and a host name may take long to resolve.
            loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix=THREAD_NAME))
            asyncio.set_event_loop(loop)
            self._loop = loop
            self.ready.set()
            loop.run_forever()
            self._loop = None
            _finish(loop)
        finally:
            self._loop = None
            asyncio.set_event_loop(None)
            loop.close()
            self.ready.set()
            for call in list(self._pending):
                call.end()


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left, and let it clean up for a while."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        with contextlib.suppress(RuntimeError):
            loop.run_until_complete(asyncio.wait(tasks, timeout=CLEANUP_SECONDS))
    loop.run_until_complete(loop.shutdown_asyncgens())
