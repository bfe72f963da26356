"""Tilia's notifications in the ledger: each counts once, in the order of its time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from support.ledgers import QUICKLY_ON_BOTH, accounts_of, changed, ledger, listed, tilia, url
from support.scripted import (
    people,
)

from tilia_async import TiliaClient, errors
from tilia_async.ledger import BlockAction, BlockLedger, RecordSource, RecordState
from tilia_async.sandbox import Sandbox

__all__ = ["ledger", "tilia", "url"]


NOON = datetime(2026, 7, 3, 12, tzinfo=UTC)


@pytest.mark.asyncio
async def test_a_notification_counts_once_and_in_the_order_of_its_time(ledger: BlockLedger) -> None:
    blocked, lifted = (
        changed("acct_1", sent_at=NOON),
        changed("acct_1", blocked=False, sent_at=NOON + timedelta(minutes=2)),
    )
    for _ in range(2):
        await ledger.apply(blocked)
    (record,) = await ledger.history("acct_1")
    assert (record.action, record.state, record.source, record.issuer) == (
        BlockAction.BLOCK,
        RecordState.CONFIRMED,
        RecordSource.WEBHOOK,
        "tilia",
    )
    for _ in range(2):
        await ledger.apply(lifted)
    assert [record.action for record in await ledger.history("acct_1")] == [BlockAction.BLOCK, BlockAction.UNBLOCK]
    assert await accounts_of(ledger.blocked()) == []
    await ledger.apply(blocked)
    assert await accounts_of(ledger.blocked()) == [], "an old notification that comes once more"

    late = changed("acct_2", sent_at=NOON)
    await ledger.apply(changed("acct_2", blocked=False, sent_at=NOON + timedelta(minutes=2)))
    await ledger.apply(late)
    assert await accounts_of(ledger.blocked()) == [], "it was lifted after that"
    assert [record.action for record in await ledger.history("acct_2")] == [BlockAction.BLOCK, BlockAction.UNBLOCK]
    await ledger.apply(changed("acct_2", block=2, sent_at=NOON + timedelta(minutes=4)))
    assert await accounts_of(ledger.blocked(by_tilia=True)) == ["acct_2"]


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_several_deliveries_at_once_count_once(ledger: BlockLedger) -> None:
    event = changed("acct_1", sent_at=NOON)
    async with asyncio.timeout(10):
        await asyncio.gather(*(ledger.apply(event) for _ in range(8)))
    assert len(await ledger.history("acct_1")) == 1


@pytest.mark.asyncio
async def test_tilias_echo_of_a_block_of_ours_adds_no_block(
    tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger
) -> None:
    (account,) = people(sandbox, 1)
    await tilia.accounts.block(account, reason="fraud", actor="ann")
    (ours,) = await ledger.history(account)
    echo = changed(account, issuers=("publisher",), sent_at=ours.settled_at)
    await ledger.apply(echo)
    (in_force,) = await listed(ledger.blocked())
    assert (in_force.reason, in_force.actor) == ("fraud", "ann")
    await tilia.accounts.unblock(account, reason="appeal")
    await ledger.apply(echo)
    await ledger.apply(changed(account, blocked=False, issuers=("publisher",)))
    assert await listed(ledger.blocked()) == [], "an echo that came late blocks nobody"


@pytest.mark.asyncio
async def test_what_tilia_leaves_out_of_a_notification_does_no_harm(ledger: BlockLedger) -> None:
    await ledger.apply(changed("acct_1", issuers=("publisher", "tilia")))
    assert await accounts_of(ledger.blocked(issuer="tilia")) == ["acct_1"]
    assert await accounts_of(ledger.blocked(by_tilia=False)) == ["acct_1"]
    await ledger.apply(changed("acct_2", issuers=()))
    assert await accounts_of(ledger.blocked()) == ["acct_1", "acct_1", "acct_2"]
    for says_nothing in (changed(None), changed("acct_3", blocked=None)):
        try:
            await ledger.apply(says_nothing)
        except errors.TiliaError as error:
            assert isinstance(error, errors.WebhookError | errors.InvalidRequestError)
    assert {record.account_id for record in await listed(ledger.records())} == {"acct_1", "acct_2"}
