"""Blocks that Tilia reports, and what of them is on record: who blocked, once, however often it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from support.deliveries import delivery
from support.ledgers import ledger_url
from support.receiving_process import ALLOWED, Worker, start
from support.scripted import people, sandbox_client

import tilia_sync
from tilia_async import errors
from tilia_async.ledger import BlockAction, BlockLedger, RecordSource
from tilia_async.models.accounts import Block
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache
from tilia_async.webhooks import AccountBlockChanged, WebhookReceiver, parse_event

WORKERS = 4
BLOCKED, FREE = BlockAction.BLOCK, BlockAction.UNBLOCK


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    async with ledger_url(request.param, tmp_path) as where:
        yield where


@pytest_asyncio.fixture
async def ledger(url: str) -> AsyncIterator[BlockLedger]:
    async with BlockLedger.open(url) as opened:
        yield opened


async def recorded(ledger: BlockLedger, account: str) -> list[tuple[BlockAction, str]]:
    return [
        (record.action, record.issuer)
        for record in await ledger.history(account)
        if record.source is RecordSource.WEBHOOK
    ]


async def in_force(ledger: BlockLedger, *, by_tilia: bool | None = None) -> list[tuple[str, str]]:
    return [(record.account_id, record.issuer) async for record in ledger.blocked(by_tilia=by_tilia)]


def state(blocked: bool, *issuers: str, confirmed_at: datetime | None = None) -> AccountBlockChanged:
    """The event that a receiver with ``confirm`` hands to a ledger; without the time also what Tilia leaves out the time of."""
    blocks = tuple(Block(issuer=issuer, reason="account_close") for issuer in issuers)
    return AccountBlockChanged(account_id="acct_1", is_blocked=blocked, blocks=blocks, confirmed_at=confirmed_at)


def bodies(account: str, *, blocked: bool = True) -> list[bytes]:
    """A notification as Tilia and as strangers may post it."""
    least = {"account_id": account, "is_blocked": blocked}
    whole = {"note": "x", "is_blocked": blocked, "blocks": [], "account_id": account}
    return [delivery(least), delivery(whole, sent_at="?"), delivery(least, sent_at="2026-07-03T00:00:02Z")]


# --- Workers that share a ledger --------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_one_notification_that_all_workers_see_is_one_record_with_its_issuer(sandbox: Sandbox, url: str) -> None:
    (account,) = people(sandbox, 1)
    ledgers = [BlockLedger.open(url) for _ in range(WORKERS)]
    client = sandbox_client(sandbox)
    receivers = [WebhookReceiver(client, each, basic_auth=("tilia", "password"), confirm=True) for each in ledgers]

    async def all_see(blocked: bool) -> None:
        posts = [
            receiver.handle(body, authorization=ALLOWED)
            for receiver in receivers
            for body in bodies(account, blocked=blocked) * 2
        ]
        assert set(await asyncio.gather(*posts)) == {204}

    async with client:
        await ledgers[0].history(account)
        sandbox.block_as_tilia(account)
        await all_see(blocked=True)
        assert await recorded(ledgers[0], account) == [(BLOCKED, "tilia")]
        assert await in_force(ledgers[1], by_tilia=True) == [(account, "tilia")]
        sandbox.accounts[account].blocks.clear()
        await all_see(blocked=False)
        assert await in_force(ledgers[2]) == []
        await client.accounts.block(account)
        await all_see(blocked=True)
        assert await recorded(ledgers[3], account) == [(BLOCKED, "tilia"), (FREE, "unknown"), (BLOCKED, "publisher")]
        assert await in_force(ledgers[0], by_tilia=True) == []
        assert await in_force(ledgers[0], by_tilia=False) == [(account, "publisher")]
        sandbox.block_as_tilia(account)
        await all_see(blocked=True)
        assert sorted(await in_force(ledgers[0])) == [(account, "publisher"), (account, "tilia")]
    await asyncio.gather(*(each.aclose() for each in ledgers))


@pytest.mark.asyncio
async def test_workers_are_processes_too(sandbox: Sandbox, url: str) -> None:
    (account,) = people(sandbox, 1)
    worker = Worker(sandbox.client_id, sandbox.client_secret, sandbox.environment, url)
    workers = [start(worker) for _ in range(WORKERS)]
    for _, pipe in workers:
        assert await asyncio.to_thread(pipe.recv) is None
    sandbox.block_as_tilia(account)
    for _, pipe in workers:
        pipe.send(bodies(account) * 2)
    for process, pipe in workers:
        assert await asyncio.to_thread(pipe.recv) == [204] * len(bodies(account) * 2)
        await asyncio.to_thread(process.join)
        pipe.close()
        process.close()
    async with BlockLedger.open(url) as ledger:
        assert await recorded(ledger, account) == [(BLOCKED, "tilia")]
        assert await in_force(ledger, by_tilia=True) == [(account, "tilia")]


@pytest.mark.asyncio
async def test_threads_of_the_synchronous_package_make_one_record_too(sandbox: Sandbox, url: str) -> None:
    (account,) = people(sandbox, 1)
    sandbox.block_as_tilia(account)

    def work() -> list[tuple[str, str]]:
        with (
            tilia_sync.BlockLedger.open(url) as ledger,
            tilia_sync.TiliaClient(
                sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache()
            ) as tilia,
        ):
            receivers = [tilia_sync.WebhookReceiver(tilia, ledger, confirm=True) for _ in range(WORKERS)]
            for receiver in receivers:
                assert [receiver.handle(body) for body in bodies(account)] == [204] * 3
            assert len(ledger.history(account)) == 1
            return [(record.account_id, record.issuer) for record in ledger.blocked(by_tilia=True)]

    assert await asyncio.to_thread(work) == [(account, "tilia")]


@pytest.mark.asyncio
async def test_a_ledger_that_failed_is_logged_again(sandbox: Sandbox, ledger: BlockLedger) -> None:
    (account,) = people(sandbox, 1)
    sandbox.block_as_tilia(account)
    async with sandbox_client(sandbox) as tilia:
        receiver = WebhookReceiver(tilia, ledger, basic_auth=("tilia", "password"), confirm=True)
        sandbox.faults.add("accounts.get_blocks", Fault.SERVER_ERROR_EMPTY, times=None)
        assert await receiver.handle(bodies(account)[0], authorization=ALLOWED) == 500
        assert await recorded(ledger, account) == []
        sandbox.faults.clear()
        assert await receiver.handle(bodies(account)[0], authorization=ALLOWED) == 204
    assert await recorded(ledger, account) == [(BLOCKED, "tilia")]


# --- States, as they are entered --------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_notification_without_its_time_counts_once_while_it_holds(ledger: BlockLedger) -> None:
    message = {"account_id": "acct_1", "is_blocked": True, "blocks": [{"issuer": "tilia"}, {"issuer": "publisher"}]}
    for envelope in (
        {"event_name": "account-block-unblock-webhook", "message": message},
        {"message": dict(reversed(message.items())), "sent_at": "soon"},
    ):
        event = parse_event(orjson.dumps(envelope, option=orjson.OPT_INDENT_2))
        assert isinstance(event, AccountBlockChanged)
        await asyncio.gather(*(ledger.apply(event) for _ in range(4)))
    assert await recorded(ledger, "acct_1") == [(BLOCKED, "tilia"), (BLOCKED, "publisher")]
    for _ in range(2):
        await ledger.apply(state(False))
    assert await in_force(ledger) == []
    for _ in range(2):
        await ledger.apply(event)
    assert sorted(await in_force(ledger)) == [("acct_1", "publisher"), ("acct_1", "tilia")]
    assert [action for action, _ in await recorded(ledger, "acct_1")] == [BLOCKED] * 2 + [FREE] + [BLOCKED] * 2


@pytest.mark.asyncio
async def test_another_issuer_is_another_block_and_another_account_as_well(ledger: BlockLedger) -> None:
    for issuers in (("publisher",), ("publisher", "tilia"), ("tilia", "publisher"), ("tilia",), ()):
        await ledger.apply(state(True, *issuers))
    assert await recorded(ledger, "acct_1") == [(BLOCKED, "publisher"), (BLOCKED, "tilia"), (BLOCKED, "unknown")]
    other = AccountBlockChanged(account_id="acct_2", is_blocked=True, blocks=(Block(issuer="tilia"),))
    await ledger.apply(other)
    assert await in_force(ledger, by_tilia=True) == [("acct_1", "tilia"), ("acct_2", "tilia")]
    await ledger.apply(AccountBlockChanged(account_id="acct_2", is_blocked=False))
    await ledger.apply(state(True, "tilia"))
    assert len(await recorded(ledger, "acct_1")) == 3, "it is another account that was unblocked"


@pytest.mark.asyncio
async def test_what_was_seen_first_and_is_entered_last_is_the_older(ledger: BlockLedger) -> None:
    """Two workers ask, and the one that asked first is the slower one."""
    now = datetime.now(UTC)
    first, second, third = (now - timedelta(seconds=each) for each in (30, 20, 10))
    await ledger.apply(state(False, confirmed_at=second))
    for _ in range(2):
        await ledger.apply(state(True, "tilia", confirmed_at=first))
    assert await in_force(ledger) == [], "it was lifted after that"
    assert await recorded(ledger, "acct_1") == [(BLOCKED, "tilia"), (FREE, "unknown")]
    await ledger.apply(state(True, "tilia", confirmed_at=third))
    assert await in_force(ledger) == [("acct_1", "tilia")]
    await ledger.apply(state(False, confirmed_at=second + timedelta(seconds=1)))
    assert await in_force(ledger) == [("acct_1", "tilia")]
    assert len(await recorded(ledger, "acct_1")) == 3, "the same unblocking, seen again before the block"
    await ledger.apply(state(True, "tilia", confirmed_at=third - timedelta(seconds=1)))
    assert len(await recorded(ledger, "acct_1")) == 3, "the same block, seen earlier"


@pytest.mark.asyncio
async def test_an_older_block_than_the_one_on_record_is_another_if_it_was_lifted_between(ledger: BlockLedger) -> None:
    now = datetime.now(UTC)
    for blocked, seconds in ((False, 20), (True, 10), (True, 30), (True, 29), (True, 11)):
        issuers = ("tilia",) if blocked else ()
        await ledger.apply(state(blocked, *issuers, confirmed_at=now - timedelta(seconds=seconds)))
    assert await recorded(ledger, "acct_1") == [(BLOCKED, "tilia"), (FREE, "unknown"), (BLOCKED, "tilia")]
    assert await in_force(ledger) == [("acct_1", "tilia")]


@pytest.mark.asyncio
async def test_states_of_one_moment_follow_each_other_as_they_were_entered(
    ledger: BlockLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime.now(UTC)

    async def stopped_clock(*_: object) -> datetime:
        return moment

    monkeypatch.setattr("tilia_async.ledger.reported_blocks._now", stopped_clock)
    for blocked in (True, False, True):
        for _ in range(2):
            await ledger.apply(state(blocked))
    assert [action for action, _ in await recorded(ledger, "acct_1")] == [BLOCKED, FREE, BLOCKED]
    assert await in_force(ledger) == [("acct_1", "unknown")]


@pytest.mark.asyncio
async def test_the_time_of_a_state_is_when_tilia_was_asked(ledger: BlockLedger) -> None:
    asked = datetime.now(UTC) - timedelta(minutes=5)
    await ledger.apply(state(True, "tilia", confirmed_at=asked))
    (record,) = await ledger.history("acct_1")
    assert abs(record.requested_at - asked) < timedelta(seconds=20)
    # A clock that was put back makes no block of the future.
    await ledger.apply(state(False, confirmed_at=datetime.now(UTC) + timedelta(hours=1)))
    assert (await ledger.history("acct_1"))[1].requested_at <= datetime.now(UTC) + timedelta(seconds=20)


@pytest.mark.asyncio
async def test_a_block_of_ours_that_a_call_lifted_is_another_one_next_time(
    sandbox: Sandbox, ledger: BlockLedger
) -> None:
    (account,) = people(sandbox, 1)
    async with sandbox_client(sandbox, ledger=ledger) as tilia:
        receiver = WebhookReceiver(tilia, ledger, basic_auth=("tilia", "password"), confirm=True)
        for _ in range(2):
            await tilia.accounts.block(account, reason="fraud")
            # Another worker's memory than the one before.
            receiver = WebhookReceiver(tilia, ledger, basic_auth=("tilia", "password"), confirm=True)
            assert await receiver.handle(bodies(account)[0], authorization=ALLOWED) == 204
            assert [record.reason async for record in ledger.blocked()] == ["fraud"]
            await tilia.accounts.unblock(account)
            assert await in_force(ledger) == []
        assert await recorded(ledger, account) == [(BLOCKED, "publisher")] * 2


@pytest.mark.asyncio
async def test_a_block_that_names_nobody_ends_with_your_unblock_and_is_another_one_next_time(
    sandbox: Sandbox, ledger: BlockLedger
) -> None:
    (account,) = people(sandbox, 1)
    nobodys = AccountBlockChanged(account_id=account, is_blocked=True)
    async with sandbox_client(sandbox, ledger=ledger) as tilia:
        for _ in range(2):
            await tilia.accounts.block(account)
            for _ in range(2):
                await ledger.apply(nobodys)
            assert sorted(await in_force(ledger)) == [(account, "publisher"), (account, "unknown")]
            await tilia.accounts.unblock(account)
            assert await in_force(ledger) == []
    assert await recorded(ledger, account) == [(BLOCKED, "unknown")] * 2


@pytest.mark.asyncio
async def test_your_unblock_ends_no_block_of_tilias(sandbox: Sandbox, ledger: BlockLedger) -> None:
    (account,) = people(sandbox, 1)
    theirs = AccountBlockChanged(account_id=account, is_blocked=True, blocks=(Block(issuer="tilia"),))
    await ledger.apply(theirs)
    async with sandbox_client(sandbox, ledger=ledger) as tilia:
        await tilia.accounts.block(account)
        await tilia.accounts.unblock(account)
    await ledger.apply(theirs)
    assert await recorded(ledger, account) == [(BLOCKED, "tilia")]
    assert await in_force(ledger) == [(account, "tilia")]


@pytest.mark.asyncio
async def test_an_unblocking_that_had_no_effect_ends_no_block(sandbox: Sandbox, ledger: BlockLedger) -> None:
    (account,) = people(sandbox, 1)
    ours = AccountBlockChanged(account_id=account, is_blocked=True, blocks=(Block(issuer="publisher"),))
    sandbox.block_as_tilia(account)
    await ledger.apply(ours)
    async with sandbox_client(sandbox, ledger=ledger) as tilia:
        with pytest.raises(errors.ForbiddenError):
            await tilia.accounts.unblock(account)
    await ledger.apply(ours)
    assert await recorded(ledger, account) == [(BLOCKED, "publisher")]


@pytest.mark.asyncio
async def test_a_block_by_a_call_is_lifted_by_the_next_notification_that_nothing_is_left(
    sandbox: Sandbox, ledger: BlockLedger
) -> None:
    (account,) = people(sandbox, 1)
    nothing_left = AccountBlockChanged(account_id=account, is_blocked=False)
    async with sandbox_client(sandbox, ledger=ledger) as tilia:
        await ledger.apply(nothing_left)
        await tilia.accounts.block(account)
        assert await in_force(ledger) == [(account, "publisher")]
        for _ in range(2):
            await ledger.apply(nothing_left)
    assert await in_force(ledger) == []
    assert await recorded(ledger, account) == [(FREE, "unknown")] * 2


@pytest.mark.asyncio
async def test_what_was_seen_during_a_call_says_nothing_of_its_effect(sandbox: Sandbox, ledger: BlockLedger) -> None:
    """A worker saw the account blocked while the unblocking was under way, and enters it after that has ended."""
    (account,) = people(sandbox, 1)
    async with sandbox_client(sandbox, ledger=ledger) as tilia:
        await tilia.accounts.block(account)
        seen = AccountBlockChanged(account_id=account, is_blocked=True, blocks=(Block(issuer="publisher"),))
        await ledger.apply(seen)
        sandbox.faults.add("accounts.unblock", Fault.SLOW_BODY, seconds=0.6)
        began = datetime.now(UTC)
        await tilia.accounts.unblock(account)
        during = AccountBlockChanged(
            account_id=account,
            is_blocked=True,
            blocks=(Block(issuer="publisher"),),
            confirmed_at=began + timedelta(seconds=0.3),
        )
        await ledger.apply(during)
    assert await in_force(ledger) == []
    assert await recorded(ledger, account) == [(BLOCKED, "publisher")]


@pytest.mark.asyncio
async def test_a_notification_is_known_by_its_time_however_it_is_written(ledger: BlockLedger) -> None:
    blocks = [{"issuer": "tilia", "reason": "one"}, {"reason": "two", "issuer": "tilia"}, {"issuer": "publisher"}]
    message = {"account_id": "acct_1", "is_blocked": True, "blocks": blocks}
    turned = {"blocks": blocks[::-1], "is_blocked": True, "account_id": "acct_1", "note": "x"}
    for sent_at, told in (
        ("2026-07-03T00:00:01Z", message),
        ("2026-07-03 02:00:01 +02:00", turned),
        ("2026-07-03T00:00:01.000000+00:00", message),
    ):
        envelope = {"message": told, "sent_at": sent_at, "event_name": "account-block-unblock-webhook"}
        for option in (0, orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS):
            event = parse_event(orjson.dumps(envelope, option=option))
            assert isinstance(event, AccountBlockChanged)
            await ledger.apply(event)
    assert sorted(await recorded(ledger, "acct_1")) == [(BLOCKED, "publisher"), (BLOCKED, "tilia")]
