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
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from functools import partial
from typing import Final, NoReturn, Protocol, TypeVar

from tilia_async.errors import ClientClosedError
from tilia_sync import frames
from tilia_sync.call import Call
from tilia_sync.crossing import Crossing, Supply, supplies
from tilia_sync.daemons import THREAD_NAME
from tilia_sync.loop_thread import CLEANUP_SECONDS, CLOSE_SECONDS, Close, LoopRunner
from tilia_sync.stream import Stream

T = TypeVar("T")
R = TypeVar("R")

STALL_SECONDS: Final = 30.0
"""How long the loop may do nothing at all, twice over, before a call that waits for it takes that for a deadlock."""


class Run(Protocol):
    """Runs a coroutine to its end, and returns or raises what it does."""

    def __call__(self, coroutine: Coroutine[object, object, T], /) -> T: ...


class InThread(Protocol):
    """What runs in the loop's thread for longer than a call.

    Attributes:
        over: set when it does not run.
    """

    over: threading.Event

    def stop(self) -> None:
        """In the loop's thread: end it."""
        ...


class Lease:
    """One owner's share of the loop thread; its calls go through it.

    The owner's part is closed when nothing refers to the lease any more: neither the owner nor a service or an iterator
    that somebody took from it.

    Attributes:
        key: stands for the lease where that must not be referred to.
    """

    def __init__(self, thread: LoopThread, close: Close) -> None:
        self._thread = thread
        self._close = close
        self.key = object()
        self._end = weakref.finalize(self, thread.abandon, self.key, close)
        # At the end of the process LoopThread.leave() closes everything, in the right order.
        self._end.atexit = False

    @property
    def closed(self) -> bool:
        """The owner is closed."""
        return not self._end.alive

    def __enter__(self) -> Run:
        """``with lease as run`` runs coroutines, and leaves no frame of the bridge in their tracebacks."""
        return self.run

    def __exit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        if exc is not None:
            frames.trim(exc)

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run a coroutine to its end in the thread, and return or raise what it does.

        Raises:
            ClientClosedError: the owner is closed, or the process ends.
            RuntimeError: it would wait for ever: it was called in the loop's own thread, or that waits for the caller.
            KeyboardInterrupt: Ctrl-C; the coroutine is cancelled and had a second to clean up.
        """
        if self.closed:
            coroutine.close()
            raise ClientClosedError("the client is closed")
        return self._thread.run(coroutine)

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items of an asynchronous iterator, crossing the border once for all that are there.

        It is read while the consumer waits for items, and a batch ahead at most. When the consumer stops, so does the
        reading, whether the generator is closed or becomes garbage; it has a second to clean up.
        """
        stream = Stream(items)
        try:
            self._thread.begin_stream(stream)
            while True:
                with self as run:
                    batch = run(stream.batch())
                if not batch:
                    return
                yield from batch
        finally:
            self._thread.end_stream(stream)

    def do(self, job: Crossing[T, R], ids: Iterator[str], most: int, take: Callable[[T], object]) -> R:
        """Run a job that is fed from this thread, and return what it returns.

        Args:
            ids: read here, some at a time, as the job asks for them.
            most: how many are read at a time.
            take: called here with each result.
        """
        for results in self._turns(job, ids, most):
            try:
                for each in () if job.refusal else results:
                    take(each)
            except Exception as error:  # noqa: BLE001 - it is the caller's function, and the caller gets what it raised
                job.refusal = error
        with self as run:
            result = run(job.result())
            if job.refusal is not None:
                raise job.refusal
        return result

    def results(self, job: Crossing[T, None], ids: Iterator[str], most: int) -> Generator[T, None, None]:
        """The results of a job that is fed from the thread of their consumer. When that stops, so does the job."""
        for results in self._turns(job, ids, most):
            yield from results
        with self as run:
            run(job.result())

    def _turns(self, job: Crossing[T, R], ids: Iterator[str], most: int) -> Iterator[Sequence[T]]:
        """Cross the border until the job is over: each time with what has come on either side."""
        waiting = supplies(ids, most)
        supply = next(waiting)
        try:
            self._thread.begin_stream(job)
            while True:
                with self as run:
                    results, hungry = run(job.turn(supply))
                yield results
                if not hungry and not results:
                    return
                if job.refusal is not None:
                    supply = Supply(ended=True, error=job.refusal)
                else:
                    supply = next(waiting, Supply(ended=True)) if hungry else Supply()
        finally:
            self._thread.end_stream(job)

    def close(self) -> None:
        """Close the owner's part. A second time does nothing."""
        if self._end.detach() is not None:
            self._thread.end_lease(self.key, self._close)


