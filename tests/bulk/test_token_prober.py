"""The probes that a job sends, and that each account gets one outcome. A function stands for Tilia: no HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.bulk_parts import Send, job

from tilia_async import errors
from tilia_async.bulk import BulkItem, BulkOutcome, BulkReport
from tilia_async.bulk.ledger_run import LedgerRun
from tilia_async.bulk.run import Run
from tilia_async.bulk.token_probe import ENOUGH_TO_PROBE
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import BlockAction
from tilia_async.models.accounts import Account
from tilia_async.transport.requestor import TokenWatch

pytestmark = pytest.mark.asyncio


async def run(send: Send, ids: list[str], **settings: object) -> tuple[BulkReport, list[BulkItem]]:
    items: list[BulkItem] = []
    async with asyncio.timeout(20):
        report = await Run(job(send, **settings), ids, sink=items.append, keeps_accounts=True).run()
    return report, items


async def test_an_account_whose_own_refusal_it_is_costs_one_probe_of_whom_was_just_served() -> None:
    sent: list[tuple[str, bool]] = []

    async def tilia(account_id: str, watch: TokenWatch) -> None:
        sent.append((account_id, watch.may_renew()))
        watch.generation = 1
        if account_id == "acct_x":
            raise errors.UnauthorizedError

    report, _ = await run(tilia, ["acct_0", "acct_x"], concurrency=1)
    assert sent == [("acct_0", False), ("acct_x", False), ("acct_0", True)]
    assert (report.counts[BulkOutcome.DONE], report.counts[BulkOutcome.REFUSED]) == (1, 1)


async def test_a_token_that_has_lost_its_power_is_renewed_by_the_probe_and_no_account_pays_for_it() -> None:
    async def tilia(_account_id: str, watch: TokenWatch) -> None:
        nonlocal generation
        if watch.may_renew():
            generation = 2
        watch.generation = generation
        if generation == 1:
            raise errors.UnauthorizedError

    generation = 1
    report, _ = await run(tilia, [f"acct_{each}" for each in range(50)], concurrency=16)
    assert report.counts[BulkOutcome.DONE] == 50


async def test_while_a_probe_is_out_nothing_else_is_sent() -> None:
    async def tilia(_account_id: str, watch: TokenWatch) -> None:
        nonlocal probing, renewed
        assert not probing
        if watch.may_renew():
            probing = True
            await asyncio.sleep(0.02)
            probing, renewed = False, True
        watch.generation = 1 + renewed
        if not renewed:
            raise errors.UnauthorizedError

    probing = renewed = False
    report, _ = await run(tilia, [f"acct_{each}" for each in range(50)], concurrency=8)
    assert report.counts[BulkOutcome.DONE] == 50


async def test_an_account_that_is_cleared_while_it_is_probed_gets_one_outcome() -> None:
    """The probe and the verdict of another call used to give it one each, so the job ended too early."""
    probed, answered = asyncio.Event(), asyncio.Event()

    async def tilia(account_id: str, watch: TokenWatch) -> None:
        watch.generation = 1
        if watch.may_renew() and not probed.is_set():
            probed.set()
            await answered.wait()
            raise errors.UnauthorizedError
        if account_id == "acct_served":
            await probed.wait()
            # The verdict on the others is out before their probe has its answer.
            asyncio.get_running_loop().call_later(0.02, answered.set)
        elif not account_id.startswith("acct_served"):
            raise errors.UnauthorizedError

    refused = [f"acct_{each}" for each in range(ENOUGH_TO_PROBE + 1)]
    given = [refused[0], "acct_served", *refused[1:], "acct_served_too"]
    report, items = await run(tilia, given, concurrency=2)
    assert Counter(each.account_id for each in items) == Counter(given)
    assert (report.counts[BulkOutcome.REFUSED], report.counts[BulkOutcome.DONE]) == (len(refused), 2)


async def test_a_looked_up_account_that_was_probed_is_in_the_report() -> None:
    async def tilia(account_id: str, watch: TokenWatch) -> Account:
        if not watch.may_renew():
            raise errors.UnauthorizedError
        return Account(account_id)

    report, _ = await run(tilia, ["acct_1"], action="lookup")
    assert list(report.accounts) == ["acct_1"]


@pytest.mark.parametrize("failing", [errors.ServerError(status=500), errors.RateLimitedError()])
async def test_a_probe_without_an_answer_is_sent_again(failing: errors.TiliaError) -> None:
    async def tilia(account_id: str, watch: TokenWatch) -> None:
        nonlocal probes
        watch.generation = 1
        if watch.may_renew():
            probes += 1
            if probes == 1:
                raise failing
        elif account_id == "acct_x":
            raise errors.UnauthorizedError

    probes = 0
    report, _ = await run(tilia, ["acct_0", "acct_x"], concurrency=1)
    assert probes == 2
    assert (report.counts[BulkOutcome.DONE], report.counts[BulkOutcome.REFUSED]) == (1, 1)


async def test_the_page_of_a_proxy_for_a_probe_does_not_stop_the_job() -> None:
    """A 401 that is no JSON is not Tilia's word about the token."""

    async def tilia(account_id: str, watch: TokenWatch) -> None:
        nonlocal probes
        watch.generation = 1
        if watch.may_renew():
            probes += 1
            if probes == 1:
                page = errors.UnauthorizedError()
                page.structured = False
                raise page
        elif account_id == "acct_x":
            raise errors.UnauthorizedError

    probes = 0
    report, _ = await run(tilia, ["acct_0", "acct_x"], concurrency=1)
    assert (report.counts[BulkOutcome.DONE], report.counts[BulkOutcome.REFUSED]) == (1, 1)


