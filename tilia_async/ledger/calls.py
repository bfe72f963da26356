"""Single calls that block or unblock, with their records."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import attrs

from tilia_async import checks
from tilia_async.config import RequestOptions, Service
from tilia_async.errors import DeadlineExceededError, LedgerError, TiliaError, attributed_to
from tilia_async.json_value import JsonInput
from tilia_async.ledger.claims import RecordedOutcome, new_run_id
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import BlockLedger, journal_of
from tilia_async.ledger.record import BlockAction, RecordState, state_after
from tilia_async.observe.log_lines import LONG_WAIT
from tilia_async.secret import HiddenFields
from tilia_async.wire.operation import Operation
from tilia_async.wire.refusal import refuse

if TYPE_CHECKING:
    from tilia_async.ledger.journal import Journal

T = TypeVar("T")

SETTLING_SECONDS: Final = 0.2
"""Seconds that an ended call waits for its record.

After its timeout or cancellation it still waits that long for its outcome to be on record.

With what the event loop takes it is within the quarter of a second by which a call may outlive its deadline. It is
written later all the same.
"""

_ACTIONS: Final = {
    "accounts.block": BlockAction.BLOCK,
    "accounts.unblock": BlockAction.UNBLOCK,
    "accounts.block_capability": BlockAction.BLOCK,
}

_log = logging.getLogger("tilia_async.ledger")


@attrs.frozen
class RecordedCall:
    """A block or unblock that is about to be sent.

    Attributes:
        operation: its name.
        timeout: of the client, in seconds.
        options: of the call; None: those of the client.
    """

    operation: str
    intent: Intent
    account_id: str
    timeout: float
    options: RequestOptions | None = None

    @property
    def seconds(self) -> float:
        """The seconds for all of it."""
        return self.timeout if self.options is None else self.options.timeout or self.timeout


def action_of(operation: Operation[object]) -> BlockAction | None:
    """Return the action that an operation is recorded as.

    None for no record.

    Those of the SDK are known by their names, so a corrected declaration is too. Of your own making is a block or an
    unblock what is posted to the accounts' service and ends in ``/block`` or ``/unblock``.
    """
    named = _ACTIONS.get(operation.name)
    if named is not None or operation.service is not Service.ACCOUNTS or operation.method != "POST":
        return named
    last = operation.path.rpartition("/")[2]
    return BlockAction(last) if last in set(BlockAction) else None


def account_of(
    operation: Operation[object], path: Mapping[str, str] | None, body: HiddenFields[JsonInput] | None
) -> str:
    """Return the account of a block or an unblock.

    It is read from the path or the body.

    Raises:
        InvalidRequestError: none is named, so there would be nothing to record.
    """
    parameters = operation.parameters
    name = parameters[0] if len(parameters) == 1 else "account_id"
    account_id = (path or {}).get(name) or _field(body, name)
    refuse(operation.name, {"account_id": checks.identifier(account_id)})
    return str(account_id)


def reason_of(body: HiddenFields[JsonInput] | None) -> str | None:
    """Return the recorded reason of a capability's block.

    It is made of the reason given, the capability and the note.

    ``account_close (capability login): asked for by mail``; None for a block without a capability.
    """
    capability = _field(body, "block_capability")
    if capability is None:
        return None
    note = _field(body, "note")
    reason_text = f"{_field(body, 'block_reason') or 'no reason'} (capability {capability})"
    return f"{reason_text}: {note}" if note else reason_text


def _field(body: HiddenFields[JsonInput] | None, name: str) -> JsonInput:
    return None if body is None else body.reveal().get(name)


async def recorded_call(
    ledger: BlockLedger, recorded: RecordedCall, call: Callable[[RequestOptions], Awaitable[T]]
) -> T:
    """Record the intent, do the call, and settle it.

    It ends when its time is over, a quarter of a second later at most, however slow the ledger is.

    Args:
        call: gets the options, with the seconds that are left.

    Raises:
        InvalidRequestError: what is to be recorded cannot be.
        LedgerError: the intent is not known to be on record; nothing was sent.
        DeadlineExceededError: it was not on record in time; nothing was sent.
        TiliaError: as the call does.
    """
    refuse(recorded.operation, recorded.intent.problems())
    run_id, ends_at, account_id = new_run_id(), monotonic() + recorded.seconds, recorded.account_id
    operation = recorded.operation
    journal = await _intend(ledger, recorded, run_id)
    left = attrs.evolve(recorded.options or RequestOptions(), timeout=max(0.001, ends_at - monotonic()))
    try:
        value = await call(left)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            cancelled = RecordedOutcome(account_id, RecordState.UNKNOWN, "the call was cancelled")
            await _settle(operation, journal, run_id, cancelled, monotonic())
        raise
    except TiliaError as error:
        await _settle(
            recorded.operation, journal, run_id, RecordedOutcome(account_id, state_after(error), str(error)), ends_at
        )
        raise
    except BaseException as error:  # raised again
        # A fault of ours or of a library's says nothing about the account. The loop may have gone.
        unknown = RecordedOutcome(account_id, RecordState.UNKNOWN, f"the call ended with {type(error).__name__}")
        with contextlib.suppress(RuntimeError):
            journal.settle_soon(run_id, unknown)
        raise
    await _settle(operation, journal, run_id, RecordedOutcome(account_id, RecordState.CONFIRMED), ends_at)
    return value


async def _intend(ledger: BlockLedger, recorded: RecordedCall, run_id: str) -> Journal:
    account_id, seconds = recorded.account_id, recorded.seconds
    operation, reference = recorded.operation, {"account_id": account_id}
    journal: Journal | None = None
    never_sent = RecordedOutcome(account_id, RecordState.FAILED, "it was not on record in time, and was not sent")
    try:
        async with asyncio.timeout(seconds):
            journal = await journal_of(ledger)
            since = monotonic()
            await journal.intend(run_id, account_id, recorded.intent)
            _log_wait(operation, since)
            return journal
    except LedgerError as error:
        raise attributed_to(error, operation, reference) from None
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


async def _settle(operation: str, journal: Journal, run_id: str, settlement: RecordedOutcome, ends_at: float) -> None:
    """Record the outcome, and wait until it is written.

    At most until the call's time is over and a little longer.

    What Tilia said stays what it said, whatever becomes of the record: that is still there, as intended.
    """
    since = monotonic()
    try:
        with anyio.move_on_after(max(0.0, ends_at - monotonic() + SETTLING_SECONDS)) as waiting:
            await journal.settle(run_id, settlement)
    except LedgerError as failure:
        _log.error("%s stays on record as intended, although it is %s: %s", operation, settlement.state.value, failure)
        return
    if waiting.cancelled_caught:
        _log.warning("%s is not on record yet as %s; the ledger is slow", operation, settlement.state.value)
    _log_wait(operation, since)


def _log_wait(operation: str, since: float) -> None:
    waited = monotonic() - since
    if waited >= LONG_WAIT:
        extra = {"tilia": {"operation": operation, "waited": waited, "why": "the ledger"}}
        _log.info("%s: waited %.1f s for the ledger", operation, waited, extra=extra)
