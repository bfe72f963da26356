"""The journal of blocks, before and after sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias, cast

import attrs
import orjson
from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tilia_async.errors import LedgerError
from tilia_async.ledger.claims import NO_CLAIMS, Claims, ExistingRecord, RecordedOutcome
from tilia_async.ledger.database import Database
from tilia_async.ledger.group_commit import GroupCommit, OnDurable
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.job_run import JobRun
from tilia_async.ledger.jobs import JobDefinition, check_job, check_undoable, enter_job, enter_run, live_runs
from tilia_async.ledger.prepared import Prepared, Row, Transaction
from tilia_async.ledger.record import BlockAction, BlockRecord, RecordSource, RecordState, kept_because
from tilia_async.ledger.schema import RUNS
from tilia_async.ledger.standing import Standing, standings
from tilia_async.ledger.statements import OPEN, Statements, listed, statements
from tilia_async.models.accounts import PUBLISHER

_UNDO_LOCK: Final = 0x7111B
"""Key of PostgreSQL's advisory lock for undoing.

See ``_lock_undoing``.
"""


@attrs.frozen
class _Intended:
    """A single call that is about to be sent."""

    run_id: str
    account_id: str
    intent: Intent


@attrs.frozen
class _Settled:
    """The outcome of an account that a run has."""

    run_id: str
    settlement: RecordedOutcome


@attrs.define(eq=False)
class _Renewed:
    """A run whose lease is renewed.

    Attributes:
        is_lost: another run has the job.
    """

    run_id: str
    lease: float
    is_lost: bool = False


@attrs.define(eq=False)
class _Look:
    """An account whose block is undone, with its others.

    A job unblocks it to undo another; beside it the blocks that are, or may be, in force.
    """

    account_id: str
    undone: str
    unblocked_by: str
    others: tuple[BlockRecord, ...] = ()


@attrs.define(eq=False)
class _Claiming:
    """Accounts that a run asks for, and the result.

    Attributes:
        names: in the order of their names.
        is_lost: another run has the job, and nothing was claimed.
    """

    run_id: str
    intent: Intent
    names: Sequence[str]
    lease: float
    claims: Claims = NO_CLAIMS
    is_lost: bool = False


_Entry: TypeAlias = _Intended | _Settled | _Claiming | _Renewed


class Journal:
    """Journal of intents and outcomes.

    It writes what is about to be sent, and what came of it: in one transaction whatever came while another ran.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._entries = GroupCommit[_Entry](self._write)
        self._looks = GroupCommit[_Look](self._look)

    async def aclose(self) -> None:
        """Finish what was handed in, and close the database."""
        await self._entries.aclose()
        await self._looks.aclose()
        await self.database.aclose()

    async def intend(self, run_id: str, account_id: str, intent: Intent) -> None:
        """Put a single call on record.

        It is durable when this returns.

        Raises:
            LedgerError: it is not known to be on record, and must not be sent.
        """
        await self._entries.add(_Intended(run_id, account_id, intent))

    async def settle(self, run_id: str, *settlements: RecordedOutcome) -> None:
        """Put the outcomes of a run's accounts on record.

        What another has taken over stays.

        Of no accounts, it waits for what was handed in before.

        Raises:
            LedgerError: it is not known to be on record.
        """
        await self._entries.add(*[_Settled(run_id, each) for each in settlements])

    def settle_soon(self, run_id: str, settlement: RecordedOutcome) -> None:
        """Put outcomes on record without waiting for it."""
        self._entries.put(_Settled(run_id, settlement))

    def settle_in_time(self, run_id: str, settlement: RecordedOutcome, on_durable: OnDurable, *, urgent: bool) -> None:
        """Put outcomes on record soon, without waiting.

        They are written together with what comes in the next milliseconds.

        Args:
            on_durable: called once it is durable, or with the error if it is not.
            urgent: it waits for no others.
        """
        self._entries.put(_Settled(run_id, settlement), on_durable=on_durable, urgent=urgent)

    async def claim(self, run_id: str, intent: Intent, account_ids: Sequence[str], lease: float) -> Claims:
        """Put the intents of a job on record.

        For those accounts that need something. It renews the run's lease.

        Args:
            account_ids: each at most once.

        Raises:
            LedgerError: nothing of it is on record, and nothing of it must be sent.
        """
        # In one order everywhere: two processes that lock the same rows in different orders wait for each other.
        claiming = _Claiming(run_id, intent, sorted(account_ids), lease)
        if account_ids:
            await self._entries.add(claiming, urgent=False)
        if claiming.is_lost:
            raise _taken_over()
        return claiming.claims

    async def begin_run(self, run_id: str, job: JobDefinition, lease: float) -> JobDefinition:
        """Enter a run, in place of earlier ones.

        It has the job as long as it renews its lease (in seconds).

        Returns:
            The job as it was begun.

        Raises:
            LedgerError: it is not known to be on record.
            ConfigurationError: another run has the job; it was begun as another one, or is being undone; or the one to
                undo is under way, or there is nothing to undo.
        """

        async def work(connection: AsyncConnection) -> JobDefinition:
            await _lock_undoing(connection)
            if job.undoes is not None:
                await check_undoable(connection, job.undoes, job.origin)
            await enter_run(connection, run_id, job, lease)
            return await enter_job(connection, job)

        return await self.database.write(work)

    async def check_job(self, job: JobDefinition) -> None:
        """Refuse a job that could not begin, and enter nothing.

        Raises:
            LedgerError: the ledger cannot be read.
            ConfigurationError: it was begun as another one, or is being undone; or there is nothing to undo.
        """

        async def work(connection: AsyncConnection) -> None:
            await check_job(connection, job)

        await self.database.read(work)

    async def live_runs(self, job_id: str, undoes: str | None = None) -> Sequence[JobRun]:
        """Return the live runs that another must not meet.

        Those of the job, of the one that it undoes, and of those that undo it.

        Raises:
            LedgerError: the ledger cannot be read.
        """

        async def work(connection: AsyncConnection) -> Sequence[JobRun]:
            return await live_runs(connection, job_id, undoes)

        return await self.database.read(work)

    async def blocks_beside(self, account_id: str, undone: str, unblocked_by: str) -> tuple[BlockRecord, ...]:
        """Return the blocks that forbid unblocking an account.

        A job that undoes another is not to leave the account unblocked because of them.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        look = _Look(account_id, undone, unblocked_by)
        await self._looks.add(look)
        return look.others

    async def renew_run(self, run_id: str, lease: float) -> None:
        """Prolong the lease of a run.

        It ends that many seconds from now, by the database's clock.

        It shares the transaction of what is claimed and settled.

        Raises:
            LedgerError: it is not known to be on record; or another run has the job, because the lease was over.
        """
        renewed = _Renewed(run_id, lease)
        await self._entries.add(renewed)
        if renewed.is_lost:
            raise _taken_over()

    async def end_run(self, run_id: str) -> None:
        """End a run.

        Another may go on at once.

        Raises:
            LedgerError: it is not known to be on record; its lease ends by itself.
        """

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(delete(RUNS).where(RUNS.c.run_id == run_id))

        await self.database.write(work)

    async def _write(self, entries: Sequence[_Entry]) -> None:
        await self.database.transact(lambda transaction: _enter(transaction, entries))

    async def _look(self, looks: Sequence[_Look]) -> None:
        names = sorted({each.account_id for each in looks})
        found = await self.database.look(lambda transaction: standings(transaction, names))
        for each in looks:
            account = found.get(each.account_id, Standing())
            each.others = account.blocks(without=each.undone, unblocked_by=each.unblocked_by)


def _enter(transaction: Transaction, entries: Sequence[_Entry]) -> None:
    known = statements(transaction.dialect)
    intents = [each for each in entries if isinstance(each, _Intended)]
    settled = [each for each in entries if isinstance(each, _Settled)]
    claiming = [each for each in entries if isinstance(each, _Claiming)]
    if known.lock_undoing is not None and any(each.intent.undoes is not None for each in claiming):
        # See _lock_undoing. It comes before any row is locked.
        transaction.run(known.lock_undoing, {"lock": _UNDO_LOCK})
    now = _now(transaction, known)
    for each in entries:
        if isinstance(each, _Renewed | _Claiming):
            # Whoever takes the job over removes the run, and waits for this transaction.
            each.is_lost = not transaction.run(known.renew_run, {"run": each.run_id, "lease": each.lease})
    for each in intents:
        transaction.run(known.intend, _row(each.intent, each.run_id, now, RecordSource.CALL, each.account_id))
    _settle(transaction, known, settled, now)
    for asked in claiming:
        if not asked.is_lost:
            asked.claims = _claim(transaction, known, asked, now)


def _now(transaction: Transaction, known: Statements) -> datetime:
    """Return the time that all who share the database have."""
    if known.clock is None:
        return datetime.now(UTC)
    return cast("datetime", transaction.run(known.clock, {})[0][0])


async def _lock_undoing(connection: AsyncConnection) -> None:
    """Lock out others that undo or begin a job.

    No other process does so before this transaction ends.

    Else two jobs that are undone at once would keep an account for each other's sake, and a job could begin while it is
    undone. It comes before any row is locked, or two processes could wait for each other.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UNDO_LOCK})
    else:
        # The driver begins none by itself before a statement that only reads.
        await connection.exec_driver_sql("BEGIN IMMEDIATE")


