"""Causes that stop a job, and what settles then."""

from __future__ import annotations

import asyncio

import pytest
from support.canaries import places, search
from support.job_reports import SMALL_MULTIPLE, Source, Start, finished, numbers, stopped
from support.ledgers import states
from support.scripted import (
    DONE,
    DROPPED,
    Reply,
    ScriptedTilia,
    blocks_sent,
    client_of,
    failing,
    ids,
    never,
    people,
    sandbox_client,
)

from tilia_async import Scope, TiliaClient, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.sandbox import Sandbox


@pytest.mark.asyncio
async def test_credentials_that_do_not_reach_stop_the_job_at_once(start: Start) -> None:
    async def refuses(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401)

    scripted, tilia = await start(refuses)
    source = Source()
    with pytest.raises(errors.BulkStoppedError) as caught:
        await tilia.bulk.block(source.plain(), concurrency=50)
    error = stopped(caught)
    assert isinstance(error.cause, errors.UnauthorizedError)
    assert scripted.tokens <= 2
    assert len(scripted.arrived) <= 200
    assert source.taken <= 50 * SMALL_MULTIPLE


@pytest.mark.asyncio
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_scope_that_is_not_granted_stops_the_job_before_any_request(streamed: bool) -> None:
    async with Sandbox(scopes=[Scope.BLOCK_ACCOUNTS]) as sandbox, sandbox_client(sandbox) as tilia:
        with pytest.raises(errors.BulkStoppedError) as caught:
            await finished(tilia.bulk.stream_unblock(ids(500)) if streamed else tilia.bulk.unblock(ids(500)))
        assert isinstance(stopped(caught).cause, errors.TokenError | errors.MissingScopeError)
        assert blocks_sent(sandbox, "accounts.unblock") == []
        assert len(sandbox.requests) <= 2
        search([sandbox.client_secret], places(caught.value))


@pytest.mark.asyncio
async def test_fifty_accounts_that_answer_401_among_others_are_refused_and_make_at_most_two_token_requests(
    start: Start,
) -> None:
    async def minds_the_account(_tilia: ScriptedTilia, account_id: str) -> Reply:
        return failing(401) if account_id.endswith(("1", "6")) else DONE

    scripted, tilia = await start(minds_the_account)
    report = await tilia.bulk.block(ids(250), concurrency=16)
    assert numbers(report) == {"DONE": 200, "REFUSED": 50}
    assert all(isinstance(item.error, errors.UnauthorizedError) for item in report.failures)
    assert report.complete
    assert scripted.tokens <= 2


@pytest.mark.asyncio
async def test_an_account_of_its_own_mind_does_not_stop_the_job_by_coming_first(start: Start) -> None:
    """Else the same job, run again, would stop there for ever."""

    async def minds_the_account(_tilia: ScriptedTilia, account_id: str) -> Reply:
        return failing(401) if account_id == "acct_0" else DONE

    _, tilia = await start(minds_the_account)
    report = await tilia.bulk.block(ids(20), concurrency=1)
    assert numbers(report) == {"DONE": 19, "REFUSED": 1}


@pytest.mark.asyncio
async def test_accounts_that_are_all_forbidden_are_all_refused(sandbox: Sandbox) -> None:
    """Each for itself: Tilia has blocked them all, and lifts none of its blocks."""
    accounts = people(sandbox, 60)
    for each in accounts:
        sandbox.block_as_tilia(each)
    async with sandbox_client(sandbox) as tilia:
        report = await tilia.bulk.unblock(accounts, concurrency=16)
    assert (numbers(report), report.complete) == ({"REFUSED": 60}, True)


@pytest.mark.asyncio
async def test_accounts_that_are_all_unknown_to_tilia_stop_nothing(sandbox: Sandbox) -> None:
    async with sandbox_client(sandbox) as tilia:
        report = await tilia.bulk.block(ids(60), concurrency=16)
    assert (numbers(report), report.complete) == ({"NOT_FOUND": 60}, True)


