"""Connections to SQLite, each with a thread.

The thread ends with its connection and answers no event loop that has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, TypeAlias, TypeVar
from weakref import WeakSet

import aiosqlite
import attrs

from tilia_async.errors import LedgerError
from tilia_async.ledger.sqlite_files import FileState, open_file
from tilia_async.ledger.sqlite_locks import LedgerFile, LockWait
from tilia_async.os_threads import DaemonThread, original

T = TypeVar("T")

_Asked: TypeAlias = asyncio.Future[Any]  # SQLite's values are of any type
_Requests: TypeAlias = SimpleQueue[tuple[_Asked | None, Callable[[], Any]]]

_new_queue: Final[Callable[[], _Requests]] = original("queue", "SimpleQueue")

_ROWS_AT_ONCE: Final = 64
"""Rows that are fetched at once, as in aiosqlite.

Those who iterate get them.
"""


@attrs.define(eq=False)
class _Worker:
    """The file that a thread has open.

    Attributes:
        database: its name.
        process: the one that has the thread.
        file: None before it is open.
        busy: the thread is inside SQLite.
    """

    database: str
    process: int = attrs.field(factory=os.getpid)
    file: sqlite3.Connection | None = None
    busy: bool = False

    def close_inherited(self, database: str) -> None:
        """Close the file in a forked process.

        Before that opens the same one.

        SQLite takes the locks of the parent for those of the process, and would then take none: what the child wrote
        would be lost as soon as the parent closed its own.

        Args:
            database: the file that is to be opened.

        Raises:
            LedgerError: it is this file, and it was in use at the moment of the fork, so it cannot be closed.
        """
        if self.file is None and not self.busy:
            return
        # What is in use holds locks of a thread that is not there. As long as it is kept, nothing touches it.
        if self.busy or self.file is None or self.file.in_transaction:
            if _is_same(self.database, database):
                raise LedgerError(
                    "the process was forked while the ledger was in use, so its file cannot be opened here: fork "
                    "before, or start a new process"
                )
            return
        self.file.close()
        self.file = None


_WORKERS: Final = set[_Worker]()
"""Workers of all ledgers.

In a forked process also those of its parent, which have no threads there.
"""


class SqliteConnection(aiosqlite.Connection):
    """A connection of aiosqlite's with a thread that stops.

    The thread can be ended from anywhere.

    aiosqlite's own thread raises if the event loop that asked has ended before the answer came, and leaves a file open
    that was opened for somebody who is gone. Either happens when a loop ends in the middle of a call.
    """

    _tx: _Requests  # which aiosqlite does not tell so exactly

    def __init__(self, database: str, connect: Callable[[], sqlite3.Connection], lock_wait: LockWait) -> None:
        super().__init__(connect, _ROWS_AT_ONCE)
        self.lock_wait = lock_wait
        self._ended: asyncio.Future[None] | None = None
        # aiosqlite's own are greenlets' where gevent or eventlet have replaced them, and would wait for this very loop.
        self._tx = _new_queue()
        self._worker = _Worker(database)
        self._thread = DaemonThread(partial(_work, self._tx, self._worker), "tilia-ledger")

    @property
    def running(self) -> bool:
        """True until it is stopped."""
        return self._running

    async def visit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the file in its thread.

        After all that was asked for before.

        Raises:
            Exception: as the work does.
        """
        asked: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((asked, partial(work, self._conn)))
        return await asked

    def stop(self) -> asyncio.Future[None] | None:
        """Stop the thread, and close the file.

        After all that it was asked for. A second time does nothing.

        What waits for a lock of another process, or reads, ends at once, and has changed nothing.

        Returns:
            A future of the running event loop, done when the file is closed; None where the first time was elsewhere.
        """
        self.lock_wait.end()
        file, self._connection = self._connection, None
        # Of one that does nothing the closing would be interrupted, which empties the log beside the file.
        if file is not None and self._worker.busy:
            with contextlib.suppress(sqlite3.Error):
                file.interrupt()
        if self._running:
            self._running = False
            with contextlib.suppress(RuntimeError):
                self._ended = asyncio.get_running_loop().create_future()
            self._tx.put_nowait((self._ended, _end))
        return self._ended if self._is_here() else None

    async def ended(self) -> None:
        """Wait until the thread has ended.

        If it was stopped in this event loop.
        """
        if self._ended is not None and self._is_here():
            await asyncio.shield(self._ended)
            # It has given its last answer, so this takes microseconds.
            self._thread.join()

    def _is_here(self) -> bool:
        """Tell whether it was stopped in the running event loop."""
        with contextlib.suppress(RuntimeError):
            return self._ended is not None and self._ended.get_loop() is asyncio.get_running_loop()
        return False

    async def close(self) -> None:
        """Close the file, and end the thread.

        After all that was asked for.
        """
        await super().close()
        await self.ended()