def _taken_over() -> LedgerError:
    return LedgerError(
        "another run has the job now, because this one was not heard of for the time of its lease: here nothing more "
        "is sent"
    )


def _settle(transaction: Transaction, known: Statements, settled: Sequence[_Settled], now: datetime) -> None:
    """Settle what a run had in hand.

    All that came well in one statement; those that failed one by one, with their errors.
    """
    # In the order of the accounts everywhere, see Journal.claim.
    each_of = [(each.settlement, each.run_id) for each in settled]
    each_of.sort(key=lambda each: each[0].account_id)
    alike: dict[tuple[str, RecordState], list[int]] = {}
    for each, run_id in each_of:
        if each.error is None and each.record_id is not None:
            alike.setdefault((run_id, each.state), []).append(each.record_id)
    for (run_id, state), ids in alike.items():
        listed_ids = orjson.dumps(ids).decode()
        transaction.run(known.settle, {"run": run_id, "ids": listed_ids, "new_state": state.value, "at": now})
    for each, run_id in each_of:
        values = {"run": run_id, "at": now, "new_state": each.state.value, "new_error": each.error}
        if each.record_id is None:
            transaction.run(known.settle_account, {**values, "account": each.account_id})
        elif each.error is not None:
            transaction.run(known.settle_with_error, {**values, "record": each.record_id})


