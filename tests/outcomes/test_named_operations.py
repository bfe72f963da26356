"""Errors that no operation of Tilia's ends with name what was called, too, first in their text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tilia_async import TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.ledger import BlockLedger
from tilia_async.sandbox import Sandbox
from tilia_async.webhooks import AccountBlockChanged, parse_event
from tilia_async.webhooks.confirm import confirm

GET = OPERATIONS["accounts.get"]
BLOCK = OPERATIONS["accounts.block"]
PATH = {"account_id": "acct_1"}


async def parse(body: bytes) -> None:
    parse_event(body)


async def read(ledger: BlockLedger) -> None:
    async for _ in ledger.blocked():
        pass


async def enter(ledger: BlockLedger) -> None:
    async with ledger:
        pass


Call = Callable[[TiliaClient, BlockLedger], Awaitable[object]]
CALLS: dict[str, tuple[str, Call]] = {
    "send, not an operation": ("send", lambda t, _: t.send("accounts.get")),
    "send, no path": ("accounts.get", lambda t, _: t.send(GET)),
    "send, options": ("accounts.get", lambda t, _: t.send(GET, path=PATH, options=3)),
    "send, a ledger that cannot be written": ("accounts.block", lambda t, _: t.send(BLOCK, path=PATH)),
    "send, on record, options": ("accounts.block", lambda t, _: t.send(BLOCK, path=PATH, options=3)),
    "method, options": ("accounts.get", lambda t, _: t.accounts.get("acct_1", options=3)),
    "method, on record, options": ("accounts.block", lambda t, _: t.accounts.block("acct_1", options=3)),
    "a token": ("auth.token", lambda t, _: t.access_token(["a_scope_that_there_is_not"])),
    "reconcile": ("reconcile", lambda t, _: t.reconcile(ValueError())),
    "a job's options": ("bulk.lookup", lambda t, _: t.bulk.lookup([], options=3)),
    "history": ("ledger.history", lambda _, ledger: ledger.history("acct_1")),
    "records": ("ledger.records", lambda _, ledger: read(ledger)),
    "a ledger's opening": ("ledger.open", lambda _, ledger: enter(ledger)),
    "an event for the ledger": (
        "ledger.apply",
        lambda _, ledger: ledger.apply(AccountBlockChanged(account_id="acct_1", sent_at=datetime.now(UTC))),
    ),
    "a notification": ("webhooks.parse_event", lambda *_: parse(b"no JSON")),
    "a notification without a name": ("webhooks.parse_event", lambda *_: parse(b'{"event_name": 7}')),
    "an event to confirm": ("webhooks.confirm", lambda t, _: confirm(t, AccountBlockChanged())),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", CALLS)
async def test_an_error_names_what_was_called(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    operation, call = CALLS[name]
    ledger = BlockLedger.open(f"sqlite:///{tmp_path / 'no such folder' / 'blocks.db'}")
    credentials = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
    async with TiliaClient(*credentials, ledger=ledger) as tilia:
        with pytest.raises(errors.TiliaError) as caught:
            await call(tilia, ledger)
    assert caught.value.operation == operation
    assert str(caught.value).startswith(f"{operation}: ")
    assert str(caught.value).count(f"{operation}: ") == 1
    assert caught.value.took_effect is False


@pytest.mark.asyncio
async def test_a_job_without_a_ledger_is_named(tilia: TiliaClient) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        await tilia.bulk.block(["acct_1"], job_id="wave-7")
    assert caught.value.operation == "bulk.block"
    with pytest.raises(errors.ConfigurationError) as caught:
        await tilia.bulk.undo("wave-7")
    assert caught.value.operation == "bulk.undo"