@pytest.mark.asyncio
async def test_a_server_that_never_answers_stops_the_job(start: Start, ledger: BlockLedger) -> None:
    async def drops(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return DROPPED

    scripted, tilia = await start(drops, ledger=ledger)
    source = Source()
    with pytest.raises(errors.BulkStoppedError) as caught:
        await tilia.bulk.block(source.plain(), concurrency=16, job_id="wave")
    error = stopped(caught, "wave")
    assert isinstance(error.cause, errors.TransportError)
    assert numbers(error.report).keys() == {"UNKNOWN"}
    assert len(scripted.arrived) < 1_000
    kept = await states(ledger, "wave")
    assert {kept[each] for each in scripted.arrived} == {RecordState.UNKNOWN}


@pytest.mark.asyncio
async def test_a_server_that_hangs_stops_the_job_too(start: Start) -> None:
    scripted, tilia = await start(timeout=0.2)
    await tilia.bulk.block(ids(16), concurrency=16)
    scripted.answer = never
    with pytest.raises(errors.BulkStoppedError) as caught:
        await tilia.bulk.block(Source().plain(), concurrency=16)
    found = numbers(stopped(caught).report)
    assert found.keys() <= {"UNKNOWN", "FAILED"}
    assert found["UNKNOWN"] > found.get("FAILED", 0), "what was sent may have happened"


@pytest.mark.asyncio
async def test_where_nobody_listens_nothing_is_unknown(start: Start, unused_tcp_port: int) -> None:
    async with client_of(f"http://127.0.0.1:{unused_tcp_port}/{{service}}") as tilia:
        with pytest.raises(errors.BulkStoppedError) as caught:
            await tilia.bulk.block(Source().plain(), concurrency=8)
    error = stopped(caught)
    assert isinstance(error.cause, errors.TransportError)
    assert "UNKNOWN" not in numbers(error.report)
    assert "DONE" not in numbers(error.report)


@pytest.mark.asyncio
async def test_what_is_in_flight_when_a_job_stops_is_settled(start: Start, ledger: BlockLedger) -> None:
    """The credentials are withdrawn while others are being answered: those come to what they come to."""

    async def withdrawn(scripted: ScriptedTilia, account_id: str) -> Reply:
        if len(scripted.arrived) > 40:
            return failing(401)
        if len(scripted.arrived) > 30:
            await asyncio.sleep(0.15)
        return DONE

    scripted, tilia = await start(withdrawn, ledger=ledger)
    with pytest.raises(errors.BulkStoppedError) as caught:
        await tilia.bulk.block(Source().plain(), concurrency=8, job_id="wave")
    report = stopped(caught, "wave").report
    good = set(scripted.arrived[:40])
    assert report.counts[BulkOutcome.DONE] == 40
    kept = await states(ledger, "wave")
    assert {kept[each] for each in good} == {RecordState.CONFIRMED}
    assert set(scripted.arrived) <= kept.keys()


@pytest.mark.asyncio
async def test_after_a_stop_the_same_job_goes_on(start: Start, ledger: BlockLedger) -> None:
    broken = True

    async def out_of_order(scripted: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401) if broken and len(scripted.arrived) > 20 else DONE

    scripted, tilia = await start(out_of_order, ledger=ledger)
    with pytest.raises(errors.BulkStoppedError):
        await tilia.bulk.block(ids(100), concurrency=4, job_id="wave")
    broken = False
    first = scripted.arrived[:20]
    scripted.arrived.clear()
    async with client_of(tilia_template(tilia), ledger=ledger) as again:
        async with asyncio.timeout(10):
            report = await again.bulk.block(ids(100), concurrency=4, job_id="wave")
    assert (report.total, report.counts[BulkOutcome.SKIPPED]) == (100, 20)
    assert not set(first) & set(scripted.arrived)
    assert await states(ledger, "wave") == dict.fromkeys(ids(100), RecordState.CONFIRMED), "a job's 401 is no account's"


@pytest.mark.asyncio
@pytest.mark.parametrize("left", [1, 3])
async def test_credentials_that_are_withdrawn_near_the_end_lose_no_account(
    start: Start, ledger: BlockLedger, left: int
) -> None:
    """However few are left: nobody has said that these may not be blocked."""
    withdrawn = True

    async def until_then(scripted: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401) if withdrawn and len(scripted.arrived) > 40 else DONE

    scripted, tilia = await start(until_then, ledger=ledger)
    try:
        report = await tilia.bulk.block(ids(40 + left), concurrency=4, job_id="wave")
    except errors.BulkStoppedError as error:
        report = error.report
    withdrawn = False
    missing = set(ids(40 + left)) - set(scripted.arrived[:40])
    assert not report.complete, "they are still to be blocked"
    assert {record.account_id async for record in ledger.pending("wave")} == missing
    async with client_of(tilia_template(tilia), ledger=ledger) as again:
        assert (await again.bulk.block(ids(40 + left), concurrency=4, job_id="wave")).complete
    assert await states(ledger, "wave") == dict.fromkeys(ids(40 + left), RecordState.CONFIRMED)


def tilia_template(tilia: TiliaClient) -> str:
    return str(tilia._requestor.environment.template)