def _claim(transaction: Transaction, known: Statements, asked: _Claiming, now: datetime) -> Claims:
    if asked.intent.undoes is not None:
        return _claim_to_undo(transaction, known, asked, asked.intent.undoes, now)
    new = _taken(transaction, known.enter, asked, asked.names, now)
    claims, found = new, dict[str, ExistingRecord]()
    left: Mapping[str, ExistingRecord] = {}
    if old := [name for name in asked.names if name not in new.mine]:
        left = _left_alone(transaction, known, asked, old)
        old = [name for name in old if name not in left]
        again = _taken(transaction, known.claim, asked, old, now)
        claims = attrs.evolve(again, mine={**new.mine, **again.mine})
        found = _found(transaction, known, asked, [name for name in old if name not in again.mine])
    doubted = [name for name, each in found.items() if each.state is RecordState.CONFIRMED]
    unblocked = sorted(claims.mine) if asked.intent.action is BlockAction.UNBLOCK else []
    standing = standings(transaction, [*doubted, *unblocked])
    blocks = {name: standing[name].blocks() for name in unblocked if name in standing}
    beside = {name: several for name, several in blocks.items() if len(several) > 1}
    return attrs.evolve(claims, others={**_overtaken(asked, found, standing), **left}, beside=beside)


def _left_alone(
    transaction: Transaction, known: Statements, asked: _Claiming, names: Sequence[str]
) -> Mapping[str, ExistingRecord]:
    """Find what is left and was changed back since."""
    job_id = asked.intent.job_id
    if job_id is None:
        return {}
    rows = [row for row in _looked(transaction, known, asked, names) if row[1] in OPEN and row[3] != asked.run_id]
    if not rows:
        return {}
    found = {str(row[0]): _found_in(row) for row in rows}
    return _with_opposites(job_id, asked.intent.action, found, standings(transaction, sorted(found)))


def _claim_to_undo(transaction: Transaction, known: Statements, asked: _Claiming, undone: str, now: datetime) -> Claims:
    """Claim those that nothing else blocks.

    The others are kept; that is on record in the same transaction.
    """
    rows = _looked(transaction, known, asked, asked.names)
    before = {str(row[0]): _found_in(row) for row in rows}
    done = {str(row[0]) for row in rows if row[1] not in OPEN or row[3] == asked.run_id}
    standing = standings(transaction, asked.names)
    plan = _plan([name for name in asked.names if name not in done or _is_kept(before[name])], before, standing, undone)
    wanted = sorted([*plan.lift, *plan.keep])
    claims = _taken(transaction, known.claim, asked, wanted, now)
    kept = {name: others for name, others in plan.keep.items() if name in claims.mine}
    for name, others in sorted(kept.items()):
        values = {"run": asked.run_id, "record": claims.mine[name], "at": now, "new_state": RecordState.KEPT.value}
        transaction.run(known.settle_with_error, {**values, "new_error": kept_because(others)})
    left = _found(transaction, known, asked, [name for name in asked.names if name not in claims.mine])
    return Claims(
        mine={name: record_id for name, record_id in claims.mine.items() if name not in kept},
        others={
            **_overtaken(asked, left, standing),
            **dict.fromkeys(plan.free, ExistingRecord(RecordState.CONFIRMED, None)),
            **{name: _kept(others) for name, others in kept.items()},
        },
        doubtful=claims.doubtful,
        beside={name: others for name, others in plan.lift.items() if others and name in claims.mine},
    )


