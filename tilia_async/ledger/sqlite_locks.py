"""Waits for other processes' locks on a SQLite file.

They are waited for in slices that can be ended from any thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from time import monotonic
from typing import Any, Final, Self, TypeVar

from tilia_async.os_threads import OneTimeEvent

T = TypeVar("T")

BUSY_SECONDS: Final = 30.0
"""Seconds that SQLite waits for a writing process."""

SLICE_SECONDS: Final = 0.02
"""Seconds that SQLite itself waits at once.

Nothing can end that.
"""

_PAUSES: Final = (0.002, 0.005, 0.01, 0.02)
"""Seconds between the first attempts.

Some failures come without any wait of SQLite's.
"""
_LONGEST_PAUSE: Final = 0.05

_PRIMARY: Final = 0xFF
"""Mask of the primary code in SQLite's results.

This part of the extended result codes says what kind they are of.
"""


def primary_code(error: sqlite3.Error) -> int:
    """Return the kind of SQLite's failure.

    0 if it was not SQLite that failed.
    """
    # Errors that the module itself raises have none.
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY


class LockWait:
    """Seconds for which one connection waits for a lock.

    It ends earlier if somebody ends all waiting.
    """

    def __init__(self, seconds: float = BUSY_SECONDS) -> None:
        self._seconds = seconds
        self._ended = OneTimeEvent()

    def end(self) -> None:
        """End all waiting, from any thread.

        What is locked now fails, what is not goes on.
        """
        self._ended.set()

    def wait_for(self, attempt: Callable[[], T], is_as_before: Callable[[], bool]) -> T:
        """Return what an attempt returns, repeated while locked.

        It is made again as long as another process has the lock.

        Args:
            is_as_before: tells after an attempt that failed whether it changed nothing and may be made again.

        Raises:
            sqlite3.Error: as the last attempt does.
        """
        until, pauses = monotonic() + self._seconds, chain(_PAUSES, repeat(_LONGEST_PAUSE))
        while True:
            try:
                return attempt()
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or not is_as_before():
                    raise
                left = until - monotonic()
                if left <= 0 or self._ended.wait(min(next(pauses), left)):
                    raise


class LedgerFile(sqlite3.Connection):
    """An open file that waits for locks.

    Its statements wait as long as its ``lock_wait`` lasts.

    Attributes:
        lock_wait: for how long.
    """

    lock_wait: LockWait = LockWait()

    def cursor(self, factory: object = None) -> sqlite3.Cursor:  # type: ignore[override]  # of any other kind, it would not wait
        """Make a cursor, always of the kind that waits."""
        del factory
        return super().cursor(_LedgerCursor)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # SQLite's values are of any type
        """Execute a statement with a cursor that waits.

        The module's own would not.
        """
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:  # as above
        """Execute a statement for several rows, waiting for locks.

        Its cursor waits.
        """
        return self.cursor().executemany(sql, rows)

    def commit(self) -> None:
        """Commit, and repeat it while readers are there.

        A commit that finds readers in its way leaves the transaction as it is, and is made again.
        """
        self.lock_wait.wait_for(super().commit, lambda: self.in_transaction)


class _LedgerCursor(sqlite3.Cursor):
    def __init__(self, file: sqlite3.Connection) -> None:
        super().__init__(file)
        self._file = file
        self._lock_wait = file.lock_wait if isinstance(file, LedgerFile) else LockWait()

    def execute(self, sql: str, parameters: Any = (), /) -> Self:  # SQLite's values are of any type
        file, before = self._file, self._file.in_transaction
        # Within a transaction a statement that failed is undone alone; SQLite may also undo all of it, and says so.
        return self._lock_wait.wait_for(
            lambda: super(_LedgerCursor, self).execute(sql, parameters), lambda: file.in_transaction is before
        )

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Self:  # as above
        file, rows = self._file, list(rows)
        began_here = not file.in_transaction
        # Some rows of a transaction under way may have been written before the one that failed.
        return self._lock_wait.wait_for(
            lambda: super(_LedgerCursor, self).executemany(sql, rows),
            lambda: began_here and not file.in_transaction,
        )
