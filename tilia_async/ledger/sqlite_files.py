"""Files of SQLite, and how they are opened.

How a new one is made, how one is opened that may only be read, and why one cannot be opened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import url2pathname

import attrs

from tilia_async.errors import LedgerError
from tilia_async.ledger.sqlite_locks import SLICE_SECONDS, LedgerFile, LockWait, primary_code
from tilia_async.os_threads import ProcessLock

_OWNER_ONLY: Final = 0o600
"""Mode of a new file, for its owner only.

It says who was blocked and why. SQLite gives the mode to the files beside it, too.
"""

_making: Final = ProcessLock()
"""Lock that keeps making and opening apart.

To close a file ends all of SQLite's locks on it in this process, so nobody opens one while another makes it.
"""

_UNWRITABLE: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})


@attrs.frozen
class FileState:
    """State of a file when it was opened.

    It was opened as one that nobody changes.
    """

    path: Path
    inode: int
    size: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Return the state of a file as it is now."""
        found = path.stat()
        return cls(path, found.st_ino, found.st_size, found.st_mtime_ns)

    @property
    def is_current(self) -> bool:
        """True as long as nobody has changed the file."""
        with contextlib.suppress(OSError):
            return self == FileState.of(self.path) and not _has_log(self.path)
        return False


def path_of(database: str) -> Path | None:
    """Return the path in SQLite's name of a database.

    None if it makes no new file.
    """
    if not database.startswith("file:"):
        return Path(database)
    parts = urlsplit(database)
    mode = parse_qs(parts.query).get("mode", ["rwc"])[-1]
    return Path(url2pathname(parts.path)) if mode == "rwc" else None


def open_file(database: str, lock_wait: LockWait, **settings: Any) -> tuple[LedgerFile, FileState | None]:
    """Open a file for its owner alone.

    It is made if it is new.

    Args:
        settings: of ``sqlite3.connect``, of any type.

    Returns:
        The file; and its state, if it can only be read as one that nobody changes.

    Raises:
        sqlite3.Error: it cannot be opened; the system's error that tells why is its cause, if there is one.
        LedgerError: it cannot be read without writing.
    """
    path = path_of(database)
    if path is not None:
        _make(path)
    try:
        return _connected(database, lock_wait, settings), None
    except sqlite3.OperationalError as error:
        if primary_code(error) not in _UNWRITABLE or path is None:
            raise
        failure = error
    try:
        _find_reason(path)
    except OSError as reason:
        raise failure from reason
    if _has_log(path):
        raise LedgerError(
            f"{path} cannot be read: the directory is read-only, and {path.name}-wal beside it holds records that are "
            "not in it yet. Copy both to a directory that can be written, and open the copy"
        )
    try:
        state = FileState.of(path)
        frozen = f"file:{quote(str(path.absolute()))}?immutable=1"
        return _connected(frozen, lock_wait, {**settings, "uri": True}), state
    except OSError:
        raise failure from None


def _connected(database: str, lock_wait: LockWait, settings: dict[str, Any]) -> LedgerFile:
    given: dict[str, Any] = {**settings, "timeout": SLICE_SECONDS}
    file = sqlite3.connect(database, factory=LedgerFile, **given)
    file.lock_wait = lock_wait
    try:
        _prepare(file)
    except BaseException:  # whatever it is, the file does not stay open
        file.close()
        raise
    return file


def _prepare(file: LedgerFile) -> None:
    try:
        # Readers do not wait for the writer. It is kept in the file, which may be one that cannot be written.
        file.execute("PRAGMA journal_mode = WAL").fetchall()
    except sqlite3.OperationalError as error:
        if primary_code(error) != sqlite3.SQLITE_READONLY:
            raise
    # Each commit is on the disk when it returns.
    file.execute("PRAGMA synchronous = FULL").fetchall()
    # Nothing before has read from it, and what cannot be read is told now.
    file.execute("PRAGMA schema_version").fetchall()


def _make(path: Path) -> None:
    """Make a file that only its owner can use.

    Only the owner can read or write it; one that is there is left as it is.
    """
    with _making, contextlib.suppress(OSError):
        # A link may lead to a file that is not there yet. What cannot be made, SQLite tells about.
        os.close(os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, _OWNER_ONLY))


def _find_reason(path: Path) -> None:
    """Say why SQLite could not open a file.

    SQLite says only that it could not.

    Raises:
        OSError: the file, or one beside it, cannot be opened.
    """
    if path.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # Not the file itself: to close that would end the locks of other connections of this process.
    path.stat()
    if not os.access(path, os.R_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    os.close(os.open(path.absolute().parent, os.O_RDONLY))


def _has_log(path: Path) -> bool:
    """Tell whether the write-ahead log holds something."""
    with contextlib.suppress(OSError):
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    return False
