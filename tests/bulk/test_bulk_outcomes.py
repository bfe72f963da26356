"""Outcomes, counts and report of a job."""

from __future__ import annotations

import pickle

import attrs
import pytest
from support.job_reports import PATIENT, Start, numbers
from support.scripted import (
    DONE,
    DROPPED,
    Reply,
    ScriptedTilia,
    blocks_sent,
    failing,
    ids,
    people,
    sandbox_client,
)

from tilia_async import RequestOptions, errors
from tilia_async.api import OPERATIONS
from tilia_async.bulk import BulkOutcome
from tilia_async.sandbox import Sandbox


@pytest.mark.asyncio
async def test_each_account_is_blocked_once_and_the_report_says_so(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 60)
    async with sandbox_client(sandbox) as tilia:
        report = await tilia.bulk.block(accounts, reason="ban wave 7", actor="ops@acme.example", concurrency=16)
    assert (report.action, report.total, numbers(report)) == ("block", 60, {"DONE": 60})
    assert report.counts.keys() == set(BulkOutcome)
    assert (report.failures, report.complete) == ((), True)
    assert 0 < report.elapsed < 60
    assert report.job_id
    assert sorted(blocks_sent(sandbox)) == sorted(accounts)
    assert all(sandbox.accounts[each].is_blocked for each in accounts)


@pytest.mark.asyncio
async def test_jobs_that_are_not_named_have_names_of_their_own(start: Start) -> None:
    _, tilia = await start()
    assert len({(await tilia.bulk.block(ids(1))).job_id for _ in range(3)}) == 3


@pytest.mark.asyncio
async def test_unblocking_tells_what_tilia_keeps_blocked_and_who_is_not_there(sandbox: Sandbox) -> None:
    ours, theirs = people(sandbox, 2)
    sandbox.block_as_tilia(theirs)
    async with sandbox_client(sandbox) as tilia:
        await tilia.bulk.block([ours])
        report = await tilia.bulk.unblock([ours, theirs, "acct_nobody"], reason="appeal", actor="ops")
    assert (report.action, report.total) == ("unblock", 3)
    assert numbers(report) == {"DONE": 1, "REFUSED": 1, "NOT_FOUND": 1}
    failures = {item.account_id: item for item in report.failures}
    assert failures.keys() == {theirs, "acct_nobody"}
    assert isinstance(failures[theirs].error, errors.ForbiddenError)
    assert isinstance(failures["acct_nobody"].error, errors.NotFoundError)
    assert report.complete, "another run would find nothing to do"
    assert (sandbox.accounts[ours].is_blocked, sandbox.accounts[theirs].is_blocked) == (False, True)


@pytest.mark.asyncio
async def test_looking_up_brings_the_accounts_that_there_are(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 5)
    async with sandbox_client(sandbox) as tilia:
        report = await tilia.bulk.lookup([*accounts, "acct_nobody"])
        items = [item async for item in tilia.bulk.stream_lookup([*accounts, "acct_nobody"])]
    assert (report.action, report.total, numbers(report)) == ("lookup", 6, {"DONE": 5, "NOT_FOUND": 1})
    assert {each: account.username for each, account in report.accounts.items()} == {
        each: sandbox.accounts[each].username for each in accounts
    }
    found = {item.account_id: item.account for item in items}
    assert found.pop("acct_nobody") is None
    assert {each: account.account_id for each, account in found.items()} == {each: each for each in accounts}


@pytest.mark.asyncio
async def test_an_attempt_that_failed_is_repeated_and_counted(start: Start) -> None:
    async def once_more(tilia: ScriptedTilia, account_id: str) -> Reply:
        again = account_id == "acct_3" and tilia.arrived.count(account_id) == 1
        return failing(500) if again else DONE

    _, tilia = await start(once_more, retry=PATIENT)
    items = [item async for item in tilia.bulk.stream_block(ids(6))]
    assert {item.account_id: item.attempts for item in items} == {**dict.fromkeys(ids(6), 1), "acct_3": 2}
    assert {item.outcome for item in items} == {BulkOutcome.DONE}
    assert {item.error for item in items} == {None}


@pytest.mark.asyncio
async def test_a_lost_answer_is_unknown_and_not_failed(start: Start) -> None:
    async def loses(_: ScriptedTilia, account_id: str) -> Reply:
        return DROPPED if account_id.endswith("7") else DONE

    _, tilia = await start(loses)
    report = await tilia.bulk.block(ids(60), concurrency=4)
    assert numbers(report) == {"DONE": 54, "UNKNOWN": 6}
    assert {type(item.error) for item in report.failures} == {errors.OutcomeUnknownError}
    assert not report.complete


@pytest.mark.asyncio
async def test_the_options_are_those_of_each_call(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 3)
    async with sandbox_client(sandbox) as tilia:
        await tilia.bulk.block(accounts, options=RequestOptions(headers={"X-Wave": "7"}))
    sent = [each for each in sandbox.requests if each.operation == "accounts.block"]
    assert [each.headers.get("X-Wave") for each in sent] == ["7"] * 3


@pytest.mark.asyncio
async def test_a_corrected_declaration_is_used_by_jobs_too(sandbox: Sandbox) -> None:
    (account,) = people(sandbox, 1)
    corrected = attrs.evolve(OPERATIONS["accounts.block"], path="/v1/user-info/{account_id}/block")
    async with sandbox_client(sandbox, operations={"accounts.block": corrected}) as tilia:
        assert numbers(await tilia.bulk.block([account])) == {"DONE": 1}
    assert sandbox.requests[-1].path == f"/v1/user-info/{account}/block"


@pytest.mark.asyncio
async def test_a_thousand_failures_are_kept_and_all_are_counted(start: Start) -> None:
    _, tilia = await start()
    report = await tilia.bulk.block(["a/b"] * 1_500)
    assert (report.total, numbers(report), len(report.failures)) == (1_500, {"FAILED": 1_500}, 1_000)


@pytest.mark.asyncio
async def test_reports_and_items_can_be_pickled(start: Start) -> None:
    _, tilia = await start()
    report = await tilia.bulk.block(["acct_1", "a/b"])
    again = pickle.loads(pickle.dumps(report))
    assert (again.total, numbers(again), again.job_id) == (report.total, numbers(report), report.job_id)
    assert again.failures[0].account_id == "a/b"
    assert str(again.failures[0].error) == str(report.failures[0].error)
