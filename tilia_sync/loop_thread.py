"""The thread behind all synchronous clients.

There is one in a process, with one event loop.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from functools import partial
from typing import Final, NoReturn, Protocol, TypeVar

import attrs

from tilia_async.errors import ClientClosedError
from tilia_sync import tracebacks
from tilia_sync.batch_reader import BatchReader
from tilia_sync.batched_job import BatchedJob, Supply, supplies
from tilia_sync.call import Call, CoroutineFunction
from tilia_sync.daemon_executor import THREAD_NAME
from tilia_sync.latch import Latch
from tilia_sync.loop_runner import CLEANUP_SECONDS, CLOSE_SECONDS, Close, LoopRunner

T = TypeVar("T")
R = TypeVar("R")

STALL_SECONDS: Final = 30.0
"""Seconds of a stalled loop that mean a deadlock.

The loop does nothing at all for so long, twice over, before a call that waits for it takes that for a deadlock.
"""
_TAKES_CALLS: Final = "takes calls"


class Run(Protocol):
    """A function that runs a coroutine function to its end.

    It returns or raises what the coroutine does. Arguments are bound by a ``lambda``: unlike a ``partial`` it does not
    show them where frames are printed with their variables.
    """

    def __call__(self, function: CoroutineFunction[T], /) -> T: ...


class InThread(Protocol):
    """A part in the loop's thread that outlives a call.

    Attributes:
        over: set when it has ended.
    """

    over: Latch

    def stop(self) -> None:
        """Stop it, in the loop's thread."""
        ...


class LoopHandle:
    """An owner's share of the loop thread.

    The owner's calls go through it.

    The owner's part is closed when nothing refers to the lease any more: neither the owner nor a service or an iterator
    that somebody took from it.

    Attributes:
        key: stands for the lease where that must not be referred to.
        closed: the owner is closed.
    """

    def __init__(self, thread: LoopThread, close: Close) -> None:
        self.key: object = object()
        self.closed: bool = False
        self._thread = thread
        # It keeps the owner's part to the very end of a process: in a forked child that is the parent's, and is not to
        # be collected there.
        self._end = weakref.finalize(self, thread.abandon, self.key, close)
        # At the end of the process LoopThread.leave() closes everything, in the right order.
        self._end.atexit = False

    def __enter__(self) -> Run:
        """Return the function that runs coroutine functions.

        ``with lease as run`` leaves no frame of the bridge in their tracebacks.
        """
        return self.run

    def __exit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        if exc is not None:
            tracebacks.trim(exc)

    def run(self, function: CoroutineFunction[T]) -> T:
        """Run a coroutine function to its end in the thread.

        Returns or raises what it does.

        Raises:
            ClientClosedError: the owner is closed, or the process ends.
            RuntimeError: it would wait for ever: it was called in the loop's own thread, or that waits for the caller.
            KeyboardInterrupt: Ctrl-C; the coroutine is cancelled and had a second to clean up.
        """
        return self._thread.run(function, self)

    def run_briefly(self, function: CoroutineFunction[T]) -> T:
        """Run a coroutine function that waits for nothing.

        Like ``run``, but without a warning that it blocks the caller's event loop: that is not so.
        """
        return self._thread.run(function, self, waits=False)

    def check_open(self) -> None:
        """Refuse what the owner does after it was closed.

        Raises:
            ClientClosedError: it is closed.
        """
        if self.closed:
            raise ClientClosedError("the client is closed")

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yield the items of an asynchronous iterator.

        The border is crossed once for all that are there.

        It is read while the consumer waits for items, and a batch ahead at most. When the consumer stops, so does the
        reading, whether the generator is closed or becomes garbage; it has a second to clean up.
        """
        stream = BatchReader(items)
        try:
            self._thread.begin_stream(stream)
            while True:
                with self as run:
                    batch = run(stream.batch)
                if not batch:
                    return
                yield from batch
        finally:
            self._thread.end_stream(stream)

    def do(self, job: BatchedJob[T, R], ids: Iterator[str], most: int, take: Callable[[T], object]) -> R:
        """Run a job that is fed from this thread.

        Returns what it returns.

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
            result = run(job.result)
            if job.refusal is not None:
                raise job.refusal
        return result

    def results(self, job: BatchedJob[T, None], ids: Iterator[str], most: int) -> Generator[T, None, None]:
        """Yield the results of a job fed from here.

        It is fed from the thread of their consumer. When that stops, so does the job.
        """
        for results in self._turns(job, ids, most):
            yield from results
        with self as run:
            run(job.result)

    def _turns(self, job: BatchedJob[T, R], ids: Iterator[str], most: int) -> Iterator[Sequence[T]]:
        """Cross the border until the job is over.

        Each time with what has come on either side.
        """
        waiting = supplies(ids, most)
        supply = next(waiting)
        try:
            self._thread.begin_stream(job)
            while True:
                with self as run:
                    results, hungry = run(partial(job.turn, supply))
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
        """Close the owner's part.

        A second time does nothing, or waits for the first.
        """
        self.closed = True
        self._thread.end_lease(self.key)
        self._end.detach()


