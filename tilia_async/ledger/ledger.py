"""The record of every block.

Who, why, when, and what came of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO, Unpack

from tilia_async.errors import ConfigurationError, LedgerError, attributed
from tilia_async.ledger.block_job import BlockJob
from tilia_async.ledger.export import Format, layout
from tilia_async.ledger.filters import BlockFilter, RecordFilter, checked
from tilia_async.ledger.intent import LONGEST_LEASE
from tilia_async.ledger.libraries import lacking, load
from tilia_async.ledger.record import BlockRecord, ReportedBlock
from tilia_async.ledger.url import Kind, kind_of, url_problem
from tilia_async.secret import Secret, hide
from tilia_async.settings_checks import checked_lease

if TYPE_CHECKING:
    from tilia_async.ledger.database import Database
    from tilia_async.ledger.journal import Journal
    from tilia_async.ledger.queries import Query


class Records(AsyncIterator[BlockRecord]):
    """The records of a query, read in portions.

    In the order in which they were entered.

    One that is entered while they are read may come as well, one that changes comes as it is then.
    """

    def __init__(self, ledger: BlockLedger, query: Callable[[], Query]) -> None:
        self._ledger = ledger
        # Made when it is asked, in the event loop: its making needs libraries that are loaded there.
        self._query = query
        self._after = 0
        self._waiting: list[BlockRecord] = []

    async def page(self) -> Sequence[BlockRecord]:
        """Return the next records.

        Some hundred at most; none at the end.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        if self._waiting:
            waiting, self._waiting = self._waiting[::-1], []
            return waiting
        with attributed("ledger.records"):
            database = (await journal_of(self._ledger)).database
            from tilia_async.ledger import queries  # noqa: PLC0415 - needs the extra

            found, self._after = await queries.page(database, self._query(), self._after)
            return found

    async def __anext__(self) -> BlockRecord:
        if not self._waiting:
            self._waiting = list(await self.page())[::-1]
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.pop()


class _Jobs(AsyncIterator[BlockJob]):
    """The jobs of a ledger, read in portions."""

    def __init__(self, ledger: BlockLedger) -> None:
        self._ledger = ledger
        self._after = 0
        self._waiting: list[BlockJob] = []

    async def __anext__(self) -> BlockJob:
        if not self._waiting:
            with attributed("ledger.jobs"):
                database = (await journal_of(self._ledger)).database
                from tilia_async.ledger import job_list  # noqa: PLC0415 - needs the extra

                found, self._after = await job_list.jobs(database, self._after)
            self._waiting = list(found)[::-1]
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.pop()


