"""A thread that runs an event loop, start to end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from tilia_async.os_threads import DaemonThread, are_greenlets, get_ident, start_new_thread
from tilia_sync import greenlets
from tilia_sync.call import Call
from tilia_sync.daemon_executor import THREAD_NAME, Loop
from tilia_sync.latch import Latch

T = TypeVar("T")

CLEANUP_SECONDS: Final = 1.0
"""Seconds for the cleanup of an interrupted call.

Ctrl-C ended it; then the interrupt goes on to the caller.
"""
CLOSE_SECONDS: Final = 2.0
"""Seconds for clients to close with their thread."""
_GONE_SECONDS: Final = 0.5
"""Seconds for a finished thread to be gone."""

Close: TypeAlias = Callable[[], Coroutine[object, object, None]]


class Owner(Protocol):
    """The owner that hands out the runner.

    Each method is called in the loop's thread.
    """

    def close_abandoned(self, runner: LoopRunner) -> None:
        """Close what nobody has any more."""
        ...

    def needs_loop(self) -> bool:
        """Return True while anybody may still call."""
        ...

    def let_go(self, runner: LoopRunner) -> None:
        """Hand it out no more."""
        ...


class LoopRunner:
    """A loop and its thread.

    It is used by ``tilia_sync.loop_thread.LoopThread`` only.

    There is no lock: what is decided is decided in the loop's thread, and callers only put something there for it. So a
    signal handler or a finalizer that interrupts any step of a caller can make a call of its own.

    Attributes:
        calls: those under way, and some that have ended.
        ending: it was let go, and ends.
        over: it takes no calls any more.
        failure: why there is no loop.
        ident: the thread that runs the loop.
    """

    def __init__(self, owner: Owner) -> None:
        self.calls: set[Call[Any]] = set()
        self.ending: bool = False
        self.over: bool = False
        self.failure: Exception | None = None
        self.ident: int | None = None
        self._owner = owner
        self._started = False
        # The thread that takes it out runs the loop: a caller that is interrupted may have started several.
        self._turn = [True]
        self._thread: DaemonThread | None = None
        self._gone = Latch()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._closing: set[asyncio.Task[None]] = set()
        self._stopped = False

    @property
    def started(self) -> bool:
        """True if there is a thread, or has been."""
        return self._started or not self._turn

    @property
    def is_here(self) -> bool:
        """The loop runs in the thread that asks."""
        return self.ident == get_ident()

    def admit(self, call: Call[Any]) -> None:
        """Expect a call, and start the thread if need be.

        Raises:
            RuntimeError: the system has no thread left.
        """
        self.calls.add(call)
        if not self._started:
            start_new_thread(self._launch, ())
            self._started = True

    def begin(self, call: Call[Any]) -> bool:
        """Let the loop run an admitted call.

        False if the loop is over.
        """
        return self.post(self._begin_call, call)

    def post(self, callback: Callable[..., object], *arguments: object) -> bool:
        """Run something in the loop's thread, soon.

        False if there is no loop any more.
        """
        loop = self._loop
        try:
            if loop is None:
                self._early.append((callback, arguments))
                loop = self._loop
                if loop is None:
                    return not self.over
                # The loop has begun meanwhile, and may have looked before.
                loop.call_soon_threadsafe(self._do_early)
            else:
                loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            return False
        return True

    def close(self, close: Close, then: Callable[[], object]) -> None:
        """Close somebody's part, in the loop's thread."""
        task = asyncio.get_running_loop().create_task(close())
        self._closing.add(task)

        def finish(ended: asyncio.Task[None]) -> None:
            self._closing.discard(ended)
            if not ended.cancelled():
                # Asked for, so that the loop does not complain that nobody did; a close that fails has closed.
                ended.exception()
            then()

        task.add_done_callback(finish)

    def retire(self, decided: Latch | None = None) -> None:
        """End the loop, unless somebody needs it.

        It runs in the loop's thread.

        Args:
            decided: set when ``ending`` says which it is.
        """
        if not self.ending and not self._owner.needs_loop() and all(call.is_set for call in list(self.calls)):
            self._wind_up()
        if decided is not None:
            decided.set()

    def stop(self) -> None:
        """End the loop, whatever else it does.

        Once what is being closed is closed.
        """
        self._stopped = True
        self.post(self._wind_up)

    def join(self) -> None:
        """Wait for the end.

        It does not wait for this very thread; a loop that hangs is left behind.
        """
        if not self.is_here and self.started and self._gone.wait(CLOSE_SECONDS + CLEANUP_SECONDS):
            thread = self._thread
            if thread is not None:
                thread.join(_GONE_SECONDS)

    def _begin_call(self, call: Call[Any]) -> None:
        # What comes too late is handed back.
        if not self.ending and self._loop is not None:
            call.start(self._loop)

    def _do_early(self) -> None:
        while self._early:
            callback, arguments = self._early.popleft()
            callback(*arguments)

    def _wind_up(self) -> None:
        if self.ending:
            return
        self.ending = True
        self._owner.let_go(self)
        loop = asyncio.get_running_loop()

        async def end() -> None:
            if self._closing:
                await asyncio.wait(self._closing, timeout=CLOSE_SECONDS)
            loop.stop()

        self._end_task = loop.create_task(end())

    def _launch(self) -> None:
        """Become the loop's thread, or start it.

        In a thread of its own; it is started so that ``threading`` knows it.

        Not in the caller's: a signal handler may not start a thread while another is being started below it.
        """
        try:
            self._turn.pop()
        except IndexError:
            return
        if are_greenlets():
            self._run()
            return
        self._thread = DaemonThread(self._run, THREAD_NAME)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._thread = None
            self.failure = error
            self._end()

    def _run(self) -> None:
        self.ident = get_ident()
        try:
            loop = _new_loop()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for those who wait for the loop
            self.failure = error
            self._end()
            return
        try:
            asyncio.set_event_loop(loop)
            loop.call_soon(self._begin, loop)
            _run_until_stopped(loop)
            self._loop = None
            self._finish(loop)
        finally:
            self.over = True
            self._loop = None
            asyncio.set_event_loop(None)
            loop.close()
            self._end()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._do_early()
        self._owner.close_abandoned(self)

    def _end(self) -> None:
        self.over = True
        self._owner.let_go(self)
        for call in list(self.calls):
            if self._stopped:
                call.cancel()
                call.set()
            else:
                call.hand_back()
        greenlets.forget_hub()
        self.ident = None
        self._gone.set()

    def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is left.

        It may clean up for a while.
        """
        if self._stopped:
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
        return Loop()
    return FastLoop()
