"""Each way to block or unblock is on record before it is sent and settled after."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import attrs
import pytest
from support.recorded_calls import (
    BLOCK,
    BLOCKS,
    CAPABILITY,
    DECLARED,
    EVERY_WAY,
    UNBLOCK,
    UNBLOCKS,
    Answering,
    capability_body,
    declarations,
    listed,
    recorded_client,
    url_in,
)
from support.scripted import ONCE, people, sandbox_client
from support.whole_requests import BODIES, QUERIES

import tilia_async.ledger.journal  # noqa: F401 - loaded late otherwise, and patched here by name
import tilia_sync
from tilia_async import Operation, errors
from tilia_async.api import OPERATIONS
from tilia_async.config import Service
from tilia_async.ledger import BlockAction, BlockLedger, RecordSource, RecordState
from tilia_async.ledger.calls import action_of
from tilia_async.ledger.record import state_after
from tilia_async.models.accounts import AccountBlocks
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.wire.operation import Repeat

OF_MY_OWN = Operation(
    "mine.unblock", "POST", Service.ACCOUNTS, "/v2/unblock", AccountBlocks, scopes=UNBLOCK.scopes, repeat=Repeat.SAFE
)


@pytest.mark.asyncio
@EVERY_WAY
@DECLARED
async def test_a_block_by_whatever_way_is_on_record_before_it_is_sent_and_settled_after(
    tmp_path: Path, way: str, operations: str | None
) -> None:
    on_arrival: list[object] = []

    def look() -> None:
        with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
            on_arrival.extend(database.execute("SELECT account_id, action, state FROM tilia_block_records"))

    answering = Answering(look)
    async with recorded_client(answering, tmp_path, operations=declarations(operations)) as (tilia, ledger):
        await BLOCKS[way](tilia, "acct_1", None)
        (record,) = await ledger.history("acct_1")
        in_force = [each.account_id async for each in ledger.blocked()]
    assert on_arrival == [("acct_1", "block", "intended")]
    assert (record.action, record.state, record.source) == (
        BlockAction.BLOCK,
        RecordState.CONFIRMED,
        RecordSource.CALL,
    )
    assert (record.issuer, record.job_id, record.error) == ("publisher", None, None)
    expected = {"typed": "spam", "sent": None, "sent, from scratch": None}
    assert record.reason == expected.get(way, "account_close (capability login): by mail")
    assert in_force == ["acct_1"]


@pytest.mark.asyncio
@pytest.mark.parametrize("way", UNBLOCKS)
@DECLARED
async def test_an_unblock_by_whatever_way_lifts_a_block_of_one_capability(
    sandbox: Sandbox, tmp_path: Path, way: str, operations: str | None
) -> None:
    (account,) = people(sandbox, 1)
    async with BlockLedger.open(url_in(tmp_path)) as ledger:
        async with sandbox_client(sandbox, ledger=ledger, retry=ONCE, operations=declarations(operations)) as tilia:
            await tilia.accounts.block_capability(account)
            assert await tilia.accounts.is_blocked(account)
            (blocked,) = await listed(ledger.blocked())
            await UNBLOCKS[way](tilia, account, None)
            assert not await tilia.accounts.is_blocked(account)
            await tilia.accounts.get_blocks(account)
            await tilia.send(OPERATIONS["accounts.get"], path={"account_id": account})
            history = await ledger.history(account)
            assert await listed(ledger.blocked()) == []
    assert blocked.reason == "account_close (capability login)"
    assert [(each.action, each.state) for each in history] == [
        (BlockAction.BLOCK, RecordState.CONFIRMED),
        (BlockAction.UNBLOCK, RecordState.CONFIRMED),
    ]


@pytest.mark.asyncio
async def test_an_operation_of_ones_own_that_unblocks_is_on_record(tmp_path: Path) -> None:
    answering = Answering()
    async with recorded_client(answering, tmp_path) as (tilia, ledger):
        await tilia.accounts.block("acct_1")
        # Its answer has the envelope that its declaration does not expect; it did take effect.
        with pytest.raises(errors.ResponseDecodeError) as odd:
            await tilia.send(OF_MY_OWN, body={"account_id": "acct_1"})
        assert odd.value.took_effect is True
        found = await ledger.history("acct_1")
        by_another_name = attrs.evolve(BLOCK, name="mine.block", path="/v1/user-info/{id}/block", denials={})
        await tilia.send(by_another_name, path={"id": "acct_2"})
        assert [each.state for each in await ledger.history("acct_2")] == [RecordState.CONFIRMED]
        answering.opposite = True
        with pytest.raises(errors.ResponseDecodeError) as doubted:
            await tilia.send(by_another_name, path={"id": "acct_3"})
        assert doubted.value.took_effect is None
        assert [each.state for each in await ledger.history("acct_3")] == [RecordState.UNKNOWN]
    assert [(each.action, each.state) for each in found] == [
        (BlockAction.BLOCK, RecordState.CONFIRMED),
        (BlockAction.UNBLOCK, RecordState.CONFIRMED),
    ]


@pytest.mark.parametrize(
    ("name", "method", "service", "path", "action"),
    [
        ("accounts.block", "PUT", Service.PII, "/v9/{account_id}/stop", BlockAction.BLOCK),
        ("accounts.block_capability", "POST", Service.ACCOUNTS, "/v3/keep-out", BlockAction.BLOCK),
        ("accounts.unblock", "POST", Service.ACCOUNTS, "/v1/user-info/{account_id}/unblock", BlockAction.UNBLOCK),
        ("mine.lift", "POST", Service.ACCOUNTS, "/v2/unblock", BlockAction.UNBLOCK),
        ("mine.block", "POST", Service.ACCOUNTS, "/v1/user-info/{account_id}/block", BlockAction.BLOCK),
        ("mine.look", "GET", Service.ACCOUNTS, "/v2/block", None),
        ("mine.block", "POST", Service.WALLETS, "/v2/wallet/{wallet_id}/block", None),
        ("mine.blocks", "POST", Service.ACCOUNTS, "/v2/blocks", None),
        ("accounts.get_blocks", "GET", Service.ACCOUNTS, "/v2/block/{account_id}", None),
        ("accounts.merge", "POST", Service.ACCOUNTS, "/v2/merge-accounts", None),
    ],
)
def test_what_an_operation_is_recorded_as(
    name: str, method: str, service: Service, path: str, action: BlockAction | None
) -> None:
    assert action_of(Operation(name, method, service, path, AccountBlocks, scopes=(), repeat=Repeat.SAFE)) is action


@pytest.mark.asyncio
async def test_other_operations_leave_no_record(tmp_path: Path) -> None:
    others = [each for name, each in OPERATIONS.items() if each not in {BLOCK, UNBLOCK, CAPABILITY}]
    answering = Answering()
    async with recorded_client(answering, tmp_path) as (tilia, ledger):
        for operation in others:
            path = dict.fromkeys(operation.parameters, "acct_1")
            try:
                await tilia.send(
                    operation, path=path, query=QUERIES.get(operation.name), body=BODIES.get(operation.name)
                )
            except errors.TiliaError:
                continue
        assert len(answering.arrived) > 30
        assert await listed(ledger.records()) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "request_",
    [
        {"operation": BLOCK},
        {"operation": BLOCK, "path": {"account_id": "a/b"}},
        {"operation": BLOCK, "path": {"account_id": "acct_1", "other": "x"}},
        {"operation": CAPABILITY},
        {"operation": CAPABILITY, "body": {"block_capability": "login"}},
        {"operation": CAPABILITY, "body": {**capability_body("acct_1"), "account_id": 7}},
        {"operation": CAPABILITY, "body": {**capability_body("acct_1"), "note": "a\0b"}},
        {"operation": CAPABILITY, "body": [("account_id", "acct_1")]},
        {"operation": OF_MY_OWN, "body": {"id": "acct_1"}},
        {"operation": BLOCK, "path": {"account_id": "acct_1"}, "options": {"timeout": 3}},
    ],
)
async def test_a_request_that_is_refused_here_is_neither_sent_nor_on_record(
    tmp_path: Path, request_: dict[str, object]
) -> None:
    answering = Answering()
    async with recorded_client(answering, tmp_path) as (tilia, ledger):
        with pytest.raises((errors.InvalidRequestError, errors.ConfigurationError)):
            await tilia.send(**request_)
        assert await listed(ledger.records()) == []
    assert answering.arrived == []


@pytest.mark.asyncio
@EVERY_WAY
async def test_nothing_is_sent_that_is_not_on_record(tmp_path: Path, way: str) -> None:
    answering = Answering()
    async with recorded_client(answering, tmp_path) as (tilia, ledger):
        with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
            database.execute("DROP TABLE tilia_block_records")
        with pytest.raises(errors.LedgerError) as refused:
            await BLOCKS[way](tilia, "acct_1", None)
        await ledger.aclose()
    assert refused.value.took_effect is False
    assert refused.value.operation in {BLOCK.name, CAPABILITY.name}
    assert answering.arrived == []


@pytest.mark.asyncio
@EVERY_WAY
@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (Fault.DROP_AFTER_COMMIT, RecordState.UNKNOWN),
        (Fault.SERVER_ERROR_EMPTY, RecordState.UNKNOWN),
        (None, RecordState.NOT_FOUND),
    ],
)
async def test_what_became_of_a_block_is_on_record_by_whatever_way_it_was_sent(
    sandbox: Sandbox, tmp_path: Path, way: str, fault: Fault | None, state: RecordState
) -> None:
    account = "acct_unheard_of"
    if fault is not None:
        (account,) = people(sandbox, 1)
        for operation in (BLOCK, CAPABILITY):
            sandbox.faults.add(operation.name, fault)
    async with BlockLedger.open(url_in(tmp_path)) as ledger:
        async with sandbox_client(sandbox, ledger=ledger, retry=ONCE) as tilia:
            with pytest.raises(errors.TiliaError) as failed:
                await BLOCKS[way](tilia, account, None)
            (record,) = await ledger.history(account)
            assert await listed(ledger.blocked()) == []
    if state is RecordState.NOT_FOUND and "capability" in way:
        # Tilia documents no 404 for it.
        state = state_after(failed.value)
        assert state is not RecordState.CONFIRMED
    assert (record.state, record.error) == (state, str(failed.value))


def test_the_synchronous_client_records_every_way(tmp_path: Path) -> None:
    with (
        tilia_sync.Sandbox(wallet_delay=0) as sandbox,
        tilia_sync.BlockLedger.open(url_in(tmp_path)) as ledger,
        tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment, ledger=ledger) as tilia,
    ):
        account = tilia.accounts.register("nyx", "nyx@mail.example").account_id
        tilia.send(BLOCK, path={"account_id": account})
        tilia.send(UNBLOCK, path={"account_id": account})
        tilia.accounts.block_capability(account, note="by mail")
        history = [(each.action.value, each.state.value, each.reason) for each in ledger.history(account)]
    assert history == [
        ("block", "confirmed", None),
        ("unblock", "confirmed", None),
        ("block", "confirmed", "account_close (capability login): by mail"),
    ]
