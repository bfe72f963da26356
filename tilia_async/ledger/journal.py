"""What is written of blocks before and after they are sent."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from datetime import datetime

import attrs
import orjson
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from tilia_async.errors import ConfigurationError
from tilia_async.ledger.claims import NO_CLAIMS, Claims, Found, Settlement
from tilia_async.ledger.database import Database, clock, database_now
from tilia_async.ledger.group_commit import GroupCommit
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.prepared import Row
from tilia_async.ledger.record import PUBLISHER, RecordSource, RecordState
from tilia_async.ledger.schema import JOBS, RECORDS, RUNS
from tilia_async.ledger.statements import OPEN, Statements, statements


@attrs.frozen
class _Intended:
    """A single call that is about to be sent."""

    run_id: str
    account_id: str
    intent: Intent


@attrs.frozen
class _Settled:
    """What became of accounts that a run had in hand."""

    run_id: str
    settlements: Sequence[Settlement]


@attrs.define(eq=False)
class _Claiming:
    """Accounts that a run asks for, in the order of their names; and what came of it."""

    run_id: str
    intent: Intent
    names: Sequence[str]
    claims: Claims = NO_CLAIMS


class Journal:
    """Writes what is about to be sent, and what came of it: in one transaction whatever came while another ran."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._entries = GroupCommit[_Intended | _Settled | _Claiming](self._write)

    async def aclose(self) -> None:
        """Finish what was handed in, and close the database."""
        await self._entries.aclose()
        await self.database.aclose()

    async def intend(self, run_id: str, account_id: str, intent: Intent) -> None:
        """Put a single call on record; it is durable when this returns.

        Raises:
            LedgerError: it is not on record, and must not be sent.
        """
        await self._entries.add(_Intended(run_id, account_id, intent))

    async def settle(self, run_id: str, *settlements: Settlement) -> None:
        """Put on record what became of accounts that a run had in hand. What another has taken over stays.

        Raises:
            LedgerError: it is not on record.
        """
        await self._entries.add(_Settled(run_id, settlements))

    def settle_soon(self, run_id: str, settlement: Settlement) -> None:
        """The same, without waiting for it."""
        self._entries.put(_Settled(run_id, [settlement]))

    async def advance(
        self, run_id: str, intent: Intent, settlements: Sequence[Settlement], account_ids: Sequence[str]
    ) -> Claims:
        """Settle some accounts of a job and claim others, in one transaction.

        To claim is to put the intents on record, for those accounts that need something and that no live run has in
        hand.

        Args:
            account_ids: those to claim, each at most once.

        Raises:
            LedgerError: nothing of it is on record, and what is not claimed must not be sent.
        """
        entries: list[_Settled | _Claiming] = []
        if settlements:
            entries.append(_Settled(run_id, settlements))
        # In one order everywhere: two processes that lock the same rows in different orders wait for each other.
        claiming = _Claiming(run_id, intent, sorted(account_ids))
        if account_ids:
            entries.append(claiming)
        await self._entries.add(*entries)
        return claiming.claims

    async def begin_run(self, run_id: str, job_id: str, origin: str, lease: float) -> None:
        """Enter a run of a job, whose claims live as long as it renews its lease (in seconds).

        Args:
            origin: the environment that the job's accounts are in.

        Raises:
            LedgerError: it is not on record.
            ConfigurationError: the job was begun in another environment.
        """

        async def work(connection: AsyncConnection) -> None:
            # A day is longer than any lease: these belong to processes that died, and their claims have ended.
            await connection.execute(delete(RUNS).where(RUNS.c.expires_at < database_now() - 86_400.0))
            await _enter_job(connection, job_id, origin)
            await _enter_run(connection, run_id, job_id, lease)

        await self.database.write(work)

    async def renew_run(self, run_id: str, job_id: str, lease: float) -> None:
        """Let the claims of a run live that much longer, in seconds from now, by the database's clock.

        Raises:
            LedgerError: it is not on record.
        """
        renewal = update(RUNS).where(RUNS.c.run_id == run_id).values(expires_at=database_now() + lease)

        async def work(connection: AsyncConnection) -> None:
            if (await connection.execute(renewal)).rowcount == 0:
                await _enter_run(connection, run_id, job_id, lease)

        await self.database.write(work)

    async def end_run(self, run_id: str) -> None:
        """End the claims of a run: another may go on at once.

        Raises:
            LedgerError: it is not on record; the claims end by themselves.
        """

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(delete(RUNS).where(RUNS.c.run_id == run_id))

        await self.database.write(work)

    async def _write(self, entries: Sequence[_Intended | _Settled | _Claiming]) -> None:
        intents = [each for each in entries if isinstance(each, _Intended)]
        settled = [each for each in entries if isinstance(each, _Settled)]
        claiming = [each for each in entries if isinstance(each, _Claiming)]

        async def work(connection: AsyncConnection) -> None:
            known = statements(connection.dialect.name)
            now = await clock(connection)
            if intents:
                rows = [_row(each.intent, each.run_id, now, RecordSource.CALL, each.account_id) for each in intents]
                await connection.execute(RECORDS.insert(), rows)
            if settled:
                await _settle(connection, known, settled, now)
            for each in claiming:
                each.claims = await _claim(connection, known, each, now)

        await self.database.write(work)