@attrs.define(eq=False)
class _Opened:
    """Stand-in for a lease until its part is closed.

    It is its owner's part.
    """

    close: Close
    ended: Latch = attrs.field(factory=Latch)


@attrs.define(eq=False)
class _Process:
    """A process's part of the loop thread.

    A child, however forked, begins with nothing.

    Attributes:
        runners: the one that takes calls, if there is one. A dictionary, because that is changed in one step.
        streams: those that are read there.
    """

    runners: dict[str, LoopRunner] = attrs.field(factory=dict[str, LoopRunner])
    streams: set[InThread] = attrs.field(factory=set[InThread])


class LoopThread:
    """Runs coroutine functions for callers that have no event loop.

    It starts with the first call, and stops when the last lease has ended and no call is under way. Both are decided
    in the thread itself, and whoever comes too late for it is handed to the next. No lock is held or waited for, so
    calls and closes may be made by signal handlers and finalizers, whatever they interrupt. A forked child starts its
    own thread.
    """

    def __init__(self) -> None:
        # By process id: not all that forks runs Python's hooks. What is the parent's is kept, since the garbage
        # collector would close what the parent still uses, and complain about its tasks.
        self._processes: dict[int, _Process] = {}
        self._inherited: list[_Process | None] = []
        self._leases: dict[object, _Opened] = {}
        # Of owners that are closed, or garbage, and that the loop's thread is to close.
        self._abandoned: deque[object] = deque()
        self._left = False
        self._warned = False

    def lease(self, close: Close) -> LoopHandle:
        """Keep the thread for an owner.

        Until that is closed, or garbage, or the process ends.

        Args:
            close: closes the owner's part in the loop; it must not refer to the owner or the lease.
        """
        lease = LoopHandle(self, close)
        self._leases[lease.key] = _Opened(close)
        return lease

    def run(self, function: CoroutineFunction[T], lease: LoopHandle | None = None, *, waits: bool = True) -> T:
        """Run a coroutine function to its end.

        Returns or raises what it does.

        Args:
            waits: it may take a while, of which a caller with an event loop is warned.

        Raises:
            ClientClosedError: the lease is closed, or the process ends.
            RuntimeError: it would wait for ever: it was called in this very thread, or that waits for the caller.
            KeyboardInterrupt: Ctrl-C; the coroutine is cancelled and had a second to clean up.
        """
        if lease is not None:
            lease.check_open()
        here = self._here()
        self._check_caller(here, waits=waits)
        call = self._go_through(here, function, lease)
        while call.handed_back:
            # The thread ended before the call began.
            call = self._go_through(here, function, lease)
        _take_over(call.context)
        if self._left and call.failed and threading.current_thread().daemon:
            self._refuse_to_stay()
        return call.result()

    def end_lease(self, key: object) -> None:
        """Close an owner's part, and wait for that, within limits."""
        opened = self._leases.get(key)
        if opened is None:
            return
        try:
            runner = self.abandon(key)
            if runner is None or runner.is_here:
                return
            opened.ended.wait(CLOSE_SECONDS)
            if self._leases.pop(key, None) is not None and not self._leases:
                self._retire(runner)
        except BaseException:  # Ctrl-C, or whatever else a signal handler raises: it is closed all the same
            self.abandon(key)
            raise
        if runner.ending:
            runner.join()

    def abandon(self, key: object, _close: Close | None = None) -> LoopRunner | None:
        """Abandon an owner that is garbage.

        Called by the garbage collector, anywhere: it takes no lock and waits for nothing.

        Returns:
            The runner that closes the owner's part, if there is anything to close.
        """
        runner = self._here().runners.get(_TAKES_CALLS)
        if runner is None or not runner.started:
            # Nothing was opened; or, in a forked child, nothing of this process.
            self._leases.pop(key, None)
            return None
        self._abandoned.append(key)
        runner.post(self.close_abandoned, runner)
        return runner

    def begin_stream(self, stream: InThread) -> None:
        """Somebody is about to read it here."""
        self._here().streams.add(stream)

    def end_stream(self, stream: InThread) -> None:
        """End the reading of a stopped consumer.

        Waits for that, within limits.

        The garbage collector may call it anywhere, so it takes no lock.
        """
        here = self._here()
        if stream not in here.streams:
            # It was begun before a fork, and is the parent's.
            return
        here.streams.discard(stream)
        runner = here.runners.get(_TAKES_CALLS)
        over = stream.over
        if not over.is_set and runner is not None and runner.post(stream.stop) and not runner.is_here:
            over.wait(CLEANUP_SECONDS)

    def leave(self) -> None:
        """Close what is open, then stop, for good.

        At the end of the process.
        """
        self._left = True
        runner = self._here().runners.get(_TAKES_CALLS)
        if runner is not None:
            for key in list(self._leases):
                self.abandon(key)
            runner.stop()
            runner.join()
        self._leases.clear()

    def forget(self) -> None:
        """Forget the parent's thread in a forked child.

        Its process id may have been that of an ancestor.
        """
        self._inherited.append(self._processes.pop(os.getpid(), None))

    def close_abandoned(self, runner: LoopRunner) -> None:
        """Close what nobody has any more.

        It runs in the loop's thread.
        """
        while self._abandoned:
            key = self._abandoned.popleft()
            opened = self._leases.get(key)
            if opened is not None:
                runner.close(opened.close, partial(self._lease_ended, runner, key, opened))

    def needs_loop(self) -> bool:
        """Return True while anybody may still call.

        It runs in the loop's thread.
        """
        return bool(self._leases)

    def let_go(self, runner: LoopRunner) -> None:
        """Let go of the runner: nobody finds it any more.

        It runs in the loop's thread.
        """
        runners = self._here().runners
        if runners.get(_TAKES_CALLS) is runner:
            del runners[_TAKES_CALLS]

    def _here(self) -> _Process:
        process = os.getpid()
        return self._processes.get(process) or self._processes.setdefault(process, _Process())

    def _runner(self, here: _Process) -> LoopRunner:
        runner = here.runners.get(_TAKES_CALLS)
        return runner or here.runners.setdefault(_TAKES_CALLS, LoopRunner(self))

    def _go_through(self, here: _Process, function: CoroutineFunction[T], lease: LoopHandle | None) -> Call[T]:
        call, runner = Call(function), None
        try:
            if self._left:
                self._refuse_to_stay()
            runner = self._runner(here)
            runner.admit(call)
            if lease is not None:
                # Whoever closed it since may have found no thread, and so closed nothing that this call would open.
                lease.check_open()
            if not runner.begin(call):
                call.hand_back()
            while not call.wait(STALL_SECONDS):
                _check_progress(runner, call)
            self._end(runner, call)
        except BaseException:  # Ctrl-C, or whatever else a signal handler of the caller raises
            if runner is not None and runner.started and runner.post(call.cancel):
                call.wait(CLEANUP_SECONDS)
            else:
                call.cancel()
            if runner is not None:
                self._end(runner, call)
            raise
        if runner.failure is not None:
            call.cancel()
            raise runner.failure
        return call

    def _end(self, runner: LoopRunner, call: Call[T]) -> None:
        runner.calls.discard(call)
        if not self._leases:
            self._retire(runner)

    def _retire(self, runner: LoopRunner) -> None:
        """End the runner, if that is what its thread decides."""
        decided = Latch()
        if runner.started and runner.post(runner.retire, decided) and not runner.is_here:
            decided.wait(CLEANUP_SECONDS)
        if runner.ending:
            runner.join()

    def _lease_ended(self, runner: LoopRunner, key: object, opened: _Opened) -> None:
        """End a lease, in the loop's thread."""
        self._leases.pop(key, None)
        runner.retire(opened.ended)

    def _check_caller(self, here: _Process, *, waits: bool) -> None:
        runner = here.runners.get(_TAKES_CALLS)
        if runner is not None and runner.is_here:
            _refuse_to_wait_for_itself(runner)
        if self._warned or not waits:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        if tracebacks.is_notebook_cell():
            return
        self._warned = True
        warnings.warn(
            "a tilia_sync call blocks the event loop that runs in this thread until it returns; "
            "in asynchronous code use tilia_async and await",
            RuntimeWarning,
            stacklevel=tracebacks.users_level(),
        )

    def _refuse_to_stay(self) -> NoReturn:
        """Refuse to stay when the process ends.

        A daemon thread would not see the end of it; for it SystemExit is a silent one.
        """
        if threading.current_thread().daemon:
            raise SystemExit
        raise ClientClosedError(
            "the process ends, and its clients were closed; what is done in atexit has to be registered after "
            "'import tilia_sync'"
        )


