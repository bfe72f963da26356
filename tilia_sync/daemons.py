"""Threads that the end of the process does not wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

THREAD_NAME: Final = "tilia-sync"


class DaemonThreads(ThreadPoolExecutor):
    """Runs each function in a daemon thread of its own.

    A host name may take long to resolve, and nothing can end that. The threads of every other executor are joined when
    the interpreter exits.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start it at once."""
        future: Future[T] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    result = fn(*args, **kwargs)
                except BaseException as error:  # noqa: BLE001 - whatever it is, it is for whoever waits
                    future.set_exception(error)
                else:
                    future.set_result(result)

        threading.Thread(target=work, name=f"{THREAD_NAME}-name", daemon=True).start()
        return future
