"""Bulk jobs and the ledger of blocks, through both packages."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from support.both_packages import InThreads, Make, collected
from support.scripted import people

import tilia_async.ledger
import tilia_sync
from tilia_async import errors
from tilia_async.bulk import BulkOutcome, BulkProgress
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.webhooks import WebhookReceiver, parse_event

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def ledger(make: Make, tmp_path: Path) -> AsyncIterator[object]:
    """A ledger of the client's package."""
    url = f"sqlite:///{tmp_path}/blocks.db"
    if isinstance(make(), InThreads):
        opened = tilia_sync.BlockLedger.open(url)
        yield opened
        await asyncio.to_thread(opened.close)
    else:
        async with tilia_async.ledger.BlockLedger.open(url) as opened:
            yield opened


def face(ledger: object) -> object:
    return InThreads(ledger) if isinstance(ledger, tilia_sync.BlockLedger) else ledger


async def records_of(ledger: object, question: str, *args: object, **kwargs: object) -> list:
    asked = getattr(face(ledger), question)(*args, **kwargs)
    return await collected(asked)


async def test_a_wave_is_blocked_reported_and_on_record(make: Make, ledger: object, sandbox: Sandbox) -> None:
    tilia, accounts = make(ledger=ledger), people(sandbox, 30)
    told: list[BulkProgress] = []
    review_at = datetime.now(UTC) + timedelta(days=30)
    report = await tilia.bulk.block(
        [*accounts, "nobody", ""], "fraud", "ops", job_id="wave", review_at=review_at, on_progress=told.append
    )
    assert {outcome: number for outcome, number in report.counts.items() if number} == {
        BulkOutcome.DONE: 30,
        BulkOutcome.NOT_FOUND: 1,
        BulkOutcome.FAILED: 1,
    }
    assert {item.account_id for item in report.failures} == {"nobody", ""}
    assert (report.job_id, told[-1].total) == ("wave", 32)
    again = await tilia.bulk.block(accounts, "fraud", "ops", job_id="wave")
    assert (again.counts[BulkOutcome.SKIPPED], again.complete) == (30, True)
    assert len(await records_of(ledger, "blocked", by_tilia=False)) == 30
    assert len(await records_of(ledger, "due_for_review", review_at + timedelta(seconds=1))) == 30
    assert [record.account_id for record in await records_of(ledger, "pending", "wave")] == [""]
    assert (await tilia.bulk.unblock(accounts[:5], "appeal")).counts[BulkOutcome.DONE] == 5
    assert len(await records_of(ledger, "blocked")) == 25
    history = await face(ledger).history(accounts[0])
    assert [(record.action, record.reason) for record in history] == [("block", "fraud"), ("unblock", "appeal")]


async def test_streams_and_look_ups(make: Make, sandbox: Sandbox) -> None:
    tilia, accounts = make(), people(sandbox, 20)
    items = await collected(tilia.bulk.stream_block(accounts, "fraud", concurrency=4))
    assert {item.account_id for item in items} == set(accounts)
    report = await tilia.bulk.lookup([*accounts, "nobody"])
    assert (report.counts[BulkOutcome.DONE], report.counts[BulkOutcome.NOT_FOUND]) == (20, 1)
    assert all(report.accounts[each].is_blocked for each in accounts)
    lifted = await collected(tilia.bulk.stream_unblock(accounts[:3]))
    assert [item.outcome for item in lifted] == [BulkOutcome.DONE] * 3
    looked = await collected(tilia.bulk.stream_lookup(accounts[:3]))
    assert [item.account.is_blocked for item in looked] == [False] * 3


async def test_a_job_that_stops_says_why_and_what_was_done(make: Make, ledger: object, sandbox: Sandbox) -> None:
    tilia, accounts = make(ledger=ledger), people(sandbox, 40)
    sandbox.faults.add("auth.token", Fault.TOKEN_OUTAGE, times=None)
    with pytest.raises(errors.BulkStoppedError) as stopped:
        await tilia.bulk.block(accounts, "fraud", job_id="wave")
    assert not stopped.value.report.complete
    assert "wave" in str(stopped.value)
    sandbox.faults.clear()
    assert (await tilia.bulk.block(accounts, "fraud", job_id="wave")).counts[BulkOutcome.DONE] == 40


async def test_what_makes_no_sense_is_refused(make: Make, ledger: object) -> None:
    tilia = make()
    with pytest.raises(errors.ConfigurationError, match="ledger"):
        await tilia.bulk.block(["a"], job_id="wave")
    for bad in ({"concurrency": 0}, {"reason": 5}, {"review_at": datetime(2030, 1, 1)}):  # noqa: DTZ001 - naive on purpose
        with pytest.raises(errors.InvalidRequestError, match=next(iter(bad))):
            await tilia.bulk.block(["a"], **bad)
    with pytest.raises(errors.InvalidRequestError, match="account_ids"):
        await tilia.bulk.block("acct_1")
    with pytest.raises(errors.InvalidRequestError, match="colour"):
        await collected_now(ledger, colour="red")


async def collected_now(ledger: object, **wanted: object) -> list:
    return await records_of(ledger, "records", **wanted)


async def test_what_tilia_reports_and_what_is_exported(make: Make, ledger: object, sandbox: Sandbox) -> None:
    tilia, (account,) = make(ledger=ledger), people(sandbox, 1)
    await tilia.accounts.block(account, "=1+1", "ops")
    event = {
        "event_name": "account-block-unblock-webhook",
        "sent_at": "2030-01-02T03:04:05Z",
        "message": {"account_id": account, "is_blocked": True, "blocks": [{"issuer": "tilia", "reason": "kyc"}]},
    }
    for _ in range(2):
        await face(ledger).apply(parse_event(json.dumps(event)))
    by_tilia = await records_of(ledger, "blocked", by_tilia=True)
    assert [(record.issuer, record.reason) for record in by_tilia] == [("tilia", "kyc")]
    table, lines = io.StringIO(newline=""), io.StringIO()
    assert await face(ledger).export(table, "csv") == 2
    assert "'=1+1" in table.getvalue()
    assert await face(ledger).export(lines, "jsonl", account_id=account) == 2
    assert [json.loads(line)["reason"] for line in lines.getvalue().splitlines()] == ["=1+1", "kyc"]


async def test_a_receiver_enters_what_tilia_delivers(ledger: object) -> None:
    body = json.dumps(
        {
            "event_name": "account-block-unblock-webhook",
            "sent_at": "2030-01-02T03:04:05Z",
            "message": {"account_id": "acct_1", "is_blocked": True, "blocks": {"issuer": "tilia", "reason": "kyc"}},
        }
    ).encode()
    if isinstance(ledger, tilia_sync.BlockLedger):
        receiver = tilia_sync.WebhookReceiver(ledger=ledger, path_secret="s3cret-path")
        status = await asyncio.to_thread(receiver.handle, body, path="/tilia/s3cret-path")
    else:
        status = await WebhookReceiver(ledger=ledger, path_secret="s3cret-path").handle(body, path="/tilia/s3cret-path")
    assert status == 204
    (record,) = await records_of(ledger, "blocked", by_tilia=True)
    assert (record.account_id, record.reason, record.source) == ("acct_1", "kyc", "webhook")
