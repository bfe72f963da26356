"""Event loops that wait for nobody.

What blocks is done in daemon threads of the system.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

from tilia_async.os_threads import DaemonThread, are_greenlets, original

T = TypeVar("T")

THREAD_NAME: Final = "tilia-sync"

_getaddrinfo: Final[Callable[..., list[Any]]] = original("socket", "getaddrinfo")
_Selector: Final[Callable[[], Any]] = original("selectors", "DefaultSelector")


class DaemonThreads:
    """An executor with one daemon thread per function.

    The functions block.

    A host name may take long to resolve, and nothing can end that. The threads of every executor are joined when the
    interpreter exits. Where gevent or eventlet have put greenlets in the place of threads, these are threads all the
    same, and what they block is their own.
    """

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:  # of any type, as asyncio has them
        """See ``asyncio.loop.run_in_executor``.

        Without an executor it is a thread of its own.
        """
        if executor is not None:
            # The next class is the loop's.
            return super().run_in_executor(executor, func, *args)  # type: ignore[misc,no-any-return] # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType,reportUnknownVariableType]
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                settle: Callable[[], None] = _settling(result, func(*args), None)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is for whoever waits
                settle = _settling(result, None, error)
            try:
                loop.call_soon_threadsafe(settle)
            except RuntimeError:
                # The loop has ended, and nobody waits.
                return

        DaemonThread(work, f"{THREAD_NAME}-name").start()
        return result

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the names are asyncio's
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:  # uvloop, asyncio and socket describe the same tuples in three ways
        """See ``socket.getaddrinfo``."""
        # Somebody's own, if it was replaced, but for one that waits as greenlets do.
        resolve = _getaddrinfo if are_greenlets() else socket.getaddrinfo
        try:
            # An address needs no thread.
            return resolve(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:
            return await self.run_in_executor(None, resolve, host, port, family, type, proto, flags)


class Loop(DaemonThreads, asyncio.SelectorEventLoop):  # type: ignore[misc] # asyncio describes the same addresses otherwise
    """asyncio's event loop for the loop thread."""

    def __init__(self) -> None:
        super().__init__(_Selector())


def _settling(result: asyncio.Future[T], value: Any, error: BaseException | None) -> Callable[[], None]:
    def settle() -> None:
        if result.done():
            return
        if error is None:
            result.set_result(value)
        else:
            result.set_exception(error)

    return settle