@attrs.frozen
class _Plan:
    """The plan for accounts whose blocks are undone.

    Attributes:
        lift: the ones to be unblocked. Where an earlier run may have done so, the blocks for which they are to be
            blocked again.
        keep: the ones that stay blocked, and what for.
        free: the ones that the job does not block any more.
    """

    lift: dict[str, tuple[BlockRecord, ...]] = attrs.field(factory=dict[str, tuple[BlockRecord, ...]])
    keep: dict[str, tuple[BlockRecord, ...]] = attrs.field(factory=dict[str, tuple[BlockRecord, ...]])
    free: list[str] = attrs.field(factory=list[str])


def _plan(
    names: Sequence[str], before: Mapping[str, ExistingRecord], standing: Mapping[str, Standing], undone: str
) -> _Plan:
    """Decide about each account without a final outcome."""
    plan = _Plan()
    for name in names:
        earlier, account = before.get(name), standing.get(name, Standing())
        others = account.blocks(without=undone)
        if earlier is not None and earlier.state in _MAYBE_SENT:
            plan.lift[name] = others
        elif others:
            plan.keep[name] = others
        elif account.is_blocked_by(undone):
            plan.lift[name] = ()
        else:
            plan.free.append(name)
    return plan


_MAYBE_SENT: Final = frozenset({RecordState.INTENDED, RecordState.UNKNOWN})


def _is_kept(earlier: ExistingRecord) -> bool:
    """Tell whether an account was kept.

    It is looked at again, for the other block may be gone.
    """
    return earlier.state is RecordState.KEPT


def _kept(others: tuple[BlockRecord, ...]) -> ExistingRecord:
    return ExistingRecord(RecordState.KEPT, kept_because(others), others=others)


def _taken(
    transaction: Transaction, statement: Prepared, asked: _Claiming, names: Sequence[str], now: datetime
) -> Claims:
    if not names:
        return NO_CLAIMS
    row = _row(asked.intent, asked.run_id, now, RecordSource.BULK, None)
    rows = transaction.run(statement, {**row, "names": listed(names)})
    mine = {str(name): int(str(record_id)) for name, _, record_id in rows}
    doubtful = frozenset(str(name) for name, state, _ in rows if state == RecordState.UNKNOWN.value)
    return Claims(mine, {}, doubtful)


def _found(
    transaction: Transaction, known: Statements, asked: _Claiming, names: Sequence[str]
) -> dict[str, ExistingRecord]:
    return {str(row[0]): _found_in(row) for row in _looked(transaction, known, asked, names)}


def _looked(transaction: Transaction, known: Statements, asked: _Claiming, names: Sequence[str]) -> Sequence[Row]:
    if not names:
        return ()
    sought = {"job": asked.intent.job_id, "what": asked.intent.action.value, "names": listed(names)}
    return transaction.run(known.look, sought)


def _found_in(row: Row) -> ExistingRecord:
    _, state, error, _ = row
    return ExistingRecord(RecordState(str(state)), None if error is None else str(error))


def _overtaken(
    asked: _Claiming, found: Mapping[str, ExistingRecord], standing: Mapping[str, Standing]
) -> Mapping[str, ExistingRecord]:
    """Tell whether confirmed work was undone since."""
    job_id = asked.intent.job_id
    if job_id is None:
        return found
    confirmed = {name: each for name, each in found.items() if each.state is RecordState.CONFIRMED}
    return {**found, **_with_opposites(job_id, asked.intent.action, confirmed, standing)}


def _with_opposites(
    job_id: str, action: BlockAction, found: Mapping[str, ExistingRecord], standing: Mapping[str, Standing]
) -> Mapping[str, ExistingRecord]:
    existing: dict[str, ExistingRecord] = {}
    for name, each in found.items():
        since = standing.get(name, Standing()).opposite_since(job_id, action)
        if since is not None:
            existing[name] = attrs.evolve(each, overtaken_by=since.record, overtaken_perhaps=since.is_doubtful)
    return existing


def _row(intent: Intent, run_id: str, now: datetime, source: RecordSource, account_id: str | None) -> dict[str, object]:
    return {
        "job_id": intent.job_id,
        "action": intent.action.value,
        "account_id": account_id,
        "state": RecordState.INTENDED.value,
        "source": source.value,
        "issuer": PUBLISHER,
        "reason": intent.reason,
        "actor": intent.actor,
        "review_at": intent.review_at,
        "requested_at": now,
        "run_id": run_id,
    }
