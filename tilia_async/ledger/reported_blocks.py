"""Blocks and unblocks that Tilia reports by notification (fact sheet "compliance-webhooks", A.4.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import ColumnElement, FromClause, Insert, exists, func, insert, literal, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from tilia_async import checks
from tilia_async.errors import WebhookError
from tilia_async.ledger.claims import new_run_id
from tilia_async.ledger.database import Database, clock
from tilia_async.ledger.intent import LONGEST_NAME
from tilia_async.ledger.queries import done_at
from tilia_async.ledger.record import LIFTED_BY_YOU, NOT_SAID, BlockAction, RecordSource, RecordState, ReportedBlock
from tilia_async.ledger.schema import ONCE_FOR_EVENT, RECORDS

if TYPE_CHECKING:
    from tilia_async.models.accounts import Block


async def apply(database: Database, event: ReportedBlock) -> None:
    """Enter what a notification says.

    A record for each issuer it names. The same notification again adds nothing.

    A notification is known by the time of its sending. One without, such as a confirmed one, tells a state: it adds
    nothing while the last such record of the issuer, and of the same blocks, still holds, i.e. the opposite is not on
    record since. Processes that enter one at once wait for each other. An issuer that is not named any more is not
    taken for gone while the account is blocked: Tilia's answers may have room for one block only.
    """
    rows = _rows(event)

    async def work(connection: AsyncConnection) -> None:
        if event.sent_at is not None:
            now = await clock(connection)
            sent = {"requested_at": event.sent_at, "sent_at": event.sent_at, "settled_at": now}
            entered = [{**row, **sent} for row in rows]
            await connection.execute(_entering(connection.dialect.name), entered)
            return
        now = await _now(connection, rows[0])
        # The clocks of hosts differ, so that the event's own time is only good for its age.
        age = timedelta() if event.confirmed_at is None else max(datetime.now(UTC) - event.confirmed_at, timedelta())
        for row in rows:
            await connection.execute(_entering_once({**row, "requested_at": now - age, "settled_at": now}))

    await database.write(work)


def _entering(dialect: str) -> Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    only_events = ONCE_FOR_EVENT.dialect_options[dialect]["where"]
    return insert(RECORDS).on_conflict_do_nothing(index_elements=[RECORDS.c.run_id], index_where=only_events)


async def _now(connection: AsyncConnection, row: Mapping[str, object]) -> datetime:
    """Return the shared time, after locking out others.

    The time that all processes share, once no other enters what concerns the account.

    One transaction at a time writes to SQLite, on one machine, and begins as a writer.
    """
    if connection.dialect.name == "postgresql":
        digest = hashlib.sha256(str(row["account_id"]).encode()).digest()
        await connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], signed=True))))
    return await clock(connection)


def _entering_once(row: Mapping[str, object]) -> Insert:
    """Enter a state once.

    Nothing is entered if it is on record and nothing has ended it since.
    """
    known, opposite = RECORDS.alias("known"), RECORDS.alias("opposite")
    at = literal(row["requested_at"], RECORDS.c.requested_at.type)
    began = opposite.c.requested_at
    # What was seen before the answer to a call may be older than its effect.
    done = done_at(opposite)
    # What was entered at the same moment came in the order of the records.
    before = (known.c.requested_at < began) | ((known.c.requested_at == began) & (known.c.id < opposite.c.id))
    ended = exists().where(
        opposite.c.account_id == row["account_id"],
        opposite.c.action != row["action"],
        opposite.c.state == RecordState.CONFIRMED.value,
        _ends(row, opposite),
        # This one may come late, and be older than what is known.
        (before & (done <= at)) | ((began > at) & (done < known.c.requested_at)),
    )
    holds = exists().where(
        known.c.account_id == row["account_id"],
        known.c.action == row["action"],
        known.c.source == RecordSource.WEBHOOK.value,
        known.c.issuer == row["issuer"],
        # Another block of the issuer is another state; one that does not say which is not.
        true() if row["block_ids"] is None else known.c.block_ids == row["block_ids"],
        ~ended,
    )
    values = [literal(value, RECORDS.c[name].type).label(name) for name, value in row.items()]
    return insert(RECORDS).from_select(list(row), select(*values).where(~holds))


def _ends(row: Mapping[str, object], opposite: FromClause) -> ColumnElement[bool]:
    """Match what ends a state.

    Your unblock lifts no block of Tilia's, a notification's lifts all; any block ends that nothing is left.
    """
    ends_all = row["action"] == BlockAction.UNBLOCK.value or row["issuer"] in LIFTED_BY_YOU
    return true() if ends_all else opposite.c.source == RecordSource.WEBHOOK.value


def _rows(event: ReportedBlock) -> list[Mapping[str, object]]:
    problems = checks.identifier(event.account_id)
    if problems or event.is_blocked is None:
        why = f"account_id {problems[0]}" if problems else "is_blocked is missing"
        raise WebhookError(f"the notification cannot be entered in the ledger: {why}")
    action = BlockAction.BLOCK if event.is_blocked else BlockAction.UNBLOCK
    return [
        {
            "action": action.value,
            "account_id": event.account_id,
            "state": RecordState.CONFIRMED.value,
            "source": RecordSource.WEBHOOK.value,
            "issuer": issuer,
            "reason": reason,
            "run_id": _key(event, issuer, block_ids),
            "block_ids": block_ids,
        }
        for issuer, reason in _issuers(event.blocks).items()
        for block_ids in [_block_ids(event, issuer)]
    ]


def _issuers(blocks: Sequence[Block]) -> dict[str, str | None]:
    """Return the issuers and their reasons."""
    found: dict[str, str | None] = {}
    for block in blocks:
        reason = None if block.reason is None else block.reason.replace("\0", "")
        found.setdefault(_issuer(block), reason)
    return found or {NOT_SAID: None}


def _issuer(block: Block) -> str:
    return (block.issuer or NOT_SAID).replace("\0", "")[:LONGEST_NAME]


def _block_ids(event: ReportedBlock, issuer: str) -> str | None:
    """Return the issuer's block ids.

    Where the notification names them; one without a name beside others is one more.
    """
    if not event.is_blocked:
        return None
    named = sorted({block.block_id or "" for block in event.blocks if _issuer(block) == issuer})
    return orjson.dumps(named).decode() if any(named) else None


def _key(event: ReportedBlock, issuer: str, block_ids: str | None) -> str:
    """Return the key of a notification's state.

    The same for two deliveries of one notification; a state has another each time that it is entered.
    """
    if event.sent_at is None:
        return new_run_id()
    named = [event.account_id, event.is_blocked, issuer, event.sent_at.isoformat()]
    # Times come in whole seconds, and two blocks may be of the same.
    named += [] if block_ids is None else [block_ids]
    return hashlib.sha256(orjson.dumps(named)).hexdigest()
