"""The one thread, with one event loop, behind all synchronous clients of a process."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Protocol, TypeVar

from tilia_async.api.paging import Pages
from tilia_async.errors import ClientClosedError
from tilia_sync import loop_thread
from tilia_sync.loop_thread import CLEANUP_SECONDS, CLOSE_SECONDS, THREAD_NAME, Call, Close, LoopRunner

T = TypeVar("T")

FULL_TRACEBACKS: Final = "TILIA_SYNC_FULL_TRACEBACKS"
"""The environment variable that leaves the frames of this module in tracebacks."""


class Run(Protocol):
    """Runs a coroutine to its end, and returns or raises what it does."""

    def __call__(self, coroutine: Coroutine[object, object, T], /) -> T: ...


class Lease:
    """One owner's share of the loop thread; its calls go through it."""

    def __init__(self, thread: LoopThread, owner: object, close: Close) -> None:
        self._thread = thread
        self._close = close
        self._end = weakref.finalize(owner, thread.abandon, id(self), close)
        # At the end of the process LoopThread.leave() closes everything, in the right order.
        self._end.atexit = False

    @property
    def closed(self) -> bool:
        """The owner is closed."""
        return not self._end.alive

    def __enter__(self) -> Run:
        """``with lease as run`` runs coroutines, and leaves no frame of this module in their tracebacks."""
        return self.run

    def __exit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        if exc is not None:
            exc.__traceback__ = _trimmed(exc.__traceback__)

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
        if self._end.detach() is not None:
            self._thread.end_lease(id(self), self._close)


async def _next_page(items: AsyncIterator[T]) -> Sequence[T]:
    if isinstance(items, Pages):
        return await items.page()
    async for item in items:
        return (item,)
    return ()


class LoopThread:
    """Runs coroutines for callers that have no event loop.

    It starts with the first call, and stops when the last lease has ended and no call is under way; both are decided
    under one lock. A forked child starts its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runner: LoopRunner | None = None
        self._leases: dict[int, Close] = {}
        # What the garbage collector found. It may come by while this thread holds the lock, so it only writes it down.
        self._abandoned: deque[tuple[int, Close]] = deque()
        self._warned = False

    def lease(self, owner: object, close: Close) -> Lease:
        """Keep the thread for an owner, until that is closed, or garbage, or the process ends.

        Args:
            owner: whose lease it is.
            close: closes the owner's part in the loop; it must not refer to the owner.
        """
        lease = Lease(self, owner, close)
        with self._lock:
            self._leases[id(lease)] = close
        return lease

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run a coroutine to its end, and return or raise what it does.

        Raises:
            RuntimeError: it was called from this very thread, which would wait for itself.
            KeyboardInterrupt: Ctrl-C; the coroutine is cancelled and had a second to clean up.
        """
        try:
            self._check_caller()
            runner = self._begin()
        except BaseException:  # whatever it is, the coroutine will not be awaited
            coroutine.close()
            raise
        call = Call(coroutine)
        try:
            _go_through(runner, call)
        finally:
            runner.done(call)
            self._end(runner)
        _take_over(call.context)
        return call.result()

    def end_lease(self, key: int, close: Close) -> None:
        """Close an owner's part, and wait for that, within limits."""
        with self._lock:
            runner = self._runner
            if runner is None:
                # Nothing was opened; or, in a forked child, nothing of this process.
                self._leases.pop(key, None)
                return
            runner.calls += 1
        try:
            runner.ready.wait()
            call = Call(close())
            if threading.current_thread() is runner.thread or not runner.submit(call):
                call.cancel()
                runner.post(partial(runner.close, close, _nothing))
            else:
                call.wait(CLOSE_SECONDS)
                runner.done(call)
        finally:
            with self._lock:
                self._leases.pop(key, None)
            self._end(runner)

    def abandon(self, key: int, close: Close) -> None:
        """An owner is garbage. Called by the garbage collector, anywhere: it takes no lock and waits for nothing."""
        self._abandoned.append((key, close))
        runner = self._runner
        if runner is not None:
            runner.post(self._close_abandoned)

    def stop(self) -> None:
        """End the loop and its thread, whoever uses it. The next call starts another."""
        with self._lock:
            runner, self._runner = self._runner, None
        if runner is not None:
            runner.stop()
            runner.join()

    def leave(self) -> None:
        """At the end of the process: close what is open, then stop."""
        with self._lock:
            runner, leases, self._runner, self._leases = self._runner, self._leases, None, {}
        if runner is not None:
            for close in leases.values():
                runner.post(partial(runner.close, close, _nothing))
            runner.stop()
            runner.join()

    def forget(self) -> None:
        """In a forked child: the thread is the parent's, and the lock may have been taken there."""
        self._lock = threading.Lock()
        self._runner = None

    def _begin(self) -> LoopRunner:
        with self._lock:
            runner, fresh = self._runner, self._runner is None
            if runner is None:
                runner = self._runner = LoopRunner()
                # Their owners are garbage since before there was a loop, so nothing of theirs is open.
                while self._abandoned:
                    self._leases.pop(self._abandoned.popleft()[0], None)
            runner.calls += 1
        if fresh:
            try:
                runner.thread.start()
            except BaseException:  # whatever it is, the next call has to try again
                with self._lock:
                    self._runner = None
                runner.ready.set()
                raise
        return runner

    def _end(self, runner: LoopRunner) -> None:
        with self._lock:
            runner.calls -= 1
            last = self._detach_if_unused(runner)
        if last:
            runner.stop()
            runner.join()

    def _detach_if_unused(self, runner: LoopRunner) -> bool:
        """Under the lock: when nobody needs the runner any more, nobody will find it any more either."""
        unused = self._runner is runner and runner.calls == 0 and not self._leases
        if unused:
            self._runner = None
        return unused

    def _close_abandoned(self) -> None:
        """In the loop's thread."""
        with self._lock:
            runner = self._runner
        while runner is not None and self._abandoned:
            key, close = self._abandoned.popleft()
            runner.close(close, partial(self._lease_ended, runner, key))

    def _lease_ended(self, runner: LoopRunner, key: int) -> None:
        with self._lock:
            self._leases.pop(key, None)
            last = self._detach_if_unused(runner)
        if last:
            runner.stop()

    def _check_caller(self) -> None:
        runner = self._runner
        if runner is not None and threading.current_thread() is runner.thread:
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


def _nothing() -> None:
    """Nothing waits for this close."""


def _go_through(runner: LoopRunner, call: Call[T]) -> None:
    try:
        runner.ready.wait()
        if not runner.submit(call):
            call.cancel()
        call.wait()
    except BaseException:  # Ctrl-C, or whatever else a signal handler of the caller raises
        if runner.post(call.cancel):
            call.wait(CLEANUP_SECONDS)
        raise


def _take_over(context: contextvars.Context) -> None:
    """What the call changed in context variables is seen by the caller, as if it had run in its thread."""
    current = contextvars.copy_context()
    for variable, value in context.items():
        if variable not in current or current[variable] is not value:
            variable.set(value)


_HERE: Final = frozenset({__file__, loop_thread.__file__})


def _trimmed(traceback: TracebackType | None) -> TracebackType | None:
    """Without the frames of the bridge, which say nothing about the error."""
    if os.environ.get(FULL_TRACEBACKS):
        return traceback
    frames: list[TracebackType] = []
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename not in _HERE:
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

atexit.register(LOOP_THREAD.leave)
