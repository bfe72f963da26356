"""The standing of an account.

Why it is blocked now, as far as the record tells.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, cast

import attrs
import orjson
from sqlalchemy import Row, or_, select

from tilia_async.ledger.database import Database
from tilia_async.ledger.prepared import Prepared, Transaction, prepare
from tilia_async.ledger.queries import page, record, to_undo
from tilia_async.ledger.record import LIFTED_BY_YOU, BlockAction, BlockRecord, RecordSource, RecordState
from tilia_async.ledger.schema import JOBS, RECORDS
from tilia_async.ledger.statements import listed, named

_MARGIN: Final = timedelta(minutes=1)
"""Largest difference between Tilia's clock and a process's.

The process that wrote a record.
"""

_MAY_HOLD: Final = frozenset({RecordState.CONFIRMED, RecordState.INTENDED, RecordState.UNKNOWN})
"""States of what took effect, or may have."""

_COUNTING: Final = sorted(
    state.value for state in _MAY_HOLD | {RecordState.KEPT, RecordState.FAILED, RecordState.PLANNED}
)


@attrs.frozen
class _Entry:
    """A record and its place in time.

    Attributes:
        undoes: the job that its job undoes.
        begun_at: when its job was begun at the latest; nothing that Tilia reported before is its doing.
        sent_at: of a notification, when Tilia sent it; None of one that tells a state.
        block_ids: of a notification, the blocks that it names.
    """

    id: int
    record: BlockRecord
    undoes: str | None
    begun_at: datetime
    sent_at: datetime | None = None
    block_ids: frozenset[str] = frozenset()

    @property
    def is_reported(self) -> bool:
        """Tilia has reported it."""
        return self.record.source is RecordSource.WEBHOOK

    @property
    def done_at(self) -> datetime:
        """The time by which it had its effect.

        A call has it between its beginning and its answer.
        """
        record = self.record
        return record.requested_at if self.is_reported or record.settled_at is None else record.settled_at

    def is_after(self, other: _Entry, at: datetime | None = None) -> bool:
        """Return True if it was asked for later.

        Of what was asked for at the same time, entered later.

        A notification was sent before it was entered, so that it is older than a call that is entered after it. That
        needs no clock, and Tilia's is its own.

        Args:
            at: the time of the other; None: when it was asked for.
        """
        if self.is_reported is not other.is_reported:
            report, called = (self, other) if self.is_reported else (other, self)
            if report.id < called.id:
                return called is self
        return (self.record.requested_at, self.id) > (at or other.record.requested_at, other.id)


@attrs.frozen
class Opposite:
    """The record that changed back a job's work.

    What the job did, or may have done.

    Attributes:
        is_doubtful: it may be the older one: the two have their times from two clocks.
    """

    record: BlockRecord
    is_doubtful: bool = False


@attrs.frozen
class Standing:
    """The records of one account.

    They took effect, or may have, or failed.

    Your unblock lifts your blocks; a notification that says "not blocked" says that nothing is left. Neither lifts a
    block that had its answer later, and may have had its effect later: in doubt a block stands. A notification of a
    block of yours that was sent while one on record was placed, or a minute before or after, is its echo, and no block
    of its own. Two block ids are two blocks: a block on record has one. One block id is one block, however often it is
    reported.
    """

    _entries: Sequence[_Entry] = ()

    def blocks(self, *, without: str | None = None, unblocked_by: str | None = None) -> tuple[BlockRecord, ...]:
        """Return the blocks that hold or may hold, oldest first.

        Blocks of jobs that were undone meanwhile are not among them: such a job wants nothing more.

        Args:
            without: a job whose blocks are left out.
            unblocked_by: a job that unblocks the account, or has just done so: reports of that lift nothing.
        """
        lifts = [entry for entry in self._lifts if not self._is_report_of(unblocked_by, entry)]
        held = [entry for entry in self._entries if _is(entry, BlockAction.BLOCK) and not _lifted(entry, lifts)]
        echoes = self._echoes(held)
        wanted = [
            entry
            for entry in held
            if not (without is not None and entry.record.job_id == without)
            and self._withdrawal(entry) is None
            and entry.id not in echoes
        ]
        return tuple(entry.record for entry in _without_repetitions(wanted))

    def is_blocked_by(self, job_id: str) -> bool:
        """Tell whether this job's block holds, or may hold."""
        return any(
            entry.record.job_id == job_id and _is(entry, BlockAction.BLOCK) and not _lifted(entry, self._lifts)
            for entry in self._entries
        )

    def opposite_since(self, job_id: str, action: BlockAction) -> Opposite | None:
        """Return the last record against a job's work.

        The one that changed back what the job did.

        What the job confirmed may have been changed back by what is itself unknown. What it has left to do is only
        changed back by what is confirmed. A notification that came later and was sent up to a minute before may be.
        """
        mine = (each for each in self._entries if each.record.job_id == job_id and each.record.action is action)
        own = next(mine, None)
        if own is None:
            return None
        opposite = BlockAction.UNBLOCK if action is BlockAction.BLOCK else BlockAction.BLOCK
        found = [entry for entry in self._entries if _is(entry, opposite)]
        if own.record.state is not RecordState.CONFIRMED:
            found = [entry for entry in found if entry.record.state is RecordState.CONFIRMED]
        since = [Opposite(entry.record) for entry in found if entry.is_after(own)]
        withdrawal = self._withdrawal(own)
        if since or withdrawal is not None:
            return since[-1] if since or withdrawal is None else Opposite(withdrawal.record)
        earliest = own.record.requested_at - _MARGIN
        echoes = self._echoes([entry for entry in self._entries if _is(entry, BlockAction.BLOCK)])
        late = [entry for entry in found if entry.is_reported and entry.id > own.id and entry.id not in echoes]
        doubtful = [entry.record for entry in late if entry.record.requested_at >= earliest]
        return Opposite(doubtful[-1], is_doubtful=True) if doubtful else None

    def _echoes(self, blocks: Sequence[_Entry]) -> frozenset[int]:
        """Return the notifications that report blocks of yours.

        Tilia reports those, too.

        Each block of yours accounts for one block id, however often and late that is told; for the first if it cannot
        be told which.
        """
        own = [entry for entry in blocks if not entry.is_reported]
        own += [entry for entry in self._entries if _was_blocked_again(entry)]
        own.sort(key=operator.attrgetter("done_at"))
        reports = [entry for entry in blocks if entry.is_reported and entry.record.issuer in LIFTED_BY_YOU]
        named: dict[str, list[_Entry]] = {}
        # Those of a state come last: they may belong to any.
        for entry in sorted(reports, key=lambda each: each.sent_at is None):
            for block_id in sorted(entry.block_ids):
                named.setdefault(block_id, []).append(entry)
        left, known = list(own), set[str]()
        for block_id, same in named.items():
            block = next((each for each in left if _is_reported(each, same)), None)
            if block is not None:
                left.remove(block)
                known.add(block_id)
        return frozenset(
            entry.id
            for entry in reports
            if (entry.block_ids <= known if entry.block_ids else any(_is_reported(each, [entry]) for each in own))
        )

    @property
    def _lifts(self) -> list[_Entry]:
        """The unblockings that took effect for certain.

        Unblockings that were made good at once are not among them.
        """
        confirmed = [entry for entry in self._entries if entry.record.state is RecordState.CONFIRMED]
        kept = [entry for entry in self._entries if entry.record.state is RecordState.KEPT]
        return [
            entry
            for entry in confirmed
            if _is(entry, BlockAction.UNBLOCK) and not any(_is_blocked_again(entry, each) for each in kept)
        ]

    def _is_report_of(self, job_id: str | None, report: _Entry) -> bool:
        """Tell whether a notification may report a job's unblocking."""
        return (
            job_id is not None
            and report.is_reported
            and any(
                each.record.job_id == job_id
                and each.id < report.id
                and report.record.requested_at >= each.record.requested_at - _MARGIN
                for each in self._entries
            )
        )

    def _withdrawal(self, block: _Entry) -> _Entry | None:
        """Return the undoing that kept the account blocked.

        The job was undone, and the account stayed blocked for another reason.
        """
        job_id = block.record.job_id
        if job_id is None:
            return None
        kept = [each for each in self._entries if each.record.state is RecordState.KEPT and each.undoes == job_id]
        return next((each for each in kept if each.is_after(block)), None)


