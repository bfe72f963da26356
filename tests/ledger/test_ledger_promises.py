"""What users are promised of ``BlockLedger``: from the design alone, over SQLite and over PostgreSQL."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import random
import re
import resource
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import asyncpg
import orjson
import pytest
import pytest_asyncio
from support.canaries import places, search
from support.hostile import hostile_server
from support.postgres import every_text, new_database, terminate_connections, unreachable
from support.scripted import (
    DONE,
    ONCE,
    Reply,
    ScriptedTilia,
    blocks_sent,
    client_of,
    ids,
    people,
    sandbox_client,
    until,
)

from tilia_async import RequestOptions, TiliaClient, errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockAction, BlockLedger, BlockRecord, RecordSource, RecordState
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.webhooks import AccountBlockChanged, parse_event

SETTLED = {RecordState.CONFIRMED, RecordState.NOT_FOUND, RecordState.REFUSED}


QUICKLY_ON_BOTH = pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
"""For what depends on the database; the rest is proved over PostgreSQL by night."""


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.nightly)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/blocks.db"
        return
    async with new_database() as database:
        yield database


@pytest_asyncio.fixture
async def ledger(url: str) -> AsyncIterator[BlockLedger]:
    # A short lease: what a test leaves behind is soon free.
    async with BlockLedger.open(url, lease=1.0) as opened:
        yield opened


@pytest_asyncio.fixture
async def tilia(sandbox: Sandbox, ledger: BlockLedger) -> AsyncIterator[TiliaClient]:
    async with sandbox_client(sandbox, ledger=ledger, retry=ONCE) as client:
        yield client


async def listed(records: AsyncIterator[BlockRecord]) -> list[BlockRecord]:
    return [record async for record in records]


async def accounts_of(records: AsyncIterator[BlockRecord]) -> list[str]:
    return [record.account_id async for record in records]


async def states(ledger: BlockLedger, job_id: str = "wave") -> dict[str, RecordState]:
    """The state of each account; fails where one has two records."""
    found: dict[str, RecordState] = {}
    async for record in ledger.records(job_id=job_id):
        assert record.account_id not in found, "an account has two records in one job"
        found[record.account_id] = record.state
    return found


def changed(
    account_id: str | None,
    *,
    blocked: bool | None = True,
    issuers: tuple[str, ...] = ("tilia",),
    block: int = 1,
    sent_at: datetime | None = None,
) -> AccountBlockChanged:
    """A notification, as Tilia sends it."""
    blocks = [
        {
            "account_id": account_id,
            "block_id": f"blk_{issuer}{block}",
            "capability": "login",
            "issuer": issuer,
            "reason": "account_close",
        }
        for issuer in issuers
    ]
    message = {"account_id": account_id, "blocks": blocks[0] if len(blocks) == 1 else blocks, "is_blocked": blocked}
    envelope = {
        "event_name": "account-block-unblock-webhook",
        "bucket_key": "staging",
        "sent_at": (sent_at or datetime.now(UTC)).isoformat(),
        "message": message,
    }
    event = parse_event(orjson.dumps(envelope))
    assert isinstance(event, AccountBlockChanged)
    return event


# --- One call, one record ---------------------------------------------------------------------------------------------


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


# --- A job that goes on -----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_same_job_run_again_sends_nothing(tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger) -> None:
    accounts = people(sandbox, 30)
    first = await tilia.bulk.block(accounts, reason="wave", actor="ops", job_id="wave")
    assert (first.job_id, first.counts[BulkOutcome.DONE]) == ("wave", 30)
    before = await listed(ledger.records(job_id="wave"))
    sandbox.requests.clear()
    again = await tilia.bulk.block(accounts, job_id="wave")
    assert (again.total, again.counts[BulkOutcome.SKIPPED], again.failures, again.complete) == (30, 30, (), True)
    assert sandbox.requests == [], "not even for a token"
    assert await listed(ledger.records(job_id="wave")) == before, "who did it, and why, stays as it was"
    assert {(record.source, record.job_id, record.actor, record.reason) for record in before} == {
        (RecordSource.BULK, "wave", "ops", "wave")
    }
    other = await tilia.bulk.block(accounts[:5], job_id="another wave")
    lifted = await tilia.bulk.unblock(accounts[:5], job_id="appeals")
    assert (other.counts[BulkOutcome.DONE], lifted.counts[BulkOutcome.DONE]) == (5, 5)
    unnamed = await tilia.bulk.block(accounts[:5])
    assert sorted(await accounts_of(ledger.records(job_id=unnamed.job_id))) == sorted(accounts[:5])


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_what_was_unknown_or_failed_is_done_by_the_next_run(
    tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger
) -> None:
    accounts = people(sandbox, 24)
    for fault in (Fault.DROP_AFTER_COMMIT, Fault.DROP_BEFORE_COMMIT, Fault.SERVER_ERROR_EMPTY, Fault.RATE_LIMITED):
        sandbox.faults.add("accounts.block", fault, times=2, retry_after=0)
    first = await tilia.bulk.block([*accounts, "acct_nobody"], job_id="wave", concurrency=2)
    unknown = await accounts_of(ledger.records(job_id="wave", state=RecordState.UNKNOWN))
    failed = await accounts_of(ledger.records(job_id="wave", state=RecordState.FAILED))
    assert first.counts[BulkOutcome.UNKNOWN] == len(unknown) == 6
    assert first.counts[BulkOutcome.FAILED] == len(failed)
    assert sorted(await accounts_of(ledger.pending("wave"))) == sorted(unknown + failed)
    assert await accounts_of(ledger.pending("another")) == []
    sandbox.requests.clear()
    again = await tilia.bulk.block([*accounts, "acct_nobody"], job_id="wave")
    assert again.counts[BulkOutcome.DONE] == len(unknown + failed)
    assert again.counts[BulkOutcome.SKIPPED] >= 24 - len(unknown + failed)
    assert again.complete
    assert set(unknown + failed) <= set(blocks_sent(sandbox)) <= {*unknown, *failed, "acct_nobody"}
    assert await states(ledger) == {
        **dict.fromkeys(accounts, RecordState.CONFIRMED),
        "acct_nobody": RecordState.NOT_FOUND,
    }
    assert await accounts_of(ledger.pending("wave")) == []


SEEDS = [pytest.param(number, marks=[pytest.mark.nightly] if number else []) for number in range(12)]


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_job_cancelled_at_any_moment_loses_no_account_and_repeats_none_that_is_confirmed(
    ledger: BlockLedger, seed: int
) -> None:
    chance = random.Random(seed)
    accounts = ids(60)

    async def takes_its_time(_tilia: ScriptedTilia, account_id: str) -> Reply:
        await asyncio.sleep(chance.random() * 0.01)
        return DONE

    scripted = ScriptedTilia(takes_its_time)
    confirmed: set[str] = set()
    async with hostile_server(scripted.serve) as server:
        for turn in range(12):
            scripted.arrived.clear()
            async with client_of(server.template, ledger=ledger) as tilia:
                job = asyncio.create_task(tilia.bulk.block(accounts, job_id="wave", concurrency=6))
                if turn < 11:
                    await asyncio.wait([job], timeout=chance.random() * 0.06)
                    job.cancel()
                async with asyncio.timeout(15):
                    await asyncio.wait([job])
            assert not confirmed & set(scripted.arrived), "what is confirmed is not sent again"
            kept = await states(ledger)
            assert set(scripted.arrived) <= kept.keys()
            confirmed = {account for account, state in kept.items() if state is RecordState.CONFIRMED}
    assert job.result().complete
    assert confirmed == set(accounts)


# --- Several at once --------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "shared",
    [pytest.param(True, id="one ledger", marks=pytest.mark.nightly), pytest.param(False, id="a ledger each")],
)
@QUICKLY_ON_BOTH
async def test_two_clients_that_share_a_job_block_each_account_once(sandbox: Sandbox, url: str, shared: bool) -> None:
    accounts = people(sandbox, 60)
    sandbox.faults.add("accounts.block", Fault.LATENCY, times=3, seconds=0.3)
    async with BlockLedger.open(url) as first, AsyncExitStack() as stack:
        second = first if shared else await stack.enter_async_context(BlockLedger.open(url))
        clients = [await stack.enter_async_context(sandbox_client(sandbox, ledger=each)) for each in (first, second)]
        backwards = accounts[::-1]
        async with asyncio.timeout(15):
            reports = await asyncio.gather(
                *(
                    client.bulk.block(each, job_id="wave", concurrency=5)
                    for client, each in zip(clients, (accounts, backwards), strict=True)
                )
            )
        times = Counter(blocks_sent(sandbox))
        assert times == dict.fromkeys(accounts, 1)
        assert sum(report.counts[BulkOutcome.DONE] for report in reports) == 60
        assert sum(report.counts[BulkOutcome.SKIPPED] for report in reports) == 60
        assert all(report.complete for report in reports)
        assert await states(first) == dict.fromkeys(accounts, RecordState.CONFIRMED)


@pytest.mark.asyncio
async def test_two_jobs_over_one_ledger_do_not_mix(tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger) -> None:
    accounts = people(sandbox, 40)
    reports = await asyncio.gather(
        tilia.bulk.block(accounts[:30], job_id="a", reason="of a"),
        tilia.bulk.block(accounts[10:], job_id="b", reason="of b"),
    )
    assert [report.counts[BulkOutcome.DONE] for report in reports] == [30, 30]
    for job_id, mine in (("a", accounts[:30]), ("b", accounts[10:])):
        assert await states(ledger, job_id) == dict.fromkeys(mine, RecordState.CONFIRMED)
        assert {record.reason for record in await listed(ledger.records(job_id=job_id))} == {f"of {job_id}"}


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_several_may_open_a_new_ledger_at_once(url: str) -> None:
    async def opens() -> list[BlockRecord]:
        async with BlockLedger.open(url) as ledger:
            return await ledger.history("acct_1")

    async with asyncio.timeout(20):
        assert await asyncio.gather(*(opens() for _ in range(6))) == [[]] * 6


def process_settings(sandbox: Sandbox, url: str, accounts: list[str], **more: object) -> dict[str, str]:
    settings = {
        "ledger": url,
        "lease": 1.0,
        "concurrency": 4,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "environment": f"http://127.0.0.1:{sandbox.port}/{{service}}",
        "accounts": accounts,
        **more,
    }
    return {**os.environ, "JOB": json.dumps(settings)}


async def job_process(environment: dict[str, str]) -> asyncio.subprocess.Process:
    script = Path(__file__).parents[1] / "support" / "job_process.py"
    return await asyncio.create_subprocess_exec(
        sys.executable, str(script), env=environment, stdout=asyncio.subprocess.PIPE
    )


@pytest.mark.nightly
@pytest.mark.asyncio
async def test_a_job_whose_process_is_killed_is_taken_up_where_it_was(sandbox: Sandbox, url: str) -> None:
    accounts = people(sandbox, 80)
    sandbox.faults.add("accounts.block", Fault.LATENCY, times=None, seconds=0.02)
    process = await job_process(process_settings(sandbox, url, accounts))
    await until(lambda: len(blocks_sent(sandbox)) >= 30, seconds=20)
    process.kill()
    await process.communicate()
    await asyncio.sleep(0.1)
    first = blocks_sent(sandbox)
    async with BlockLedger.open(url, lease=1.0) as ledger:
        kept = await states(ledger)
        assert set(first) <= kept.keys(), "a request without a record"
        confirmed = {account for account, state in kept.items() if state is RecordState.CONFIRMED}
        assert confirmed
        sandbox.requests.clear()
        async with sandbox_client(sandbox, ledger=ledger) as tilia, asyncio.timeout(20):
            report = await tilia.bulk.block(accounts, job_id="wave", concurrency=4)
        assert (report.counts[BulkOutcome.SKIPPED], report.counts[BulkOutcome.DONE]) == (
            len(confirmed),
            80 - len(confirmed),
        )
        assert not confirmed & set(blocks_sent(sandbox))
        assert await states(ledger) == dict.fromkeys(accounts, RecordState.CONFIRMED)


@pytest.mark.nightly
@pytest.mark.asyncio
async def test_processes_that_share_a_job_block_each_account_once(sandbox: Sandbox, url: str) -> None:
    accounts = people(sandbox, 400)
    environments = [
        process_settings(sandbox, url, order, lease=30.0, concurrency=16)
        for order in (accounts, accounts[::-1], random.Random(7).sample(accounts, 400))
    ]
    processes = [await job_process(each) for each in environments]
    told = [json.loads((await process.communicate())[0]) for process in processes]
    assert Counter(blocks_sent(sandbox)) == dict.fromkeys(accounts, 1)
    assert sum(each["counts"]["done"] if "done" in each["counts"] else each["counts"]["DONE"] for each in told) == 400
    async with BlockLedger.open(url) as ledger:
        assert await states(ledger) == dict.fromkeys(accounts, RecordState.CONFIRMED)


# --- When the ledger cannot be written --------------------------------------------------------------------------------


@contextmanager
def full_disk(url: str) -> Iterator[None]:
    """The file that SQLite writes first does not grow any more."""
    log = Path(f"{url.removeprefix('sqlite:///')}-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@asynccontextmanager
async def lost(url: str) -> AsyncIterator[None]:
    """A full disk, or a database that cannot be reached."""
    async with AsyncExitStack() as outage:
        if url.startswith("sqlite"):
            outage.enter_context(full_disk(url))
        else:
            await outage.enter_async_context(unreachable(url))
        yield


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_a_ledger_that_is_lost_stops_the_job_before_the_next_request(
    tilia: TiliaClient, sandbox: Sandbox, url: str
) -> None:
    accounts = people(sandbox, 300)
    async with AsyncExitStack() as outage:

        async def until_it_is_lost() -> AsyncIterator[str]:
            for number, each in enumerate(accounts):
                if number == 60:
                    await outage.enter_async_context(lost(url))
                yield each

        with pytest.raises(errors.BulkStoppedError) as caught:
            async with asyncio.timeout(20):
                await tilia.bulk.block(until_it_is_lost(), reason="fraud", job_id="wave", concurrency=8)
        sent = blocks_sent(sandbox)
        await asyncio.sleep(0.05)
        assert blocks_sent(sandbox) == sent, "requests after the end"
    error = caught.value
    assert isinstance(error.cause, errors.LedgerError)
    assert "ledger" in str(error).lower()
    assert error.job_id == "wave"
    assert not error.report.complete
    async with BlockLedger.open(url, lease=1.0) as ledger:
        kept = await states(ledger)
        assert set(sent) <= kept.keys(), "a block without a record"
        assert {account for account, each in sandbox.accounts.items() if each.is_blocked} <= set(kept)
        sandbox.requests.clear()
        async with sandbox_client(sandbox, ledger=ledger) as again, asyncio.timeout(20):
            report = await again.bulk.block(accounts, job_id="wave", concurrency=32)
        assert (report.total, report.complete) == (300, True)
        assert await states(ledger) == dict.fromkeys(accounts, RecordState.CONFIRMED)


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_a_call_whose_intent_cannot_be_written_is_not_sent(
    tilia: TiliaClient, sandbox: Sandbox, url: str, ledger: BlockLedger
) -> None:
    first, second, third = people(sandbox, 3)
    await tilia.accounts.block(first)
    async with lost(url):
        with pytest.raises(errors.LedgerError) as caught:
            await tilia.accounts.block(second, reason="fraud")
        assert caught.value.took_effect is False
        assert caught.value.operation == "accounts.block"
        assert blocks_sent(sandbox) == [first]
    assert not sandbox.accounts[second].is_blocked
    await tilia.accounts.block(third)
    assert [record.state for record in await ledger.history(third)] == [RecordState.CONFIRMED], "it comes back"


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_a_block_that_tilia_confirmed_is_not_told_as_failed_when_the_ledger_is_lost_meanwhile(
    tilia: TiliaClient, sandbox: Sandbox, url: str, ledger: BlockLedger
) -> None:
    (account,) = people(sandbox, 1)
    sandbox.faults.add("accounts.block", Fault.LATENCY, seconds=0.2)
    call = asyncio.create_task(tilia.accounts.block(account))
    await until(lambda: blocks_sent(sandbox))
    async with lost(url):
        try:
            assert (await call).is_blocked
        except errors.TiliaError as error:
            assert isinstance(error, errors.LedgerError)
            assert error.took_effect is True
    assert sandbox.accounts[account].is_blocked
    (record,) = await ledger.history(account)
    assert record.state in {RecordState.INTENDED, RecordState.UNKNOWN, RecordState.CONFIRMED}


@pytest.mark.asyncio
async def test_a_database_that_drops_all_connections_loses_no_record(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 100)
    async with new_database() as url, BlockLedger.open(url, lease=1.0) as ledger:
        async with sandbox_client(sandbox, ledger=ledger) as tilia:
            ending: list[asyncio.Task[int]] = []

            async def drops() -> AsyncIterator[str]:
                for number, each in enumerate(accounts):
                    if number == 40:
                        ending.append(asyncio.create_task(terminate_connections(url)))
                        await asyncio.wait(ending)
                    yield each

            job = asyncio.create_task(tilia.bulk.block(drops(), job_id="wave", concurrency=8))
            async with asyncio.timeout(20):
                await asyncio.wait([job])
            # The job may have stopped before it heard how many were ended.
            assert await ending[0]
            if (error := job.exception()) is not None:
                assert isinstance(error, errors.BulkStoppedError)
                assert isinstance(error.cause, errors.LedgerError)
            assert set(blocks_sent(sandbox)) <= (await states(ledger)).keys()
            async with asyncio.timeout(20):
                assert (await tilia.bulk.block(accounts, job_id="wave", concurrency=8)).complete
        assert await states(ledger) == dict.fromkeys(accounts, RecordState.CONFIRMED)


@pytest.mark.asyncio
async def test_another_writer_that_holds_the_file_for_a_moment_is_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    accounts = people(sandbox, 20)
    path = tmp_path / "blocks.db"
    async with BlockLedger.open(f"sqlite:///{path}") as ledger, sandbox_client(sandbox, ledger=ledger) as tilia:
        await tilia.accounts.block(accounts[0])
        other = sqlite3.connect(path, isolation_level=None)
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.execute("BEGIN IMMEDIATE")
        job = asyncio.create_task(tilia.bulk.block(accounts, job_id="wave"))
        await asyncio.sleep(0.3)
        assert blocks_sent(sandbox) == accounts[:1], "a request before its record"
        other.execute("ROLLBACK")
        other.close()
        assert (await job).counts[BulkOutcome.DONE] == 20


# --- Opening ----------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_was_written_is_there_after_closing(sandbox: Sandbox, url: str) -> None:
    (account,) = people(sandbox, 1)
    async with BlockLedger.open(url) as ledger, sandbox_client(sandbox, ledger=ledger) as tilia:
        await tilia.accounts.block(account, reason="fraud")
        before = await ledger.history(account)
    async with BlockLedger.open(url) as ledger:
        assert await ledger.history(account) == before


@pytest.mark.asyncio
async def test_a_url_or_a_lease_that_makes_no_sense_is_told(tmp_path: Path) -> None:
    async def opens(url: object, **settings: object) -> None:
        async with BlockLedger.open(url, **settings):
            pass

    for url in ("mysql://localhost/x", "blocks.db", "", "sqlite", "http://127.0.0.1/x", 7):
        with pytest.raises((errors.ConfigurationError, errors.LedgerError)):
            await opens(url)
    for lease in (0, -1, 61, 3_600, float("nan"), float("inf"), "30", True):
        with pytest.raises((errors.ConfigurationError, errors.InvalidRequestError, TypeError), match="lease"):
            await opens(f"sqlite:///{tmp_path}/blocks.db", lease=lease)


@pytest.mark.asyncio
async def test_a_file_that_is_no_ledger_is_told_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"these are my notes\n" * 1_000)
    with pytest.raises(errors.LedgerError, match=r"notes\.txt"):
        async with BlockLedger.open(f"sqlite:///{path}"):
            pass
    assert path.read_bytes() == b"these are my notes\n" * 1_000
    with pytest.raises((errors.LedgerError, errors.ConfigurationError)):
        async with BlockLedger.open(f"sqlite:///{tmp_path}/no such directory/blocks.db"):
            pass


async def make_newer(url: str) -> int:
    """Put the version of the schema up, wherever it is; how many places that were."""
    if url.startswith("sqlite"):
        database = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        found = 0
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version:
            database.execute(f"PRAGMA user_version = {version + 1_000}")
            found += 1
        for table, column in database.execute(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
            " WHERE m.type = 'table' AND c.name LIKE '%version%'"
        ).fetchall():
            found += database.execute(f'UPDATE "{table}" SET "{column}" = "{column}" + 1000').rowcount
        database.close()
        return found
    connection = await asyncpg.connect(url)
    found = 0
    for table, column in await connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE column_name LIKE '%version%' AND table_schema = current_schema()"
    ):
        status = await connection.execute(f'UPDATE "{table}" SET "{column}" = "{column}" + 1000')
        found += int(status.split()[-1])
    await connection.close()
    return found


@pytest.mark.asyncio
@QUICKLY_ON_BOTH
async def test_a_ledger_of_a_newer_release_is_not_touched(url: str) -> None:
    async with BlockLedger.open(url):
        pass
    assert await make_newer(url) == 1
    with pytest.raises(errors.LedgerError, match="newer|version"):
        async with BlockLedger.open(url):
            pass


# --- Reading ----------------------------------------------------------------------------------------------------------


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


# --- Notifications ----------------------------------------------------------------------------------------------------

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


# --- Export -----------------------------------------------------------------------------------------------------------


async def exported(ledger: BlockLedger, path: Path, **wanted: object) -> tuple[int, str]:
    with path.open("w", encoding="utf-8", newline="") as file:
        number = await ledger.export(file, **wanted)
    return number, content(path)


def content(path: Path) -> str:
    return path.read_bytes().decode()


def contents(directory: Path) -> list[str]:
    return [each.read_bytes().decode("latin-1") for each in directory.glob("blocks.db*")]


@pytest.mark.asyncio
async def test_an_export_tells_everything_and_no_cell_of_it_is_a_formula(
    tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger, tmp_path: Path
) -> None:
    reasons = [
        '=HYPERLINK("http://evil.example";"x")',
        "+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        'a "b", c\nd;é💥',
        "plain",
    ]
    accounts = people(sandbox, len(reasons))
    review_at = datetime(2030, 1, 1, tzinfo=UTC)
    for account, reason in zip(accounts, reasons, strict=True):
        await tilia.accounts.block(account, reason=reason, actor=reason, review_at=review_at)
    await tilia.bulk.unblock(accounts[:1], job_id="=wave")
    records = await listed(ledger.records())

    number, text = await exported(ledger, tmp_path / "blocks.csv", format="csv")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert number == len(rows) == len(records) == 9
    assert {"account_id", "action", "reason", "actor", "job_id", "state", "issuer", "source", "review_at"} <= rows[
        0
    ].keys()
    assert {"requested_at", "settled_at", "error"} <= rows[0].keys()
    assert [row["account_id"] for row in rows] == [record.account_id for record in records]
    for row, reason in zip(rows, reasons, strict=False):
        # As the module's docstring says.
        assert re.sub(r"(\A|[;|\t\r\n])'", r"\1", row["reason"]) == reason
        assert datetime.fromisoformat(row["review_at"]) == review_at
    assert (rows[-1]["reason"], rows[-1]["review_at"]) == ("", "")
    formulas = [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert formulas == []
    assert rows[7]["reason"] == "plain"

    number, text = await exported(ledger, tmp_path / "blocks.jsonl", format="jsonl")
    lines = [json.loads(line) for line in text.split("\n") if line]
    assert number == len(lines) == 9
    assert [line["reason"] for line in lines] == [*reasons, None]
    assert lines[0]["account_id"] == accounts[0]
    assert datetime.fromisoformat(lines[0]["review_at"]) == review_at

    number, text = await exported(ledger, tmp_path / "some.jsonl", format="jsonl", job_id="=wave")
    assert (number, json.loads(text)["job_id"]) == (1, "=wave")
    assert (await exported(ledger, tmp_path / "none.csv", format="csv", actor="nobody"))[0] == 0
    with pytest.raises((ValueError, errors.ConfigurationError)):
        await exported(ledger, tmp_path / "blocks.xml", format="xml")


# --- Secrets ----------------------------------------------------------------------------------------------------------

SECRET, TOKEN, HEADER, PASSWORD = "canary-secret-1", "canary-token-2", "canary-header-3", "canary-password-4"


@pytest.mark.asyncio
async def test_no_secret_is_in_the_ledger_whatever_tilia_repeats(ledger: BlockLedger, url: str, tmp_path: Path) -> None:
    async def repeats(_tilia: ScriptedTilia, account_id: str) -> Reply:
        words = f"invalid: Bearer {TOKEN}{_tilia.tokens} {HEADER}"
        body = orjson.dumps({"status": "Failure", "message": [words], "codes": [words], "payload": {"error": words}})
        return Reply({"acct_0": 400, "acct_1": 403, "acct_2": 404, "acct_3": 500}[account_id], body)

    scripted = ScriptedTilia(repeats, token=TOKEN)
    options = RequestOptions(headers={"X-Api-Key": HEADER})
    async with hostile_server(scripted.serve) as server:
        async with client_of(server.template, secret=SECRET, ledger=ledger) as tilia:
            for account in ids(4):
                with pytest.raises(errors.ApiError):
                    await tilia.accounts.block(account, options=options)
            await tilia.bulk.block(ids(4), job_id="wave", options=options)
    records = await listed(ledger.records())
    assert len(records) == 8
    assert all(record.error for record in records)
    texts = [repr(ledger), *map(repr, records), *map(str, (record.error for record in records))]
    stored = contents(tmp_path) if url.startswith("sqlite") else [row async for row in every_text(url)]
    assert any("acct_3" in text for text in stored), "the search reads what is in there"
    search([SECRET, f"{TOKEN}1", HEADER], [*texts, *stored])


@pytest.mark.asyncio
async def test_the_password_of_a_database_is_in_no_error_and_no_repr(unused_tcp_port: int) -> None:
    opening = BlockLedger.open(f"postgresql://user:{PASSWORD}@127.0.0.1:{unused_tcp_port}/test")
    search([PASSWORD], [repr(opening), str(opening)])

    async def opens() -> None:
        async with opening:
            pass

    with pytest.raises(errors.LedgerError) as caught:
        await opens()
    search([PASSWORD], places(caught.value))
    assert str(unused_tcp_port) in str(caught.value), "it says which server"
