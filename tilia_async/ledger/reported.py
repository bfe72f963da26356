"""Blocks and unblocks that Tilia reports by notification (fact sheet "compliance-webhooks", A.4.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import Insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from tilia_async.errors import WebhookError
from tilia_async.ledger.claims import new_run_id
from tilia_async.ledger.database import Database
from tilia_async.ledger.intent import LONGEST_NAME
from tilia_async.ledger.record import NOT_SAID, BlockAction, RecordSource, RecordState
from tilia_async.ledger.schema import ONCE_FOR_EVENT, RECORDS
from tilia_async.wire import checks

if TYPE_CHECKING:
    from tilia_async.api.accounts import Block
    from tilia_async.webhooks.account_events import AccountBlockChanged


async def apply(database: Database, event: AccountBlockChanged) -> None:
    """Enter what a notification says: a record for each issuer it names. The same notification again adds nothing."""
    rows = _rows(event)

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(_entering(connection.dialect.name), rows)

    await database.write(work)


def _entering(dialect: str) -> Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    only_events = ONCE_FOR_EVENT.dialect_options[dialect]["where"]
    return insert(RECORDS).on_conflict_do_nothing(index_elements=[RECORDS.c.run_id], index_where=only_events)


def _rows(event: AccountBlockChanged) -> list[Mapping[str, object]]:
    problems = checks.identifier(event.account_id)
    if problems or event.is_blocked is None:
        why = f"account_id {problems[0]}" if problems else "is_blocked is missing"
        raise WebhookError(f"the notification cannot be entered in the ledger: {why}")
    now = datetime.now(UTC)
    action = BlockAction.BLOCK if event.is_blocked else BlockAction.UNBLOCK
    return [
        {
            "action": action.value,
            "account_id": event.account_id,
            "state": RecordState.CONFIRMED.value,
            "source": RecordSource.WEBHOOK.value,
            "issuer": issuer,
            "reason": reason,
            "requested_at": event.sent_at or now,
            "settled_at": now,
            "run_id": _key(event, issuer),
        }
        for issuer, reason in _issuers(event.blocks).items()
    ]


def _issuers(blocks: Sequence[Block]) -> dict[str, str | None]:
    """Who blocked, and why."""
    found: dict[str, str | None] = {}
    for block in blocks:
        reason = None if block.reason is None else block.reason.replace("\0", "")
        found.setdefault((block.issuer or NOT_SAID).replace("\0", "")[:LONGEST_NAME], reason)
    return found or {NOT_SAID: None}


def _key(event: AccountBlockChanged, issuer: str) -> str:
    """The same for two deliveries of one notification; without the time of its sending there is no telling."""
    if event.sent_at is None:
        return new_run_id()
    named = [event.account_id, event.is_blocked, issuer, event.sent_at.isoformat()]
    return hashlib.sha256(orjson.dumps(named)).hexdigest()
