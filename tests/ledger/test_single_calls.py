"""A single call is on record before it is sent, and afterwards with what came of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from support.ledgers import QUICKLY_ON_BOTH, accounts_of, ledger, listed, tilia, url
from support.scripted import (
    blocks_sent,
    people,
    sandbox_client,
    until,
)

from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockAction, BlockLedger, RecordSource, RecordState
from tilia_async.sandbox import Fault, Sandbox

__all__ = ["ledger", "tilia", "url"]


@pytest.mark.asyncio
async def test_a_call_is_on_record_with_who_why_when_and_what_came_of_it(
    tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger
) -> None:
    (account,) = people(sandbox, 1)
    assert await ledger.history(account) == []
    review_at = datetime(2031, 5, 4, 3, 2, 1, 987_654, tzinfo=timezone(timedelta(hours=2)))
    began = datetime.now(UTC)
    await tilia.accounts.block(account, reason="chargeback fraud", actor="ops@acme.example", review_at=review_at)
    await tilia.accounts.unblock(account, reason="appeal", actor="judge")
    await tilia.accounts.block(account)
    ended = datetime.now(UTC)
    first, second, third = await ledger.history(account)
    assert (first.account_id, first.action, first.reason, first.actor) == (
        account,
        BlockAction.BLOCK,
        "chargeback fraud",
        "ops@acme.example",
    )
    assert (first.state, first.source, first.issuer, first.error) == (
        RecordState.CONFIRMED,
        RecordSource.CALL,
        "publisher",
        None,
    )
    assert first.review_at == review_at
    assert {each.tzinfo for each in (first.review_at, first.requested_at, first.settled_at)} == {UTC}
    second_more = timedelta(seconds=1)
    assert began - second_more <= first.requested_at <= first.settled_at <= second.requested_at <= ended + second_more
    assert (second.action, second.reason, second.actor) == (BlockAction.UNBLOCK, "appeal", "judge")
    assert (third.action, third.reason, third.actor, third.review_at) == (BlockAction.BLOCK, None, None, None)


@pytest.mark.asyncio
async def test_each_end_of_a_call_has_its_state(tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger) -> None:
    lost, theirs, away = people(sandbox, 3)
    sandbox.block_as_tilia(theirs)
    with pytest.raises(errors.NotFoundError):
        await tilia.accounts.block("acct_nobody")
    with pytest.raises(errors.ForbiddenError):
        await tilia.accounts.unblock(theirs)
    sandbox.faults.add("accounts.block", Fault.DROP_AFTER_COMMIT)
    with pytest.raises(errors.OutcomeUnknownError):
        await tilia.accounts.block(lost)
    sandbox.faults.add("accounts.block", Fault.RATE_LIMITED)
    with pytest.raises(errors.RateLimitedError):
        await tilia.accounts.block(away)
    with pytest.raises(errors.InvalidRequestError):
        await tilia.accounts.block("a/b")
    told = {
        record.account_id: (record.state, record.settled_at is not None) for record in await listed(ledger.records())
    }
    assert told.pop("acct_nobody") == (RecordState.NOT_FOUND, True)
    assert told.pop(theirs) == (RecordState.REFUSED, True)
    assert told.pop(lost)[0] is RecordState.UNKNOWN
    assert told.pop(away)[0] is RecordState.FAILED
    assert told == {}, "what is refused here is no attempt"
    for account in ("acct_nobody", theirs, lost, away):
        (record,) = await ledger.history(account)
        assert record.error
    assert sorted(await accounts_of(ledger.pending())) == sorted([lost, away])


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_the_intent_is_on_disk_before_the_request_is_on_the_wire(
    tilia: TiliaClient, sandbox: Sandbox, url: str
) -> None:
    alone, *wave = people(sandbox, 9)
    sandbox.faults.add("accounts.block", Fault.HANG_BEFORE_COMMIT, times=None)
    async with BlockLedger.open(url) as another:
        call = asyncio.create_task(tilia.accounts.block(alone, reason="fraud"))
        job = asyncio.create_task(tilia.bulk.block(wave, reason="wave", job_id="wave", concurrency=4))
        await until(lambda: alone in (sent := set(blocks_sent(sandbox))) and len(sent) >= 2)
        for account in blocks_sent(sandbox):
            (record,) = await another.history(account)
            assert (record.state, record.reason) == (RecordState.INTENDED, "fraud" if account == alone else "wave")
            assert record.settled_at is None
        for task in (call, job):
            task.cancel()
        await asyncio.gather(call, job, return_exceptions=True)
        for account in blocks_sent(sandbox):
            (record,) = await another.history(account)
            assert record.state is RecordState.UNKNOWN, "sent, and nobody waited for the answer"


@pytest.mark.asyncio
async def test_many_calls_at_once_are_all_on_record(tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger) -> None:
    accounts = people(sandbox, 60)
    await asyncio.gather(*(tilia.accounts.block(each, actor="ops") for each in accounts))
    told = await listed(ledger.records(actor="ops"))
    assert sorted(record.account_id for record in told) == sorted(accounts)
    assert {record.state for record in told} == {RecordState.CONFIRMED}


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_any_text_is_kept_or_refused_before_anything_is_sent(
    tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger
) -> None:
    texts = [
        "a'; DROP TABLE records;--",
        "%s %(x)s :x ? {x}",
        "ünï 💥\n\ttwo lines\r\n",
        "x" * 20_000,
        "nul\x00nul",
        "\ud800",
        "\u202e\ufeff",
        " ",
    ]
    for text, account in zip(texts, people(sandbox, len(texts)), strict=True):
        sent = len(blocks_sent(sandbox))
        try:
            await tilia.accounts.block(account, reason=text, actor=text)
        except errors.InvalidRequestError:
            assert (len(blocks_sent(sandbox)), await ledger.history(account)) == (sent, [])
            with pytest.raises(errors.InvalidRequestError):
                await tilia.bulk.block([account], reason=text)
        else:
            (record,) = await ledger.history(account)
            assert (record.reason, record.actor, record.state) == (text, text, RecordState.CONFIRMED)
    odd = ["a'; DROP TABLE records;--", "ünï💥", "%s", "a b"]
    report = await tilia.bulk.block([*odd, "acct_\x00"], job_id="odd")
    assert (report.counts[BulkOutcome.NOT_FOUND], report.counts[BulkOutcome.FAILED]) == (4, 1)
    assert sorted(await accounts_of(ledger.records(job_id="odd", state=RecordState.NOT_FOUND))) == sorted(odd)


@pytest.mark.asyncio
async def test_a_closed_ledger_lets_no_block_through(sandbox: Sandbox, url: str) -> None:
    (account,) = people(sandbox, 1)
    async with BlockLedger.open(url) as ledger:
        tilia = sandbox_client(sandbox, ledger=ledger)
    async with tilia:
        with pytest.raises(errors.TiliaError):
            await tilia.accounts.block(account)
        with pytest.raises(errors.TiliaError):
            await tilia.bulk.block([account])
    assert not sandbox.accounts[account].is_blocked
    assert blocks_sent(sandbox) == []
