"""The one thread, with one event loop, behind all synchronous clients of a process."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import os
import sys
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from tilia_async.api.paging import Pages
from tilia_async.errors import ClientClosedError

T = TypeVar("T")

THREAD_NAME: Final = "tilia-sync"
CLEANUP_SECONDS: Final = 1.0
"""How long a call that Ctrl-C ended may take to clean up, before the interrupt goes on to the caller."""
FULL_TRACEBACKS: Final = "TILIA_SYNC_FULL_TRACEBACKS"
"""The environment variable that leaves the frames of this module in tracebacks."""
_CLOSE_SECONDS: Final = 2.0

# On Windows a wait without a limit cannot be interrupted by Ctrl-C.
_POLL_SECONDS: Final = 0.1 if sys.platform == "win32" else None


class _Call(Generic[T]):
    """One coroutine on its way through the thread.

    Attributes:
        ended: set when the coroutine is over, whatever came of it.
    """

    def __init__(self, coroutine: Coroutine[object, object, T]) -> None:
        self.ended: Future[None] = Future()
        self.context = contextvars.copy_context()
        self._coroutine = coroutine
        self._task: asyncio.Task[None] | None = None
        self._value: list[T] = []
        self._error: BaseException | None = None

    def start(self) -> None:
        """In the loop's thread: make a task of it."""
        self._task = asyncio.get_running_loop().create_task(self._contain(), context=self.context)
        self._task.add_done_callback(self._over)

    def cancel(self) -> None:
        """In the loop's thread: ask it to stop."""
        if self._task is not None:
            self._task.cancel()

    def discard(self) -> None:
        """It will not be started."""
        self._coroutine.close()

    def result(self) -> T:
        """In the caller's thread, after it ended: what came of it."""
        if self._error is not None:
            raise self._error
        if not self._value:
            raise RuntimeError(f"the {THREAD_NAME} thread was stopped during the call")
        return self._value[0]

    async def _contain(self) -> None:
        try:
            self._value.append(await self._coroutine)
        except asyncio.CancelledError as error:
            self._error = error
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit would end the loop for all clients; it is the caller's
            self._error = error

    def _over(self, _: asyncio.Task[None]) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


Close: TypeAlias = Callable[[], Coroutine[object, object, None]]


class Run(Protocol):
    """Runs a coroutine to its end, and returns or raises what it does."""

    def __call__(self, coroutine: Coroutine[object, object, T], /) -> T: ...


class Lease:
    """One owner's share of the loop thread; its calls go through it."""

    def __init__(self, thread: LoopThread, end: weakref.finalize[..., object]) -> None:
        self._thread = thread
        self._end = end

    @property
    def closed(self) -> bool:
        """The owner is closed."""
        return not self._end.alive

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run a coroutine to its end in the thread, and return or raise what it does.

        Raises:
            ClientClosedError: the owner is closed.
            RuntimeError: it was called from the loop's own thread, which would wait for itself.
            KeyboardInterrupt: Ctrl-C; the coroutine is cancelled and had a second to clean up.
        """
        if self.closed:
            coroutine.close()
            raise ClientClosedError("the client is closed")
        return self._thread.run(coroutine)

    def __enter__(self) -> Run:
        """``with lease as run`` runs coroutines, and leaves no frame of this module in their tracebacks."""
        return self.run

    def __exit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        if exc is not None:
            exc.__traceback__ = _trimmed(exc.__traceback__)

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items of an asynchronous iterator, crossing the border once per page where it has pages."""
        while True:
            with self as run:
                page = run(_next_page(items))
            if not page:
                return
            yield from page

    def close(self) -> None:
        """Close the owner's part. A second time does nothing."""
        self._end()


async def _next_page(items: AsyncIterator[T]) -> Sequence[T]:
    if isinstance(items, Pages):
        return await items.page()
    async for item in items:
        return (item,)
    return ()