def _is(entry: _Entry, action: BlockAction) -> bool:
    return entry.record.action is action and entry.record.state in _MAY_HOLD


def _lifted(block: _Entry, lifts: Sequence[_Entry]) -> bool:
    return any(
        entry.is_after(block, block.done_at) and (entry.is_reported or block.record.issuer in LIFTED_BY_YOU)
        for entry in lifts
    )


def _without_repetitions(blocks: Sequence[_Entry]) -> Iterator[_Entry]:
    """Leave out notifications of blocks that were named before."""
    known = set[str]()
    for entry in blocks:
        if not entry.block_ids or not entry.block_ids <= known:
            yield entry
        known |= entry.block_ids


def _is_blocked_again(lift: _Entry, kept: _Entry) -> bool:
    """Tell whether a lift was reported during an undoing.

    It was reported while an undoing unblocked the account and blocked it again.
    """
    was_kept = kept.record
    return lift.is_reported and kept.id < lift.id and was_kept.requested_at <= lift.record.requested_at <= kept.done_at


def _was_blocked_again(entry: _Entry) -> bool:
    """Tell whether a keeping undoing has sent something.

    The undoing kept the account. What was kept at once has one time only.
    """
    return entry.record.state is RecordState.KEPT and entry.done_at > entry.record.requested_at


