"""Failures of databases, and what to do about them.

They are told in the drivers' words, with advice on those that are known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final

from tilia_async.ledger.sqlite_locks import BUSY_SECONDS, primary_code
from tilia_async.ledger.system_failures import DISK_FULL, advice
from tilia_async.text import readable

_POOLED: Final = (
    "a pooler in transaction mode (PgBouncer, Supavisor, RDS Proxy) hands connections on between transactions: add "
    "?statement_cache_size=0 to the ledger's URL"
)
_READ_ONLY: Final = "it can be read, but not written: see to its permissions, or name the database that is written to"
_REFUSED: Final = "the server does not let this user in: see to the user, the password and pg_hba.conf"
_ENDING: Final = "the server is stopping or starting: try again"
_NOT_THERE: Final = "the tables of the ledger are not there: is this its database, and its search_path?"

_BY_SQLITE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: f"another process wrote all the while ({BUSY_SECONDS:g} s at most): let it end, or stop it",
    sqlite3.SQLITE_LOCKED: "another connection holds it: let that end",
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_CORRUPT: "the file is damaged: keep a copy, then see 'sqlite3 FILE .recover', or take a backup",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database: name another",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_IOERR: "the disk, or the file system, fails: see the system's log",
    sqlite3.SQLITE_NOMEM: "the process or the machine has no memory left",
    sqlite3.SQLITE_INTERRUPT: "it was interrupted because the ledger was closed, and changed nothing",
    sqlite3.SQLITE_PROTOCOL: "the file system does not keep locks as SQLite needs them: use a local one, or PostgreSQL",
}

_BY_SQLSTATE: Final[Mapping[str, str]] = {
    "26000": _POOLED,
    "42P05": _POOLED,
    "25006": _READ_ONLY,
    "28000": _REFUSED,
    "28P01": _REFUSED,
    "3D000": "there is no such database on this server: make it, or correct the URL",
    "3F000": "there is no schema to make tables in: see the user's search_path",
    "42501": "the user of the URL lacks a privilege: it reads and writes the ledger's tables, and makes them once",
    "42P01": _NOT_THERE,
    "42703": _NOT_THERE,
    "53100": DISK_FULL,
    "53200": "the server has no memory left",
    "53300": "the server has no connection left: close some, raise max_connections, or put a pooler before it",
    "55P03": "another transaction holds what this one needs: let it end",
    "57014": "the server cancelled it: see statement_timeout and lock_timeout",
    "57P01": _ENDING,
    "57P02": _ENDING,
    "57P03": _ENDING,
}

_UNANSWERED: Final = ("08", "57P")
"""Classes of codes that end a connection.

Whatever it was doing.
"""

_TIMED_OUT: Final = "nothing was heard in time: is the server reachable, and is it stuck?"


def words(error: BaseException) -> str:
    """Return what a driver says, with advice.

    Its parameters are left out; the advice is there as far as the failure is known.
    """
    origin = _origin(error)
    # PostgreSQL's details and contexts repeat parameters.
    primary = getattr(getattr(origin, "diag", None), "message_primary", None)
    text = readable(str(primary or origin))
    said = f"{text} ({type(origin).__name__})" if text else type(origin).__name__
    reason = origin.__cause__
    if isinstance(origin, sqlite3.Error) and isinstance(reason, OSError):
        said = f"{said}: {readable(reason.strerror or type(reason).__name__)}"
    return "; ".join([said, *_advice(origin)])


def sqlstate_of(error: BaseException) -> str | None:
    """Return PostgreSQL's code of a failure.

    None if it was not PostgreSQL that failed.
    """
    code = getattr(_origin(error), "sqlstate", None)
    return code if isinstance(code, str) else None


def is_unanswered(error: BaseException) -> bool:
    """Return True if PostgreSQL's last word is not known.

    Nothing came in time, the connection broke, or the server was ending it.
    """
    code = sqlstate_of(error)
    return code is None or code.startswith(_UNANSWERED)


def note(error: BaseException, text: str) -> None:
    """Add a note to a failure, for ``words``."""
    _origin(error).add_note(text)


def _origin(error: BaseException) -> BaseException:
    """Return the driver's failure behind one of SQLAlchemy's.

    It may be what cannot be loaded.
    """
    origin = getattr(error, "orig", None)
    return origin if isinstance(origin, BaseException) else error


def _advice(origin: BaseException) -> Iterator[str]:
    reason = origin.__cause__
    known = advice(origin) or advice(reason)
    if known is not None:
        pass
    elif isinstance(origin, sqlite3.Error):
        known = _BY_SQLITE.get(primary_code(origin))
    elif isinstance(origin, TimeoutError):
        known = _TIMED_OUT
    else:
        known = _BY_SQLSTATE.get(sqlstate_of(origin) or "")
    if known:
        yield known
    yield from getattr(origin, "__notes__", ())
