"""Threads and locks of the operating system.

They are so even where gevent or eventlet have put greenlets in their place.
"""

from __future__ import annotations

import _thread
import contextlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, Final, Protocol


class _Lock(Protocol):
    def acquire(self) -> object: ...

    def release(self) -> None: ...


def original(module: str, name: str) -> Any:
    """Return the original of a replaced standard function.

    What a module of the standard library had before gevent or eventlet replaced it.
    """
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_object_patched(module, name):
        return gevent.get_original(module, name)
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return getattr(_selectors(eventlet) if module == "selectors" else eventlet.original(module), name)
    return getattr(importlib.import_module(module), name)


# Bound once: whoever replaces them later replaces them for others.
allocate_lock: Final[Callable[[], _thread.LockType]] = original("_thread", "allocate_lock")
get_ident: Final[Callable[[], int]] = original("_thread", "get_ident")
start_new_thread: Final[Callable[[Callable[[], object], tuple[()]], int]] = original("_thread", "start_new_thread")
_new_rlock: Final[Callable[[], _Lock]] = original("_thread", "RLock")


def _selectors(eventlet: ModuleType) -> ModuleType:
    """Return the ``selectors`` module, whole again.

    It has what eventlet took out of ``select``, which eventlet itself does not bring back.
    """
    spec = importlib.util.find_spec("selectors")
    if spec is None or spec.loader is None:
        raise ImportError("selectors")
    module, select = importlib.util.module_from_spec(spec), sys.modules["select"]
    sys.modules["select"] = eventlet.original("select")
    try:
        spec.loader.exec_module(module)
    finally:
        sys.modules["select"] = select
    return module


def are_greenlets() -> bool:
    """Tell whether what ``threading`` starts are greenlets."""
    return _thread.start_new_thread is not start_new_thread


class DaemonThread(threading.Thread):
    """A thread of the operating system, as a daemon.

    The end of the process does not wait for it.

    Where ``threading`` starts greenlets, it is unknown to ``threading`` and has no name.

    Args:
        work: what it does.
    """

    def __init__(self, work: Callable[[], object], name: str) -> None:
        super().__init__(target=work, name=name, daemon=True)
        self._work = work
        # Held until a thread that threading does not know has ended.
        self._alone: _thread.LockType | None = None

    def start(self) -> None:
        """Start it, once.

        Raises:
            RuntimeError: the system has no thread left.
        """
        if not are_greenlets():
            super().start()
            return
        self._alone = allocate_lock()
        self._alone.acquire()
        start_new_thread(self._work_alone, ())

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, that many seconds at most."""
        alone = self._alone
        if alone is None:
            super().join(timeout)
        elif alone.acquire(timeout=-1 if timeout is None else timeout):
            alone.release()

    def _work_alone(self) -> None:
        alone = self._alone
        try:
            self._work()
        finally:
            if alone is not None:
                alone.release()


class OneTimeEvent:
    """An event that is set once.

    It is waited for in threads of the operating system.
    """

    def __init__(self) -> None:
        self._is_set = False
        # Held until it is set.
        self._lock = allocate_lock()
        self._lock.acquire()

    def set(self) -> None:
        """Let all go on that wait.

        A second time does nothing.
        """
        if self._is_set:
            return
        self._is_set = True
        # Two threads may come here at once: one of them is enough.
        with contextlib.suppress(RuntimeError):
            self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Wait until it is set.

        False if that took longer than so many seconds.
        """
        if not self._is_set and self._lock.acquire(timeout=seconds):
            self._lock.release()
        return self._is_set


class ProcessLock:
    """A re-entrant lock that is free after a fork.

    In a forked process, whoever held it in the parent.

    It compares process ids, because not all that forks runs Python's hooks: uWSGI does not. Signal handlers and
    finalizers may enter it while their own thread holds it, so what it guards is right after each step.
    """

    def __init__(self) -> None:
        self._locks: dict[int, _Lock] = {}

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Wait until no other thread of this process holds it."""
        process = os.getpid()
        lock = self._locks.get(process)
        if lock is None:
            lock = self._locks.setdefault(process, _new_rlock())
        lock.acquire()

    def release(self) -> None:
        """Let others in.

        In a process that was forked while it was held there is nothing to let go.
        """
        lock = self._locks.get(os.getpid())
        if lock is not None:
            lock.release()
