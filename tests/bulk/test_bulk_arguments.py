"""Arguments of a job: ids of any kind, bad ones, duplicates, senseless settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import attrs
import pytest
from support.job_reports import Start, UserError, finished, noting, numbers
from support.ledgers import states
from support.scripted import (
    ids,
)

from tilia_async import errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, RecordState


@pytest.mark.asyncio
async def test_an_empty_job_sends_nothing_at_all(start: Start) -> None:
    scripted, tilia = await start()
    for action in (tilia.bulk.block, tilia.bulk.unblock, tilia.bulk.lookup):
        report = await action([])
        assert (report.total, numbers(report), report.failures, report.complete) == (0, {}, (), True)
    assert [item async for item in tilia.bulk.stream_block(())] == []
    assert (scripted.tokens, scripted.arrived) == (0, [])


@pytest.mark.asyncio
async def test_one_account_is_a_job_too(start: Start) -> None:
    scripted, tilia = await start()
    assert numbers(await tilia.bulk.block(iter(["acct_1"]), concurrency=1)) == {"DONE": 1}
    assert scripted.arrived == ["acct_1"]


@pytest.mark.asyncio
async def test_any_iterable_will_do(start: Start) -> None:
    _, tilia = await start()

    async def slowly() -> AsyncIterator[str]:
        for each in ids(20):
            await asyncio.sleep(0)
            yield each

    for accounts in (ids(20), tuple(ids(20)), set(ids(20)), dict.fromkeys(ids(20)), iter(ids(20)), slowly()):
        assert numbers(await tilia.bulk.block(accounts)) == {"DONE": 20}


@attrs.define(eq=False, slots=False)
class Unprintable:
    """No id, and nothing to be shown either."""

    def __repr__(self) -> str:
        raise UserError

    __str__ = __repr__


@pytest.mark.asyncio
async def test_a_bad_id_fails_and_stops_nothing(start: Start) -> None:
    scripted, tilia = await start()
    bad = [
        "",
        "a/b",
        "..",
        "x" * 37,
        " acct_1",
        "acct_\x00",
        "\ud800",
        None,
        7,
        b"acct_1",
        ["acct_1"],
        {},
        Unprintable(),
    ]
    accounts = [each for pair in zip(ids(len(bad)), bad, strict=True) for each in pair]
    report = await tilia.bulk.block(accounts)
    assert numbers(report) == {"DONE": len(bad), "FAILED": len(bad)}
    assert sorted(scripted.arrived) == sorted(ids(len(bad)))
    assert {type(item.error) for item in report.failures} == {errors.InvalidRequestError}
    assert {item.attempts for item in report.failures} == {0}
    assert {type(item.account_id) for item in report.failures} == {str}
    assert not report.complete


@pytest.mark.asyncio
async def test_a_bad_id_fails_with_a_ledger_too(start: Start, ledger: BlockLedger) -> None:
    scripted, tilia = await start(ledger=ledger)
    for _ in range(2):
        report = await tilia.bulk.block(["a/b", "acct_0", "\ud800", None, ["acct_1"]], job_id="wave")
        assert report.counts[BulkOutcome.FAILED] == 4
    assert scripted.arrived == ["acct_0"]
    assert (await states(ledger, "wave"))["acct_0"] is RecordState.CONFIRMED


@pytest.mark.asyncio
async def test_a_text_is_no_list_of_accounts(start: Start) -> None:
    scripted, tilia = await start()
    for text in ("acct_1", b"acct_1"):
        with pytest.raises((TypeError, errors.InvalidRequestError), match="account_ids"):
            await tilia.bulk.block(text)
    for nothing in (None, 7):
        with pytest.raises((TypeError, errors.InvalidRequestError), match="account_ids"):
            await tilia.bulk.block(nothing)
    assert scripted.arrived == []


NONSENSE = (
    ("concurrency", (0, -1, 2.5, True, "8")),
    ("reason", ("", 7)),
    ("actor", ("",)),
    ("review_at", (datetime(2030, 1, 1), "2030-01-01")),  # noqa: DTZ001 - naive on purpose
    ("job_id", ("",)),
    ("options", ({"timeout": 1},)),
    ("on_progress", ("print",)),
)


@pytest.mark.asyncio
async def test_a_setting_that_makes_no_sense_is_refused_before_anything_is_read(
    start: Start, ledger: BlockLedger
) -> None:
    scripted, tilia = await start(ledger=ledger)
    read: list[str] = []
    for name, values in NONSENSE:
        for value in values:
            for job in (tilia.bulk.block, tilia.bulk.stream_block):
                with pytest.raises((errors.InvalidRequestError, errors.ConfigurationError, TypeError), match=name):
                    await finished(job(noting(ids(3), read), **{name: value}))
    assert (read, scripted.arrived) == ([], [])
    assert [record async for record in ledger.records()] == []


@pytest.mark.asyncio
async def test_a_job_id_asks_for_a_ledger(start: Start) -> None:
    scripted, tilia = await start()
    read: list[str] = []
    for job in (tilia.bulk.block, tilia.bulk.unblock, tilia.bulk.stream_block, tilia.bulk.stream_unblock):
        with pytest.raises(errors.ConfigurationError, match="ledger"):
            await finished(job(noting(ids(3), read), job_id="wave"))
    assert (read, scripted.arrived) == ([], [])


@pytest.mark.asyncio
async def test_a_closed_client_says_so(start: Start) -> None:
    scripted, tilia = await start()
    await tilia.aclose()
    with pytest.raises((errors.ClientClosedError, errors.BulkStoppedError)) as caught:
        await tilia.bulk.block(ids(1000))
    assert isinstance(getattr(caught.value, "cause", caught.value), errors.ClientClosedError)
    assert scripted.arrived == []


@pytest.mark.asyncio
async def test_duplicates_do_no_harm(start: Start) -> None:
    scripted, tilia = await start()
    accounts = [*ids(5), *ids(5), *ids(60), *ids(60)]
    report = await tilia.bulk.block(accounts, concurrency=4)
    assert report.counts[BulkOutcome.DONE] + report.counts[BulkOutcome.SKIPPED] == report.total
    assert set(scripted.arrived) == set(ids(60))
    assert report.complete


@pytest.mark.asyncio
async def test_with_a_ledger_a_duplicate_is_skipped_wherever_it_comes(start: Start, ledger: BlockLedger) -> None:
    scripted, tilia = await start(ledger=ledger)
    accounts = ["acct_1", "acct_1", *ids(60), *ids(60), "acct_1"]
    report = await tilia.bulk.block(accounts, concurrency=4, job_id="wave")
    assert sorted(scripted.arrived) == sorted(ids(60))
    assert (report.total, numbers(report)) == (123, {"DONE": 60, "SKIPPED": 63})
    assert await states(ledger, "wave") == dict.fromkeys(ids(60), RecordState.CONFIRMED)
