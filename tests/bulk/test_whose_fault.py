"""Blame for a failure: an account's, the token's, a proxy's, or the caller's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from support.scripted import DONE, ONCE, Reply, ScriptedTilia, failing, ids

from tilia_async import RequestOptions, RetryPolicy, TiliaClient, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache

pytestmark = pytest.mark.asyncio

Start = Callable[..., Awaitable[tuple[ScriptedTilia, TiliaClient]]]


async def served_but_for_x(_tilia: ScriptedTilia, account_id: str) -> Reply:
    return failing(401) if account_id == "acct_x" else DONE


@pytest.mark.parametrize("page", [b"<html>nginx</html>", b""])
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_the_page_of_a_proxy_is_the_last_word_on_no_account(
    start: Start, ledger: BlockLedger, status: int, page: bytes
) -> None:
    healthy = False

    async def proxy(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return DONE if healthy else Reply(status, page)

    _, tilia = await start(proxy, ledger=ledger)
    with pytest.raises(errors.BulkStoppedError) as stopped:
        await tilia.bulk.block(ids(60), job_id="wave", concurrency=8)
    assert not stopped.value.report.complete
    assert stopped.value.report.counts[BulkOutcome.NOT_FOUND] == stopped.value.report.counts[BulkOutcome.REFUSED] == 0
    healthy = True
    report = await tilia.bulk.block(ids(60), job_id="wave", concurrency=8)
    assert (report.counts[BulkOutcome.DONE], report.complete) == (60, True)


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_a_refused_account_that_is_given_often_is_refused_as_often(
    start: Start, ledger: BlockLedger, concurrency: int
) -> None:
    scripted, tilia = await start(served_but_for_x, ledger=ledger)
    async with asyncio.timeout(20):
        report = await tilia.bulk.block(["acct_x"] * 30 + ids(5), job_id="wave", concurrency=concurrency)
    assert (report.counts[BulkOutcome.REFUSED], report.counts[BulkOutcome.DONE]) == (30, 5)
    assert scripted.arrived.count("acct_x") <= 3
    assert scripted.tokens <= 2


async def test_a_live_source_gets_the_verdict_before_it_gives_the_next_id(start: Start) -> None:
    _, tilia = await start(served_but_for_x)
    verdict = asyncio.Event()

    async def live() -> AsyncIterator[str]:
        yield "acct_0"
        yield "acct_x"
        await verdict.wait()
        yield "acct_1"

    outcomes = {}
    async with asyncio.timeout(10):
        async for item in tilia.bulk.stream_block(live(), concurrency=4):
            outcomes[item.account_id] = item.outcome
            if item.account_id == "acct_x":
                verdict.set()
    assert outcomes == {"acct_0": BulkOutcome.DONE, "acct_x": BulkOutcome.REFUSED, "acct_1": BulkOutcome.DONE}


async def test_one_account_that_always_has_to_wait_is_given_up_alone(start: Start) -> None:
    async def poisoned(_tilia: ScriptedTilia, account_id: str) -> Reply:
        return failing(503) if account_id == "acct_3" else DONE

    scripted, tilia = await start(poisoned, retry=RetryPolicy(attempts=3, initial=0.001, maximum=0.002))
    async with asyncio.timeout(20):
        report = await tilia.bulk.block(ids(100), concurrency=8)
    assert (report.counts[BulkOutcome.DONE], report.counts[BulkOutcome.UNKNOWN]) == (99, 1)
    assert scripted.arrived.count("acct_3") <= 6


async def test_a_generator_that_a_stopped_job_leaves_is_closed(start: Start) -> None:
    closed = []

    async def source() -> AsyncIterator[str]:
        try:
            for each in ids(1000):
                yield each
        finally:
            closed.append(True)

    async def nobody(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401)

    _, tilia = await start(nobody, retry=ONCE)
    with pytest.raises(errors.BulkStoppedError):
        await tilia.bulk.block(source(), concurrency=4)
    assert closed == [True]


@pytest.mark.parametrize("attempts", [1, 2])
async def test_the_retry_of_the_options_is_that_of_each_account(attempts: int) -> None:
    patient, given = RetryPolicy(attempts=3, initial=0), RetryPolicy(attempts=attempts, initial=0)
    async with (
        Sandbox() as sandbox,
        TiliaClient(
            sandbox.client_id, sandbox.client_secret, sandbox.environment, retry=patient, token_cache=TokenCache()
        ) as tilia,
    ):
        account = await tilia.accounts.register("nyx", email="nyx@mail.example")
        sandbox.faults.add("accounts.block", Fault.SERVER_ERROR_EMPTY, None)
        report = await tilia.bulk.block([account.account_id], options=RequestOptions(retry=given))
        assert report.counts[BulkOutcome.UNKNOWN] == 1
        assert [request.operation for request in sandbox.requests].count("accounts.block") == attempts
