"""Single calls that block or unblock, with their records."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from tilia_async.errors import DeadlineExceededError, LedgerError, TiliaError
from tilia_async.ledger.claims import Settlement, new_run_id
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import BlockLedger, journal_of
from tilia_async.ledger.record import RecordState, state_after

if TYPE_CHECKING:
    from tilia_async.ledger.journal import Journal

T = TypeVar("T")

FAREWELL_SECONDS: Final = 0.5
"""How long at least a call whose outcome is known waits for that to be on record; it is written all the same."""

_log = logging.getLogger("tilia_async")


async def on_record(
    ledger: BlockLedger, intent: Intent, account_id: str, seconds: float, call: Callable[[float], Awaitable[T]]
) -> T:
    """Put the intent on record, do the call, and settle the record.

    Args:
        seconds: for all of it.
        call: gets the seconds that are left.

    Raises:
        LedgerError: the intent is not on record; nothing was sent.
        DeadlineExceededError: it was not on record in time; nothing was sent.
        TiliaError: as the call does.
    """
    run_id, ends_at = new_run_id(), monotonic() + seconds
    journal = await _intend(ledger, intent, run_id, account_id, seconds)
    try:
        value = await call(max(0.001, ends_at - monotonic()))
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            await _settle(journal, run_id, Settlement(account_id, RecordState.UNKNOWN, "the call was cancelled"), 0.0)
        raise
    except TiliaError as error:
        settlement = Settlement(account_id, state_after(error), str(error))
        await _settle(journal, run_id, settlement, ends_at - monotonic())
        raise
    await _settle(journal, run_id, Settlement(account_id, RecordState.CONFIRMED), ends_at - monotonic())
    return value


async def _intend(ledger: BlockLedger, intent: Intent, run_id: str, account_id: str, seconds: float) -> Journal:
    operation, reference = f"accounts.{intent.action.value}", {"account_id": account_id}
    journal: Journal | None = None
    never_sent = Settlement(account_id, RecordState.FAILED, "it was not on record in time, and was not sent")
    try:
        async with asyncio.timeout(seconds):
            journal = await journal_of(ledger)
            await journal.intend(run_id, account_id, intent)
            return journal
    except LedgerError as error:
        raise error.during(operation, reference) from None
    except asyncio.CancelledError:
        if journal is not None:
            journal.settle_soon(run_id, never_sent)
        raise
    except TimeoutError:
        if journal is not None:
            journal.settle_soon(run_id, never_sent)
    raise DeadlineExceededError(
        f"{seconds:g} s are over while waiting for the ledger", operation=operation, reference=reference
    )


async def _settle(journal: Journal, run_id: str, settlement: Settlement, seconds: float) -> None:
    """What Tilia said stays what it said, whatever becomes of the record: that is still there, as intended."""
    try:
        with anyio.move_on_after(max(seconds, FAREWELL_SECONDS)) as waiting:
            await journal.settle(run_id, settlement)
    except LedgerError as failure:
        _log.error("%s stays on record as intended, although it is %s: %s", *_told(settlement), failure)
        return
    if waiting.cancelled_caught:
        _log.warning("%s is not on record yet as %s; the ledger is slow", *_told(settlement))


def _told(settlement: Settlement) -> tuple[str, str]:
    return settlement.account_id, settlement.state.value