class BlockLedger:
    """The record of every block and unblock.

    It is a SQLite file or a PostgreSQL database.

    It needs the extra ``ledger``, for PostgreSQL the extra ``postgres``. Behind a pooler in transaction mode, such as
    PgBouncer, it works by itself; one that it does not recognise is told by ``?statement_cache_size=0`` in the URL.

    Tilia's blocks never expire, and Tilia does not keep why you blocked: this does. Give it to a client, and each block
    is on record before it is sent, and settled when the answer comes. Bulk jobs go on from it after a crash.

    ::

        async with BlockLedger.open("sqlite:///blocks.db") as ledger:
            tilia = TiliaClient(..., ledger=ledger)
            for record in await ledger.history(account_id): ...

    It connects with the first use, in that event loop, and works in a forked child like in its parent; a child that
    was forked in the middle of a statement on a SQLite file gets a ``LedgerError``. Several processes may share a
    PostgreSQL database, and a SQLite file on one machine. A loop that ends closes the connections that were opened in
    it; so a ledger may live through many short loops.

    Attributes:
        lease: seconds after which a job can be taken over if its process died.
    """

    lease: float
    # Here, because a crash reporter may print a ledger whose URL was refused.
    _closed = False

    def __init__(self, url: str | Secret, *, lease: float = 30.0) -> None:
        url = hide(url)
        self._kind = check_ledger_url(url)
        self.lease = checked_lease(lease, LONGEST_LEASE)
        self._url = url
        self._journal: Journal | None = None
        self._opening: asyncio.Task[Journal] | None = None
        self._closing: asyncio.Task[None] | None = None
        # While it is opened or closed.
        self._opened: Database | None = None
        self._is_hurried = False
        self._makes = True
        self._process = os.getpid()

    @classmethod
    def open(cls, url: str | Secret, *, lease: float = 30.0) -> Self:
        """Open a ledger; made if it is new.

        Its URL is ``sqlite:///blocks.db`` or ``postgresql://user:password@host/database``.

        Args:
            url: where it is. A relative file lies in the working directory.
            lease: seconds for which a bulk job stays with its process unless that says that it lives, 60 at most. A
                process that died on the same Linux host, in the same container, is replaced at once.

        Raises:
            ConfigurationError: the URL is of another kind, or its extra is not installed.
        """
        url = hide(url)
        return cls(url, lease=lease)

    async def history(self, account_id: str) -> list[BlockRecord]:
        """Return all that was done to an account.

        Oldest first.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        with attributed("ledger.history"):
            database = (await journal_of(self)).database
            from tilia_async.ledger import queries  # noqa: PLC0415 - needs the extra

            return await queries.history(database, account_id)

    def records(self, **wanted: Unpack[RecordFilter]) -> AsyncIterator[BlockRecord]:
        """Return the records that match all given filters.

        In the order in which they were entered.

        Args:
            wanted: ``job_id``, ``account_id``, ``action``, ``state``, ``reason``, ``actor``, ``source``, ``issuer``;
                ``since`` and ``until``, asked for at or after and before, with a time zone.

        Raises:
            InvalidRequestError: there is no such filter, or its value cannot be one.
            LedgerError: the ledger cannot be read.
        """
        asked = checked(wanted)

        def query() -> Query:
            from tilia_async.ledger import queries  # noqa: PLC0415 - needs the extra

            return queries.matching(asked)

        return Records(self, query)

    def pending(self, job_id: str | None = None) -> AsyncIterator[BlockRecord]:
        """Return the records with something left to do.

        Intended, unknown or failed.

        The next run of their job does it, unless the opposite was confirmed since; that of a single call is left to
        you.

        Args:
            job_id: of this job; None: of all jobs and calls.

        Raises:
            LedgerError: the ledger cannot be read.
        """

        def query() -> Query:
            from tilia_async.ledger import queries  # noqa: PLC0415 - needs the extra

            return queries.pending(job_id)

        return Records(self, query)

    def blocked(
        self, issuer: str | None = None, *, by_tilia: bool | None = None, **wanted: Unpack[BlockFilter]
    ) -> AsyncIterator[BlockRecord]:
        """Return the blocks in force.

        Per account the oldest block that has not been lifted, at most one placed by you and one by Tilia.

        It says who is blocked, why, since when and by whom, as far as this ledger and the notifications that were
        applied to it know. A block of one capability is one of them, with the capability in its reason; your unblock
        is taken to lift it, as it does for ``login``, the only one that is documented.

        In doubt a block is listed. An unblocking that Tilia reported lifts no block of a call or a job that had its
        answer later by the two clocks, be it by seconds: whether that account is free is for a look-up to say, and a
        job that is run again calls it ``OVERTAKEN``.

        Args:
            issuer: only this one's, e.g. ``publisher``.
            by_tilia: True: only those that Tilia placed; False: only yours.
            wanted: ``job_id``, ``reason``, ``actor``, ``source``; ``since`` and ``until``, asked for at or after and
                before, with a time zone. The block that is listed has to match, and not another one behind it.

        Raises:
            InvalidRequestError: there is no such filter, or its value cannot be one.
            LedgerError: the ledger cannot be read.
        """
        checked(wanted, BlockFilter.__optional_keys__)

        def query() -> Query:
            from tilia_async.ledger import queries  # noqa: PLC0415 - needs the extra

            return queries.in_force(issuer, by_tilia=by_tilia, wanted=wanted)

        return Records(self, query)

    def due_for_review(self, before: datetime) -> AsyncIterator[BlockRecord]:
        """Return the blocks in force due for review.

        Their ``review_at`` is before that moment.

        Raises:
            InvalidRequestError: the moment has no time zone.
            LedgerError: the ledger cannot be read.
        """
        checked(RecordFilter(until=before))

        def query() -> Query:
            from tilia_async.ledger import queries  # noqa: PLC0415 - needs the extra

            return queries.due(before)

        return Records(self, query)

    def jobs(self) -> AsyncIterator[BlockJob]:
        """Return the bulk jobs, the earliest first.

        Each has the sums of its outcomes. To count them, all records are read.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return _Jobs(self)

    async def export(
        self,
        file: TextIO,
        format: Format = "csv",  # noqa: A002 - what it is called everywhere else
        **wanted: Unpack[RecordFilter],
    ) -> int:
        """Write records to a text file, and return how many.

        Args:
            file: open for writing, with ``newline=""`` for CSV.
            format: ``csv``, with a line of names, or ``jsonl``, one JSON object a line. In CSV a text that a
                spreadsheet would take for a formula gets an apostrophe before it, wherever a cell may begin: at its
                start, and after ``;``, ``|``, a tab or a line end. To read it back, take one apostrophe away there.
            wanted: as for ``records``.

        Raises:
            ConfigurationError: there is no such format.
            InvalidRequestError: there is no such filter, or its value cannot be one.
            LedgerError: the ledger cannot be read.
        """
        written = layout(format)
        file.write(written.head)
        number = 0
        async for record in self.records(**wanted):
            file.write(written.line(record))
            number += 1
        return number

    async def apply(self, event: ReportedBlock) -> None:
        """Enter a block or unblock that Tilia reported.

        The same notification again adds nothing.

        It is known by account, state, issuer, the issuer's block ids and the time of its sending, so each issuer that
        it names has one record. One without that time, such as one that a receiver has confirmed, tells a state, and
        adds nothing while a notification that told the same of the issuer, with the same block ids if it has any, is on
        record and no opposite since. The record of your own call or job is none: what Tilia reports of that is a record
        beside it.

        Raises:
            WebhookError: the notification says neither which account nor what.
            LedgerError: the ledger cannot be written.
        """
        with attributed("ledger.apply"):
            database = (await journal_of(self)).database
            from tilia_async.ledger import reported_blocks as reported  # noqa: PLC0415 - needs the extra

            await reported.apply(database, event)

    async def aclose(self) -> None:
        """Finish what is being written, and close the connections.

        A second time does nothing.

        While another process holds the write lock of a SQLite file, it waits as long as every write does, 30 seconds at
        most. When its caller is cancelled, before or meanwhile, it waits for no lock: what could not be written by then
        stays as it is on record.
        """
        self._closed = True
        here = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            interrupt(self)
        if self._closing is None or self._closing.done() or self._closing.get_loop() is not here:
            self._closing = here.create_task(self._close())
            self._closing.add_done_callback(_heard)
        try:
            # Whoever is cancelled leaves the closing to the event loop, which goes on with it.
            await asyncio.shield(self._closing)
        except asyncio.CancelledError:
            interrupt(self)
            raise

    async def __aenter__(self) -> Self:
        with attributed("ledger.open"):
            await journal_of(self)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None and not isinstance(exc, Exception):
            interrupt(self)
        await self.aclose()

    async def _connected(self) -> Journal:
        if self._closed:
            raise LedgerError("the ledger is closed: open another")
        journal, here = self._journal, asyncio.get_running_loop()
        if journal is not None:
            database = journal.database
            if database.loop is here and self._process == os.getpid() and not database.is_closed:
                return journal
            self._let_go(journal)
        if self._opening is None or self._opening.done() or self._opening.get_loop() is not here:
            self._opening = here.create_task(self._open())
            self._opening.add_done_callback(_heard)
        # It is nobody's own: whoever is cancelled, or late, leaves it to the others.
        return await asyncio.shield(self._opening)

    async def _open(self) -> Journal:
        await load(self._kind)
        from tilia_async.ledger.database import Database  # noqa: PLC0415 - needs the extra
        from tilia_async.ledger.journal import Journal  # noqa: PLC0415 - needs the extra

        self._opened = database = Database(self._url)
        if self._is_hurried:
            database.hurry()
        try:
            await database.open(makes=self._makes)
        except BaseException:  # whatever it is, nothing stays open
            database.hurry()
            with contextlib.suppress(LedgerError):
                await database.aclose()
            raise
        finally:
            self._opened = None
        self._journal = Journal(database)
        self._process = os.getpid()
        return self._journal

    async def _close(self) -> None:
        here = asyncio.get_running_loop()
        opening, self._opening = self._opening, None
        if opening is not None and not opening.done() and opening.get_loop() is here:
            await asyncio.wait([opening])
        journal, self._journal = self._journal, None
        if journal is None:
            return
        if self._process != os.getpid() or journal.database.loop is not here:
            journal.database.abandon()
            return
        self._opened = journal.database
        try:
            await journal.aclose()
        except BaseException:  # the loop ends: what it has no time for is done without it
            journal.database.abandon()
            raise
        finally:
            self._opened = None

    def _hurry(self) -> None:
        self._is_hurried = True
        for database in (self._opened, None if self._journal is None else self._journal.database):
            if database is not None:
                database.hurry()

    def _let_go(self, journal: Journal) -> None:
        """Let go of another process's or loop's parts.

        These belong to the parent process, or to a loop that has ended.
        """
        database = journal.database
        if self._process == os.getpid() and not database.loop.is_closed() and not database.is_closed:
            raise ConfigurationError("the ledger is in use in another event loop: open one for each")
        database.abandon()
        self._journal = self._opening = None

    def __repr__(self) -> str:
        return f"<BlockLedger{', closed' if self._closed else ''}>"