async def test_a_lone_suspect_does_not_keep_the_accounts_after_it_waiting() -> None:
    """While it waits for another account, the next one is sent as soon as it comes."""
    sent: list[str] = []
    lonely = asyncio.Event()

    async def tilia(account_id: str, watch: TokenWatch) -> None:
        sent.append(account_id)
        watch.generation = 1
        if account_id == "acct_x":
            if watch.may_renew():
                lonely.set()
            raise errors.UnauthorizedError

    async def live() -> AsyncIterator[str]:
        yield "acct_x"
        await lonely.wait()
        yield "acct_0"

    items: list[BulkItem] = []
    async with asyncio.timeout(20):
        await Run(job(tilia), live(), sink=items.append).run()
    assert {each.account_id: each.outcome for each in items} == {
        "acct_0": BulkOutcome.DONE,
        "acct_x": BulkOutcome.REFUSED,
    }


async def test_when_neither_token_serves_the_job_stops_and_tells_why() -> None:
    async def tilia(_account_id: str, watch: TokenWatch) -> None:
        watch.generation = 1
        raise errors.UnauthorizedError

    with pytest.raises(errors.BulkStoppedError) as stopped:
        await run(tilia, [f"acct_{each}" for each in range(100)], concurrency=8)
    assert isinstance(stopped.value.cause, errors.UnauthorizedError)
    assert stopped.value.report.counts[BulkOutcome.REFUSED] == 0


async def test_nothing_is_probed_once_another_run_has_the_job(tmp_path: Path) -> None:
    """Another run may have the suspect, and an undoing may have freed the witness."""
    sent: list[tuple[str, bool]] = []

    async def tilia(account_id: str, watch: TokenWatch) -> None:
        sent.append((account_id, watch.may_renew()))
        watch.generation = 1
        if account_id == "acct_x":
            # As after a pause of the process that was longer than the lease.
            record._live_until = float("-inf")
            await (await journal_of(ledger)).end_run(record._run_id)
            raise errors.UnauthorizedError

    async with BlockLedger.open(f"sqlite:///{tmp_path}/blocks.db") as ledger:
        record = LedgerRun(ledger, Intent(BlockAction.BLOCK), "wave-7", "https://accounts.example", 1)
        with pytest.raises(errors.BulkStoppedError, match="another run has the job") as stopped:
            await run(tilia, ["acct_0", "acct_x"], concurrency=1, record=record)
    assert isinstance(stopped.value.cause, errors.LedgerError)
    assert sent == [("acct_0", False), ("acct_x", False)]
