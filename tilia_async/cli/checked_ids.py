"""The accounts of a file after the first pass.

In a temporary database, each once, in the file's order.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from typing import Final

import attrs

from tilia_async.cli.account_file import Entry
from tilia_async.cli.text_lines import Problem, ProblemKind

_KEPT_PROBLEMS: Final = 20
_BATCH: Final = 1_000
_CACHE_KIB: Final = 16_384


class NoRoomError(Exception):
    """Failure of the temporary database.

    Mostly because the disk is full.
    """


@attrs.frozen
class CheckedIds:
    """The ids or usernames, while ``first_pass`` is open.

    Attributes:
        total: how many there are; none is there twice.
        merged: how many lines named one again.
        flaws: for each kind of problem, how many lines have it.
        problems: the first 20 of them, by line.
    """

    total: int
    merged: int
    flaws: Mapping[ProblemKind, int]
    problems: tuple[Problem, ...]
    _database: sqlite3.Connection = attrs.field(repr=False)

    def __iter__(self) -> Iterator[str]:
        """Yield every id, in the file's order.

        It is read as it is asked for.

        Raises:
            NoRoomError: the temporary database cannot be read any more.
        """
        return (entry.value for entry in self.entries())

    def entries(self) -> Iterator[Entry]:
        """Yield every id with its line.

        Raises:
            NoRoomError: as above.
        """
        with _room_errors():
            for line, value in self._database.execute("SELECT line, value FROM entry ORDER BY line"):
                yield Entry(line, value)

    def ends(self) -> tuple[str, str] | None:
        """Return the first and the last, or None."""
        lines = "SELECT min(line) FROM entry", "SELECT max(line) FROM entry"
        found = [self._database.execute(f"SELECT value FROM entry WHERE line = ({line})").fetchone() for line in lines]  # noqa: S608 - nothing from outside is in it
        return None if found[0] is None else (str(found[0][0]), str(found[1][0]))

    def __contains__(self, account_id: str) -> bool:
        found = self._database.execute("SELECT 1 FROM entry WHERE value = ?", (account_id,))
        return found.fetchone() is not None


@contextmanager
def first_pass(read: Iterable[Entry | Problem]) -> Generator[CheckedIds, None, None]:
    """Read everything once, and find the duplicates.

    Memory stays bounded, whatever the length.

    Raises:
        NoRoomError: the temporary database cannot be written.
    """
    # A database without a name lives in a file that SQLite deletes by itself, also after a crash.
    database = sqlite3.connect("", isolation_level=None)
    with closing(database):
        with _room_errors():
            accounts = _filled(database, read)
        yield accounts


@contextmanager
def _room_errors() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise NoRoomError(
            f"the temporary database of the account ids cannot be used: {error}. "
            "The variable SQLITE_TMPDIR names another directory for it"
        ) from error


def _filled(database: sqlite3.Connection, read: Iterable[Entry | Problem]) -> CheckedIds:
    database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    # A table of this process alone, which nobody reads after a crash.
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("CREATE TABLE entry (line INTEGER PRIMARY KEY, value TEXT NOT NULL)")
    flaws: Counter[ProblemKind] = Counter()
    problems: list[Problem] = []

    def entries() -> Iterator[Entry]:
        for each in read:
            if isinstance(each, Entry):
                yield each
                continue
            flaws[each.flaw] += 1
            if len(problems) < _KEPT_PROBLEMS:
                problems.append(each)

    waiting = entries()
    while batch := list(islice(waiting, _BATCH)):
        database.execute("BEGIN")
        database.executemany("INSERT INTO entry VALUES (?, ?)", batch)
        database.execute("COMMIT")
    merged = _merged(database)
    (total,) = database.execute("SELECT count(*) FROM entry").fetchone()
    return CheckedIds(total, merged, flaws, tuple(problems), database)


def _merged(database: sqlite3.Connection) -> int:
    """Delete all but the first of each; count them."""
    # One index at the end is a sort on disk; one that grows with every line would be ten times slower.
    database.execute("CREATE INDEX by_value ON entry (value)")
    twice = database.execute("SELECT 1 FROM entry GROUP BY value HAVING count(*) > 1 LIMIT 1")
    if twice.fetchone() is None:
        return 0
    merged = database.execute(
        "DELETE FROM entry WHERE line IN (SELECT line FROM"
        " (SELECT line, min(line) OVER (PARTITION BY value) AS first FROM entry) WHERE line > first)"
    )
    return merged.rowcount