def _heard(task: asyncio.Task[Journal] | asyncio.Task[None]) -> None:
    """Take a failure as told.

    Those who waited for it may be gone, and it is none of the loop's business.
    """
    if not task.cancelled():
        task.exception()


async def journal_of(ledger: BlockLedger) -> Journal:
    """Return the ledger's journal in the running loop.

    Opened if it is not.

    Raises:
        LedgerError: it is closed, or the database cannot be opened.
        ConfigurationError: it is in use in another event loop.
    """
    return await ledger._connected()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - they who write are not users


def url_of(ledger: BlockLedger) -> Secret:
    """Return the URL of a ledger.

    Others connect to its database beside it.
    """
    return ledger._url  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above


def interrupt(ledger: BlockLedger) -> None:
    """Interrupt all waits for locks.

    The ledger is about to be closed because its caller was interrupted.
    """
    ledger._hurry()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - they who close it are not users


def existing_ledger(url: str | Secret) -> BlockLedger:
    """Return a ledger that is there already, for reading.

    A database without its tables is refused and left as it is.

    Raises:
        ConfigurationError: as ``BlockLedger.open`` does.
    """
    ledger = BlockLedger(hide(url))
    ledger._makes = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - only what reads by itself asks for it
    return ledger


def check_ledger_url(url: Secret) -> Kind:
    """Return the kind of a URL's database.

    Refuses a URL that no ledger can have.

    Raises:
        ConfigurationError: it is none that a ledger can have, or the extra is not installed.
        LedgerError: the system does not let this process find out.
    """
    if not url.is_text:
        raise ConfigurationError(f"the ledger's URL is a text, not {url.kind}")
    kind = kind_of(url)
    if (problem := lacking(kind or Kind.SQLITE) or url_problem(url)) or kind is None:
        raise ConfigurationError(problem or "")
    return kind
