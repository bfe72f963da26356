"""The record of every block, without an event loop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Self, TextIO, Unpack

from tilia_async import ledger as asynchronous
from tilia_async.errors import LedgerError
from tilia_async.ledger.block_job import BlockJob
from tilia_async.ledger.export import Format, layout
from tilia_async.ledger.filters import BlockFilter, RecordFilter
from tilia_async.ledger.ledger import interrupt
from tilia_async.ledger.record import BlockRecord, ReportedBlock
from tilia_async.secret import Secret, hide
from tilia_sync.loop_thread import LOOP_THREAD


class BlockLedger:
    """The record of every block and unblock.

    It is a SQLite file or a PostgreSQL database.

    It needs the extra ``ledger``, for PostgreSQL the extra ``postgres``. Behind a pooler in transaction mode, such as
    PgBouncer, it works by itself; one that it does not recognise is told by ``?statement_cache_size=0`` in the URL.

    Tilia's blocks never expire, and Tilia does not keep why you blocked: this does. Give it to a client, and each block
    is on record before it is sent, and settled when the answer comes. Bulk jobs go on from it after a crash.

    ::

        with BlockLedger.open("sqlite:///blocks.db") as ledger:
            tilia = TiliaClient(..., ledger=ledger)
            for record in ledger.history(account_id): ...

    It connects with the first use, and works in a forked child like in its parent; a child that was forked in the
    middle of a statement on a SQLite file gets a ``LedgerError``. Several processes may share a PostgreSQL
    database, and a SQLite file on one machine.

    Attributes:
        lease: seconds after which a job can be taken over if its process died.
    """

    lease: float

    def __init__(self, url: str | Secret, *, lease: float = 30.0) -> None:
        url = hide(url)
        self._ledger = asynchronous.BlockLedger(url, lease=lease)
        self._lease = LOOP_THREAD.lease(self._ledger.aclose)
        self.lease = self._ledger.lease

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

    def history(self, account_id: str) -> list[BlockRecord]:
        """Return all that was done to an account.

        Oldest first.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._check_open()
        with self._lease as run:
            return run(lambda: self._ledger.history(account_id))

    def records(self, **wanted: Unpack[RecordFilter]) -> Iterator[BlockRecord]:
        """Return the records that match all given filters.

        In the order in which they were entered.

        Args:
            wanted: ``job_id``, ``account_id``, ``action``, ``state``, ``reason``, ``actor``, ``source``, ``issuer``;
                ``since`` and ``until``, asked for at or after and before, with a time zone.

        Raises:
            InvalidRequestError: there is no such filter, or its value cannot be one.
            LedgerError: the ledger cannot be read.
        """
        self._check_open()
        return self._lease.iterate(self._ledger.records(**wanted))

    def pending(self, job_id: str | None = None) -> Iterator[BlockRecord]:
        """Return the records with something left to do.

        Intended, unknown or failed.

        The next run of their job does it, unless the opposite was confirmed since; that of a single call is left to
        you.

        Args:
            job_id: of this job; None: of all jobs and calls.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._check_open()
        return self._lease.iterate(self._ledger.pending(job_id))

    def blocked(
        self, issuer: str | None = None, *, by_tilia: bool | None = None, **wanted: Unpack[BlockFilter]
    ) -> Iterator[BlockRecord]:
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
        self._check_open()
        return self._lease.iterate(self._ledger.blocked(issuer, by_tilia=by_tilia, **wanted))

    def due_for_review(self, before: datetime) -> Iterator[BlockRecord]:
        """Return the blocks in force due for review.

        Their ``review_at`` is before that moment.

        Raises:
            InvalidRequestError: the moment has no time zone.
            LedgerError: the ledger cannot be read.
        """
        self._check_open()
        return self._lease.iterate(self._ledger.due_for_review(before))

    def jobs(self) -> Iterator[BlockJob]:
        """Return the bulk jobs, the earliest first.

        Each has the sums of its outcomes. To count them, all records are read.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._check_open()
        return self._lease.iterate(self._ledger.jobs())

    def export(
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
        records = self.records(**wanted)
        file.write(written.head)
        number = 0
        for record in records:
            file.write(written.line(record))
            number += 1
        return number

    def apply(self, event: ReportedBlock) -> None:
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
        self._check_open()
        with self._lease as run:
            run(lambda: self._ledger.apply(event))

    def close(self) -> None:
        """Finish what is being written, and close the connections.

        A second time does nothing.

        While another process holds the write lock of a SQLite file, it waits as long as every write does, 30 seconds at
        most. When it is interrupted, before or meanwhile, it waits for no lock: what could not be written by then stays
        as it is on record.
        """
        self._lease.close()

    def __enter__(self) -> Self:
        self._check_open()
        with self._lease as run:
            run(self._ledger.__aenter__)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None and not isinstance(exc, Exception):
            # Ctrl-C: what waits for another process is not waited for.
            interrupt(self._ledger)
        self.close()

    def __repr__(self) -> str:
        # A crash reporter may print a ledger whose URL was refused.
        closed = hasattr(self, "_lease") and self._lease.closed
        return f"<tilia_sync.BlockLedger{', closed' if closed else ''}>"

    def _check_open(self) -> None:
        if self._lease.closed:
            raise LedgerError("the ledger is closed: open another")


def behind(ledger: BlockLedger | None) -> asynchronous.BlockLedger | None:
    """Return the asynchronous ledger, for the asynchronous client."""
    return ledger._ledger if isinstance(ledger, BlockLedger) else ledger  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - our own
