"""Single calls that block or unblock, with their records."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from tilia_async.errors import LedgerError, TiliaError
from tilia_async.ledger.claims import Settlement, new_run_id
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import BlockLedger, journal_of
from tilia_async.ledger.record import RecordState, state_after

if TYPE_CHECKING:
    from tilia_async.ledger.journal import Journal

T = TypeVar("T")

FAREWELL_SECONDS: Final = 0.5
"""How long a cancelled call waits for its record to be settled; then it stays as it is: intended."""

_log = logging.getLogger("tilia_async")


async def on_record(ledger: BlockLedger, intent: Intent, account_id: str, call: Callable[[], Awaitable[T]]) -> T:
    """Put the intent on record, do the call, and settle the record.

    Raises:
        LedgerError: the intent is not on record; nothing was sent.
        TiliaError: as the call does.
    """
    run_id = new_run_id()
    try:
        journal = await journal_of(ledger)
        await journal.intend(run_id, account_id, intent)
    except LedgerError as error:
        raise error.during(f"accounts.{intent.action.value}", {"account_id": account_id}) from None
    try:
        value = await call()
    except asyncio.CancelledError:
        with anyio.move_on_after(FAREWELL_SECONDS, shield=True):
            await _settle(journal, run_id, account_id, RecordState.UNKNOWN, "the call was cancelled")
        raise
    except TiliaError as error:
        await _settle(journal, run_id, account_id, state_after(error), str(error))
        raise
    await _settle(journal, run_id, account_id, RecordState.CONFIRMED, None)
    return value


async def _settle(journal: Journal, run_id: str, account_id: str, state: RecordState, error: str | None) -> None:
    """What Tilia said stays what it said, whatever becomes of the record: that is still there, as intended."""
    try:
        await journal.settle(run_id, Settlement(account_id, state, error))
    except LedgerError as failure:
        _log.error("the record of %s stays unsettled: it would be %s, but %s", account_id, state.value, failure)