class SqliteConnections:
    """Opens connections, and ends those that nobody else did.

    Attributes:
        is_hurried: nothing waits for locks any more.
    """

    def __init__(self) -> None:
        self.is_hurried: bool = False
        self._known = WeakSet[SqliteConnection]()
        self._states = set[FileState]()

    @property
    def is_outdated(self) -> bool:
        """True if a constant file has been changed.

        It was opened as one that nobody changes.
        """
        return not all(state.is_current for state in self._states)

    async def connect(self, database: str, **settings: Any) -> SqliteConnection:  # of any type, as SQLAlchemy has them
        """Open a file, in a thread of its own.

        Raises:
            sqlite3.Error: it cannot be opened; the thread has ended.
            LedgerError: the process was forked while the file was in use.
        """
        for worker in list(_WORKERS):
            if worker.process != os.getpid():
                worker.close_inherited(database)
                if worker.file is None:
                    _WORKERS.discard(worker)
        lock_wait = LockWait()
        if self.is_hurried:
            lock_wait.end()
        connection = SqliteConnection(database, partial(self._open, database, lock_wait, **settings), lock_wait)
        self._known.add(connection)
        try:
            await connection
        except Exception:  # whatever it is, the thread ends first; it is raised again
            await connection.ended()
            raise
        return connection

    def _open(self, database: str, lock_wait: LockWait, **settings: Any) -> LedgerFile:  # as above
        file, state = open_file(database, lock_wait, **settings)
        if state is not None:
            self._states.add(state)
        return file

    def hurry(self) -> None:
        """Let nothing wait for locks of other processes any more."""
        self.is_hurried = True
        for connection in list(self._known):
            connection.lock_wait.end()

    def forget_states(self) -> None:
        """Take files as they are when they are opened next."""
        self._states.clear()

    async def aclose(self) -> None:
        """Close the connections that are still there.

        Waits until all have ended.
        """
        # One after the other: the last one empties the log beside the file, if no other is closed at that moment.
        for connection in list(self._known):
            if connection.running:
                connection.stop()
            await connection.ended()

    def stop(self) -> None:
        """Stop the connections that are still there.

        From any thread and for any event loop; it waits for none.
        """
        for connection in list(self._known):
            if connection.running:
                connection.stop()


def _is_same(one: str, other: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(one).samefile(other)
    return one == other


def _end() -> None:
    """Mark the last request to a thread."""


def _work(requests: _Requests, worker: _Worker) -> None:
    """Run what is asked until the end.

    One after the other.
    """
    _WORKERS.add(worker)
    while True:
        asked, function = requests.get()
        if function is _end:
            break
        result: object = None
        failure: BaseException | None = None
        worker.busy = True
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the one who asked
            failure = error
        if isinstance(result, sqlite3.Connection):
            worker.file = result
        worker.busy = False
        _answer(asked, result, failure)
        # While it waits for the next it keeps nothing of the last alive.
        del asked, function, result, failure
    if worker.file is not None:
        worker.busy = True
        with contextlib.suppress(sqlite3.Error):
            worker.file.close()
    _WORKERS.discard(worker)
    _answer(asked, None, None)


def _answer(asked: _Asked | None, result: object, failure: BaseException | None) -> None:
    if asked is None:
        return
    loop = asked.get_loop()
    try:
        loop.call_soon_threadsafe(_settle, asked, result, failure)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _settle(asked: _Asked, result: object, failure: BaseException | None) -> None:
    if asked.done():
        return
    if failure is None:
        asked.set_result(result)
    else:
        asked.set_exception(failure)