class LoopThread:
    """Runs coroutines for callers that have no event loop.

    It starts with the first call, and stops when the last lease has ended and no call is under way; both are decided
    under one lock. A forked child starts its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runner: LoopRunner | None = None
        self._leases: dict[object, Close] = {}
        self._streams: set[InThread] = set()
        # What the garbage collector found. It may come by while this thread holds the lock, so it only writes it down.
        self._abandoned: deque[tuple[object, Close]] = deque()
        self._inherited: list[object] = []
        self._left = False
        self._warned = False

    def lease(self, close: Close) -> Lease:
        """Keep the thread for an owner, until that is closed, or garbage, or the process ends.

        Args:
            close: closes the owner's part in the loop; it must not refer to the owner or the lease.
        """
        lease = Lease(self, close)
        with self._lock:
            self._leases[lease.key] = close
        return lease

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run a coroutine to its end, and return or raise what it does.

        Raises:
            ClientClosedError: the process ends.
            RuntimeError: it would wait for ever: it was called in this very thread, or that waits for the caller.
            KeyboardInterrupt: Ctrl-C; the coroutine is cancelled and had a second to clean up.
        """
        call = Call(coroutine)
        runner: LoopRunner | None = None
        try:
            self._check_caller()
            runner = self._begin(call)
            _go_through(runner, call)
        finally:
            if runner is None:
                call.cancel()
            else:
                self._end(runner, call)
        _take_over(call.context)
        if self._left and call.failed and threading.current_thread().daemon:
            self._refuse_to_stay()
        return call.result()

    def end_lease(self, key: object, close: Close) -> None:
        """Close an owner's part, and wait for that, within limits."""
        with self._lock:
            runner = self._runner
            if runner is None:
                # Nothing was opened; or, in a forked child, nothing of this process.
                self._leases.pop(key, None)
                return
            call = Call(close())
            runner.calls.add(call)
        try:
            runner.ready.wait()
            if threading.current_thread() is runner.thread or not runner.post(call.start):
                call.cancel()
                runner.post(partial(runner.close, close, _nothing))
            else:
                call.wait(CLOSE_SECONDS)
        finally:
            with self._lock:
                self._leases.pop(key, None)
            self._end(runner, call)

    def abandon(self, key: object, close: Close) -> None:
        """An owner is garbage. Called by the garbage collector, anywhere: it takes no lock and waits for nothing."""
        self._abandoned.append((key, close))
        runner = self._runner
        if runner is not None:
            runner.post(self._close_abandoned)

    def begin_stream(self, stream: InThread) -> None:
        """Somebody is about to read it here."""
        self._streams.add(stream)

    def end_stream(self, stream: InThread) -> None:
        """Its consumer has stopped: end the reading, and wait for that, within limits.

        The garbage collector may call it anywhere, so it takes no lock that this thread may hold already.
        """
        runner = self._runner
        if stream not in self._streams:
            # It was begun before a fork, and is the parent's.
            return
        self._streams.discard(stream)
        if (
            not stream.over.is_set()
            and runner is not None
            and runner.post(stream.stop)
            and threading.current_thread() is not runner.thread
        ):
            stream.over.wait(CLEANUP_SECONDS)

    def stop(self) -> None:
        """End the loop and its thread, whoever uses it. The next call starts another."""
        with self._lock:
            runner, self._runner = self._runner, None
        if runner is not None:
            runner.stop()
            runner.join()

    def leave(self) -> None:
        """At the end of the process: close what is open, then stop, for good."""
        with self._lock:
            self._left = True
            runner, leases, self._runner, self._leases = self._runner, self._leases, None, {}
        if runner is not None:
            for close in leases.values():
                runner.post(partial(runner.close, close, _nothing))
            runner.stop()
            runner.join()

    def forget(self) -> None:
        """In a forked child: the thread is the parent's, and the lock may have been taken there."""
        self._lock = threading.Lock()
        # Kept, since the garbage collector would close what the parent still uses, and complain about its tasks.
        self._inherited.append((self._runner, self._streams))
        self._runner = None
        self._streams = set()

    def _begin(self, call: Call[T]) -> LoopRunner:
        with self._lock:
            if self._left:
                self._refuse_to_stay()
            runner = self._runner
            fresh = runner is None or runner.over
            if runner is None or runner.over:
                runner = self._runner = LoopRunner()
                # Their owners are garbage since before there was a loop, so nothing of theirs is open.
                while self._abandoned:
                    self._leases.pop(self._abandoned.popleft()[0], None)
            runner.calls.add(call)
        if fresh:
            try:
                runner.thread.start()
            except BaseException:  # whatever it is, the next call has to try again
                with self._lock:
                    self._runner = None
                runner.ready.set()
                raise
        return runner

    def _end(self, runner: LoopRunner, call: Call[T]) -> None:
        with self._lock:
            runner.calls.discard(call)
            last = self._detach_if_unused(runner)
        if last:
            runner.stop()
            runner.join()

    def _detach_if_unused(self, runner: LoopRunner) -> bool:
        """Under the lock: when nobody needs the runner any more, nobody will find it any more either."""
        if runner.calls:
            # A caller may be interrupted once more before it could take off its call, which has ended all the same.
            runner.calls.difference_update([call for call in runner.calls if call.ended])
        unused = self._runner is runner and not runner.calls and not self._leases
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

    def _lease_ended(self, runner: LoopRunner, key: object) -> None:
        with self._lock:
            self._leases.pop(key, None)
            last = self._detach_if_unused(runner)
        if last:
            runner.stop()

    def _check_caller(self) -> None:
        runner = self._runner
        if runner is not None and threading.get_ident() == runner.thread.ident:
            _refuse_to_wait_for_itself(runner)
        if self._warned:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self._warned = True
        warnings.warn(
            "a tilia_sync call blocks the event loop that runs in this thread until it returns; "
            "in asynchronous code use tilia_async and await",
            RuntimeWarning,
            stacklevel=frames.users_level(),
        )

    def _refuse_to_stay(self) -> NoReturn:
        """The process ends. A daemon thread would not see the end of it; for it SystemExit is a silent one."""
        if threading.current_thread().daemon:
            raise SystemExit
        raise ClientClosedError(
            "the process ends, and its clients were closed; what is done in atexit has to be registered after "
            "'import tilia_sync'"
        )