def _is_reported(block: _Entry, reports: Sequence[_Entry]) -> bool:
    """Tell whether notifications may report your block.

    The notifications are of one block, and may be of this one of yours.

    They came after it was entered: that needs no clock. And one was sent by the time that it had its effect; but one
    that tells a state may be of any time after.
    """
    latest = block.done_at + _MARGIN
    begun_at = block.record.requested_at if block.record.state is RecordState.KEPT else block.begun_at
    return all(block.id < each.id and each.record.requested_at >= begun_at - _MARGIN for each in reports) and any(
        each.sent_at is None or each.sent_at <= latest for each in reports
    )


def standings(transaction: Transaction, account_ids: Sequence[str]) -> Mapping[str, Standing]:
    """Read why accounts are blocked.

    Those without a record are left out.
    """
    found: dict[str, list[_Entry]] = {}
    if not account_ids:
        return {}
    rows = transaction.run(_records(transaction.dialect), {"names": listed(account_ids)})
    # Either way to a database gives its rows the names of the query's columns.
    for row in cast("Sequence[Row[tuple[object, ...]]]", rows):
        begun_at = row.requested_at if row.started_at is None else min(row.started_at, row.requested_at)
        block_ids = frozenset[str](() if row.block_ids is None else orjson.loads(row.block_ids))
        entry = _Entry(row.id, record(row), row.undoes, begun_at, row.sent_at, block_ids)
        found.setdefault(row.account_id, []).append(entry)
    return {account_id: Standing(entries) for account_id, entries in found.items()}


@functools.cache
def _records(dialect: str) -> Prepared:
    query = (
        select(RECORDS, JOBS.c.undoes, JOBS.c.started_at)
        .select_from(RECORDS.outerjoin(JOBS, JOBS.c.job_id == RECORDS.c.job_id))
        .where(named(dialect), or_(*(RECORDS.c.state == each for each in _COUNTING)))
        .order_by(RECORDS.c.requested_at, RECORDS.c.id)
    )
    return prepare(query, dialect)


async def foreseen(database: Database, job_id: str) -> tuple[int, int, int]:
    """Count the accounts by what undoing would do.

    It counts those that undoing a job would unblock, keep, and leave alone.
    """
    lifted = kept = others = after = 0
    while True:
        found, after = await page(database, to_undo(job_id), after)
        if not found:
            return lifted, kept, others
        for standing in (await _read(database, [each.account_id for each in found])).values():
            if standing.blocks(without=job_id):
                kept += 1
            elif standing.is_blocked_by(job_id):
                lifted += 1
            else:
                others += 1


async def overtaken(database: Database, account_ids: Sequence[str], job_id: str, action: BlockAction) -> int:
    """Count the accounts that were changed back since.

    A job confirmed them, or has them left to do.
    """
    found = (await _read(database, account_ids)).values()
    return sum(each.opposite_since(job_id, action) is not None for each in found)


async def blocked(database: Database, account_ids: Sequence[str]) -> int:
    """Count the accounts that are blocked, or may be."""
    return sum(bool(each.blocks()) for each in (await _read(database, account_ids)).values())


async def _read(database: Database, account_ids: Sequence[str]) -> Mapping[str, Standing]:
    return await database.look(lambda transaction: standings(transaction, account_ids))
