"""The libraries of databases, loaded when they are needed.

The module knows which of them a ledger needs, and loads them beside an event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from tilia_async.errors import LedgerError
from tilia_async.ledger.system_failures import advice
from tilia_async.ledger.url import Kind
from tilia_async.os_threads import DaemonThread, ProcessLock
from tilia_async.text import readable

_ROOMS: Final = ("database", "journal", "jobs", "queries", "reported_blocks", "standing", "statements")
"""Modules of this package that need SQLAlchemy.

To load it takes some tenths of a second.
"""

_NEEDED: Final = {
    Kind.SQLITE: ("ledger", ("sqlalchemy", "greenlet", "aiosqlite")),
    Kind.POSTGRESQL: ("postgres", ("sqlalchemy", "greenlet", "aiosqlite", "psycopg")),
}
"""The extra of a database, and its libraries.

The rooms above know SQLite always.
"""

_DIALECTS: Final = {
    Kind.SQLITE: ("sqlalchemy.dialects.sqlite.aiosqlite",),
    Kind.POSTGRESQL: ("sqlalchemy.dialects.postgresql.psycopg", "tilia_async.ledger.postgres_connections"),
}

_loaded: Final = set[Kind]()

_importing: Final = ProcessLock()
"""Held while a thread imports.

A process that is forked meanwhile would have modules locked for ever.
"""

_importers: Final = set[int]()
"""Processes in which a thread imports.

A forked one that finds its parent here has such locks.
"""

if hasattr(os, "register_at_fork"):
    # The lock of the parent is none of the child's.
    os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release)


def lacking(kind: Kind) -> str | None:
    """Return what is not installed, and how to install it.

    It looks for what a kind of database needs. None: all is there.

    Raises:
        LedgerError: the system does not let this process look.
    """
    extra, libraries = _NEEDED[kind]
    try:
        missing = [name for name in libraries if sys.modules.get(name) is None and find_spec(name) is None]
    except OSError as error:
        failure = _not_loaded(error)
    else:
        needed = " and ".join(missing)
        return f"the ledger needs {needed}, not installed here: pip install 'tilia-sdk[{extra}]'" if missing else None
    raise failure


async def load(kind: Kind) -> None:
    """Load the libraries of a kind of database.

    In a thread, if they are not loaded.

    Raises:
        LedgerError: they cannot be loaded.
    """
    if kind in _loaded:
        return
    if _importers - {os.getpid()}:
        raise LedgerError(
            "the process was forked while the libraries of the ledger were loaded, by what runs none of Python's fork "
            "hooks, so they cannot be loaded here: use the ledger once before forking, or start a new process"
        )
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[None] = loop.create_future()

    def work() -> None:
        failure = _load(kind)
        with contextlib.suppress(RuntimeError):
            # The loop may have ended meanwhile.
            loop.call_soon_threadsafe(_settle, loaded, failure)

    try:
        DaemonThread(work, "tilia-ledger-import").start()
    except RuntimeError as error:
        raise _not_loaded(error) from None
    await loaded


def _load(kind: Kind) -> LedgerError | None:
    try:
        with _importing:
            process = os.getpid()
            _importers.add(process)
            try:
                for name in (*(f"tilia_async.ledger.{room}" for room in _ROOMS), *_DIALECTS[kind]):
                    import_module(name)
            finally:
                _importers.discard(process)
    except Exception as error:  # noqa: BLE001 - a library that is imported may raise what it likes
        return _not_loaded(error)
    # Not before: a module that is still being imported is known already, and who imports it waits.
    _loaded.add(kind)
    return None


def _settle(loaded: asyncio.Future[None], failure: LedgerError | None) -> None:
    if loaded.done():
        return
    if failure is None:
        loaded.set_result(None)
    else:
        loaded.set_exception(failure)


def _not_loaded(error: Exception) -> LedgerError:
    said = f"{readable(str(error))} ({type(error).__name__})"
    known = advice(error)
    return LedgerError(f"the libraries of the ledger cannot be loaded: {said}{f'; {known}' if known else ''}")