class LoopThread:
    """Runs coroutines for callers that have no event loop.

    It starts with the first call, and stops when the last of those who lease it is gone. A forked child starts its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._leases = 0
        self._warned = False

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run a coroutine to its end, and return or raise what it does.

        Raises:
            RuntimeError: it was called from this very thread, which would wait for itself.
            KeyboardInterrupt: Ctrl-C; the coroutine is cancelled and had a second to clean up.
        """
        call = _Call(coroutine)
        try:
            self._check_caller()
            loop = self._running_loop()
            loop.call_soon_threadsafe(call.start)
        except BaseException:
            call.discard()
            raise
        self._wait(call, loop)
        _take_over(call.context)
        return call.result()

    def lease(self, owner: object, close: Close) -> Lease:
        """Keep the thread for an owner, until that is closed, or garbage, or the process ends.

        Args:
            owner: whose lease it is.
            close: closes the owner's part in the loop.
        """
        with self._lock:
            self._leases += 1
        return Lease(self, weakref.finalize(owner, self._end_lease, close))

    def _end_lease(self, close: Close) -> None:
        # Without a loop nothing was opened; in a forked child that made no call, either.
        loop = self._loop
        if loop is not None:
            self._close_in_loop(loop, close)
        with self._lock:
            self._leases -= 1
            last = self._leases <= 0
        if last:
            self.stop()

    def _close_in_loop(self, loop: asyncio.AbstractEventLoop, close: Close) -> None:
        if threading.current_thread() is self._thread:
            # The garbage collector may come by in the loop's own thread.
            loop.create_task(close())
            return
        call = _Call(close())
        loop.call_soon_threadsafe(call.start)
        call.ended.exception(_CLOSE_SECONDS)

    def stop(self) -> None:
        """End the loop and its thread. The next call starts another."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join()

    def forget(self) -> None:
        """In a forked child: the thread is the parent's, and the lock may have been taken there."""
        self._lock = threading.Lock()
        self._loop = self._thread = None

    def _check_caller(self) -> None:
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                f"a tilia_sync call inside the {THREAD_NAME} thread would wait for itself for ever: "
                "code that runs there is asynchronous, so use tilia_async and await"
            )
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        if not self._warned:
            self._warned = True
            warnings.warn(
                "a tilia_sync call blocks the event loop that runs in this thread until it returns; "
                "in asynchronous code use tilia_async and await",
                RuntimeWarning,
                stacklevel=5,
            )

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is not None:
            return loop
        with self._lock:
            if self._loop is None:
                started: Future[asyncio.AbstractEventLoop] = Future()
                self._thread = threading.Thread(target=_run_loop, args=(started,), name=THREAD_NAME, daemon=True)
                self._thread.start()
                self._loop = started.result()
            return self._loop

    @staticmethod
    def _wait(call: _Call[T], loop: asyncio.AbstractEventLoop) -> None:
        try:
            while not call.ended.done():
                try:
                    call.ended.result(_POLL_SECONDS)
                except TimeoutError:
                    continue
        except BaseException:
            # Ctrl-C, or whatever else a signal handler of the caller raises.
            loop.call_soon_threadsafe(call.cancel)
            with contextlib.suppress(TimeoutError):
                call.ended.result(CLEANUP_SECONDS)
            raise


def _run_loop(started: Future[asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        started.set_result(loop)
        loop.run_forever()


def _take_over(context: contextvars.Context) -> None:
    """What the call changed in context variables is seen by the caller, as if it had run in its thread."""
    current = contextvars.copy_context()
    for variable, value in context.items():
        if variable not in current or current[variable] is not value:
            variable.set(value)


def _trimmed(traceback: TracebackType | None) -> TracebackType | None:
    """Without the frames of this module, which say nothing about the error."""
    if os.environ.get(FULL_TRACEBACKS):
        return traceback
    frames: list[TracebackType] = []
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename != __file__:
            frames.append(traceback)
        traceback = traceback.tb_next
    chain: TracebackType | None = None
    for frame in reversed(frames):
        chain = TracebackType(chain, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return chain


LOOP_THREAD: Final = LoopThread()
"""The thread of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LOOP_THREAD.forget)

# Registered before any lease, so it runs after all of them have ended.
atexit.register(LOOP_THREAD.stop)
