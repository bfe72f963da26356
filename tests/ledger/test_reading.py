"""Answers of a ledger: reviews, records and times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from support.ledgers import QUICKLY_ON_BOTH, accounts_of, changed, ledger, listed, tilia, url
from support.scripted import (
    people,
)

from tilia_async import TiliaClient, errors
from tilia_async.ledger import BlockAction, BlockLedger, BlockRecord, RecordSource, RecordState
from tilia_async.sandbox import Fault, Sandbox

__all__ = ["ledger", "tilia", "url"]


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_the_questions_of_a_review_have_answers(
    tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger
) -> None:
    ours, lifted, both, theirs, unknown, elsewhere = people(sandbox, 6)
    soon, late = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    await tilia.accounts.block(ours, reason="fraud", actor="ann", review_at=late)
    await tilia.accounts.block(ours, reason="fraud again", actor="bob")
    await tilia.bulk.block([lifted, both], reason="wave", actor="bob", job_id="wave", review_at=soon)
    sandbox.block_as_tilia(theirs)
    for account in (both, theirs):
        await ledger.apply(changed(account))
    with pytest.raises(errors.ForbiddenError):
        await tilia.accounts.unblock(theirs, reason="appeal", actor="ann")
    await tilia.accounts.unblock(lifted, reason="appeal", actor="ann")
    await ledger.apply(changed(elsewhere, issuers=("publisher",)))
    sandbox.faults.add("accounts.block", Fault.DROP_AFTER_COMMIT)
    with pytest.raises(errors.OutcomeUnknownError):
        await tilia.accounts.block(unknown, actor="ann")

    by_us = {record.account_id: record async for record in ledger.blocked(by_tilia=False)}
    assert by_us.keys() - {unknown} == {ours, both, elsewhere}
    # Since when, by whom and why: the block that is in force, not a repetition of it.
    assert (by_us[ours].actor, by_us[ours].reason, by_us[ours].review_at) == ("ann", "fraud", late)
    assert (by_us[both].actor, by_us[both].source) == ("bob", RecordSource.BULK)
    assert by_us[elsewhere].source is RecordSource.WEBHOOK
    assert sorted(await accounts_of(ledger.blocked(by_tilia=True))) == sorted([both, theirs])
    assert sorted(await accounts_of(ledger.blocked(issuer="tilia"))) == sorted([both, theirs])
    assert await accounts_of(ledger.blocked(issuer="nobody")) == []
    everyone = await accounts_of(ledger.blocked())
    assert sorted(each for each in everyone if each != unknown) == sorted([ours, both, both, theirs, elsewhere])
    assert await accounts_of(ledger.records(state=RecordState.UNKNOWN)) == [unknown]

    assert await accounts_of(ledger.due_for_review(soon)) == []
    assert await accounts_of(ledger.due_for_review(soon + timedelta(microseconds=1))) == [both]
    assert sorted(await accounts_of(ledger.due_for_review(datetime(2032, 1, 1, tzinfo=UTC)))) == sorted([ours, both])

    everything = await listed(ledger.records())
    times = [record.requested_at for record in everything]
    assert times == sorted(times)
    between = times[3] + (times[4] - times[3]) / 2
    assert times[3] < between < times[4]
    filters: dict[str, tuple[object, Callable[[BlockRecord], bool]]] = {
        "job_id": ("wave", lambda record: record.job_id == "wave"),
        "account_id": (ours, lambda record: record.account_id == ours),
        "action": (BlockAction.UNBLOCK, lambda record: record.action is BlockAction.UNBLOCK),
        "state": (RecordState.REFUSED, lambda record: record.state is RecordState.REFUSED),
        "actor": ("ann", lambda record: record.actor == "ann"),
        "source": (RecordSource.WEBHOOK, lambda record: record.source is RecordSource.WEBHOOK),
        "issuer": ("tilia", lambda record: record.issuer == "tilia"),
        "since": (between, lambda record: record.requested_at > between),
        "until": (between, lambda record: record.requested_at < between),
    }
    for name, (value, fits) in filters.items():
        found = await listed(ledger.records(**{name: value}))
        assert found == [record for record in everything if fits(record)], name
        assert 0 < len(found) < len(everything), name
    assert await listed(ledger.records(actor="ann", action=BlockAction.BLOCK, account_id=ours)) == [
        record for record in everything if record.reason == "fraud"
    ]


@pytest.mark.asyncio
async def test_a_naive_time_is_refused(ledger: BlockLedger) -> None:
    naive = datetime(2030, 1, 1)  # noqa: DTZ001 - on purpose
    for records in (
        lambda: ledger.due_for_review(naive),
        lambda: ledger.records(since=naive),
        lambda: ledger.records(until=naive),
    ):
        with pytest.raises((errors.InvalidRequestError, errors.ConfigurationError)):
            await listed(records())


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_who_reads_may_write_meanwhile_and_may_break_off(
    tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger
) -> None:
    accounts = people(sandbox, 20)
    await tilia.bulk.block(accounts[:10], job_id="wave")
    async with asyncio.timeout(20):
        number = 10
        async for record in ledger.records(job_id="wave"):
            assert record.state is RecordState.CONFIRMED
            await tilia.accounts.block(accounts[number], reason="while reading")
            assert len(await ledger.history(accounts[number])) == 1
            number += 1
        assert number == 20
        for _ in range(40):
            async for _ in ledger.records():
                break
        assert len(await listed(ledger.records())) == 20
