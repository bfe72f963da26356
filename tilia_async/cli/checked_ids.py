"""The account ids of a file after the first pass.

In a temporary database, each once, in the file's order.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from heapq import nsmallest
from itertools import islice
from typing import Final

import attrs

from tilia_async.cli.account_file import Entry, Problem, ProblemKind

_KEPT_PROBLEMS: Final = 20
_BATCH: Final = 1_000
_CACHE_KIB: Final = 16_384


class NoRoomError(Exception):
    """Failure of the temporary database.

    Mostly because the disk is full.
    """


@attrs.frozen
class CheckedIds:
    """The ids, for as long as ``first_pass`` is open.

    Attributes:
        total: how many ids there are; none is there twice.
        flaws: for each kind of problem, how many lines have it.
        problems: the first 20 of them, by line.
    """

    total: int
    flaws: Mapping[ProblemKind, int]
    problems: tuple[Problem, ...]
    _database: sqlite3.Connection = attrs.field(repr=False)

    def __iter__(self) -> Iterator[str]:
        """Yield every id, in the file's order.

        It is read as it is asked for.

        Raises:
            NoRoomError: the temporary database cannot be read any more.
        """
        with _told():
            for (account_id,) in self._database.execute("SELECT account_id FROM entry ORDER BY line"):
                yield account_id

    def __contains__(self, account_id: str) -> bool:
        found = self._database.execute("SELECT 1 FROM entry WHERE account_id = ?", (account_id,))
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
        with _told():
            accounts = _filled(database, read)
        yield accounts


@contextmanager
def _told() -> Generator[None, None, None]:
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
    database.execute("CREATE TABLE entry (line INTEGER PRIMARY KEY, account_id TEXT NOT NULL)")
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
    duplicates = _duplicates(database)
    if duplicates:
        flaws[ProblemKind.DUPLICATE] = duplicates[0]
        problems.extend(duplicates[1])
    (total,) = database.execute("SELECT count(*) FROM entry").fetchone()
    return CheckedIds(total, flaws, tuple(nsmallest(_KEPT_PROBLEMS, problems)), database)


def _duplicates(database: sqlite3.Connection) -> tuple[int, list[Problem]] | None:
    """Take all but the first of each id out.

    Returns how many they are, and the first of them.
    """
    # One index at the end is a sort on disk; one that grows with every line would be ten times slower.
    database.execute("CREATE INDEX by_id ON entry (account_id)")
    twice = database.execute("SELECT 1 FROM entry GROUP BY account_id HAVING count(*) > 1 LIMIT 1")
    if twice.fetchone() is None:
        return None
    database.execute(
        "CREATE TABLE duplicate AS SELECT line, first FROM"
        " (SELECT line, min(line) OVER (PARTITION BY account_id) AS first FROM entry) WHERE line > first"
    )
    (number,) = database.execute("SELECT count(*) FROM duplicate").fetchone()
    rows = database.execute("SELECT line, first FROM duplicate ORDER BY line LIMIT ?", (_KEPT_PROBLEMS,))
    problems = [Problem(line, ProblemKind.DUPLICATE, f"has the account of line {first} again") for line, first in rows]
    database.execute("DELETE FROM entry WHERE line IN (SELECT line FROM duplicate)")
    return number, problems