async def _enter_job(connection: AsyncConnection, job_id: str, origin: str) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    await connection.execute(insert(JOBS).values(job_id=job_id, origin=origin).on_conflict_do_nothing())
    begun_in = (await connection.execute(select(JOBS.c.origin).where(JOBS.c.job_id == job_id))).scalar_one()
    if begun_in != origin:
        raise ConfigurationError(
            f"the job {job_id!r} of this ledger was begun at {begun_in}, and this client is for {origin}: "
            "take another job_id"
        )


async def _enter_run(connection: AsyncConnection, run_id: str, job_id: str, lease: float) -> None:
    row = {"run_id": run_id, "job_id": job_id, "expires_at": database_now() + lease}
    await connection.execute(RUNS.insert().values(row))


async def _settle(connection: AsyncConnection, known: Statements, settled: Sequence[_Settled], now: datetime) -> None:
    """All that came well of a run at once; those that failed one by one, with their errors."""
    alike: dict[tuple[str, RecordState], list[str]] = {}
    told: list[dict[str, object]] = []
    for entry in settled:
        for each in entry.settlements:
            if each.error is None:
                alike.setdefault((entry.run_id, each.state), []).append(each.account_id)
            else:
                values = {"run": entry.run_id, "account": each.account_id, "at": now}
                told.append({**values, "new_state": each.state.value, "new_error": each.error})
    for (run_id, state), names in alike.items():
        values = {"run": run_id, "names": _listed(sorted(names)), "new_state": state.value, "at": now}
        await known.settle.run(connection, values)
    for values in sorted(told, key=operator.itemgetter("account")):
        await known.settle_with_error.run(connection, values)


async def _claim(connection: AsyncConnection, known: Statements, asked: _Claiming, now: datetime) -> Claims:
    row = _row(asked.intent, asked.run_id, now, RecordSource.BULK, None)
    rows = await known.claim.run(connection, {**row, "names": _listed(asked.names)})
    mine = frozenset(str(name) for (name,) in rows)
    left = [name for name in asked.names if name not in mine]
    if not left:
        return Claims(mine, {})
    sought = {"job": asked.intent.job_id, "what": asked.intent.action.value, "names": _listed(left)}
    found = await known.look.run(connection, sought)
    return Claims(mine, dict(_found(row, asked.run_id) for row in found))


def _found(row: Row, run_id: str) -> tuple[str, Found]:
    account_id, state, error, in_hand_of, is_settled = row
    settled = state not in OPEN or (in_hand_of == run_id and bool(is_settled))
    return str(account_id), Found(RecordState(str(state)), None if error is None else str(error), settled)


def _listed(names: Sequence[str]) -> str:
    return orjson.dumps(names).decode()


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