def _nothing() -> None:
    """Nothing waits for this close."""


def _go_through(runner: LoopRunner, call: Call[T]) -> None:
    try:
        runner.ready.wait()
        if not runner.post(call.start):
            call.cancel()
        while not call.wait(STALL_SECONDS):
            _check_progress(runner, call)
    except BaseException:  # Ctrl-C, or whatever else a signal handler of the caller raises
        if runner.post(call.cancel):
            call.wait(CLEANUP_SECONDS)
        raise
    if runner.failure is not None:
        raise runner.failure


def _check_progress(runner: LoopRunner, call: Call[T]) -> None:
    """A loop that runs nothing for so long waits for something that its caller holds: neither would ever go on."""
    answered = threading.Event()
    if runner.post(answered.set) and not call.wait(STALL_SECONDS) and not answered.is_set():
        raise RuntimeError(
            f"deadlock: the {THREAD_NAME} thread has done nothing for {STALL_SECONDS:g} s, it may wait for a lock that "
            "this thread holds; whether the call takes effect cannot be known\n"
            + frames.stacks([call.caller, *_ident(runner)])
        )


def _refuse_to_wait_for_itself(runner: LoopRunner) -> NoReturn:
    task = asyncio.current_task()
    waiting = [call for call in list(runner.calls) if call.is_run_by(task)] or list(runner.calls)
    raise RuntimeError(
        f"a tilia_sync call inside the {THREAD_NAME} thread would wait for itself for ever: "
        "code that runs there is asynchronous, so use tilia_async and await\n"
        + frames.stacks([*_ident(runner), *(call.caller for call in waiting[:3])])
    )


def _ident(runner: LoopRunner) -> list[int]:
    return [] if runner.thread.ident is None else [runner.thread.ident]


def _take_over(context: contextvars.Context) -> None:
    """What the call changed in context variables is seen by the caller, as if it had run in its thread."""
    current = contextvars.copy_context()
    for variable, value in context.items():
        if variable not in current or current[variable] is not value:
            variable.set(value)


LOOP_THREAD: Final = LoopThread()
"""The thread of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LOOP_THREAD.forget)

atexit.register(LOOP_THREAD.leave)

frames.hide(__name__)