def _check_progress(runner: LoopRunner, call: Call[T]) -> None:
    """Raise if the loop makes no progress.

    A loop that runs nothing for so long waits for something that its caller holds: neither would ever go on.
    """
    answered = Latch()
    if runner.post(answered.set) and not call.wait(STALL_SECONDS) and not answered.is_set:
        raise RuntimeError(
            f"deadlock: the {THREAD_NAME} thread has done nothing for {STALL_SECONDS:g} s, it may wait for a lock that "
            "this thread holds; whether the call takes effect cannot be known\n"
            + tracebacks.stacks([call.caller, *_ident(runner)])
        )


def _refuse_to_wait_for_itself(runner: LoopRunner) -> NoReturn:
    task = asyncio.current_task()
    waiting = [call for call in list(runner.calls) if call.is_run_by(task)] or list(runner.calls)
    raise RuntimeError(
        f"a tilia_sync call inside the {THREAD_NAME} thread would wait for itself for ever: "
        "code that runs there is asynchronous, so use tilia_async and await\n"
        + tracebacks.stacks([*_ident(runner), *(call.caller for call in waiting[:3])])
    )


def _ident(runner: LoopRunner) -> list[int]:
    return [] if runner.ident is None else [runner.ident]


def _take_over(context: contextvars.Context) -> None:
    """Take over changed context variables.

    The caller sees what the call changed in them, as if it had run in its thread.
    """
    current = contextvars.copy_context()
    for variable, value in context.items():
        if variable not in current or current[variable] is not value:
            variable.set(value)


LOOP_THREAD: Final = LoopThread()
"""The thread of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LOOP_THREAD.forget)

atexit.register(LOOP_THREAD.leave)

tracebacks.hide(__name__)
