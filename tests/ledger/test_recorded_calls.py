"""Every block and unblock is on record, by whatever way it is sent, in time, and as nothing that it is not."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import attrs
import orjson
import pytest
from support.hostile import Connection, hostile_server
from support.scripted import DONE, ONCE, Reply, ScriptedTilia, client_of, failing, ids, people, sandbox_client

# Its libraries are loaded here, and not while a test measures time or counts threads.
import tilia_async.ledger.journal  # noqa: F401 - loaded late otherwise, and patched here by name
import tilia_sync
from tilia_async import Operation, RequestOptions, TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.bulk import BulkOutcome
from tilia_async.config import Service
from tilia_async.ledger import BlockAction, BlockLedger, BlockRecord, RecordSource, RecordState
from tilia_async.ledger.calls import action_of
from tilia_async.ledger.record import state_after
from tilia_async.models.accounts import AccountBlocks
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.wire.operation import Repeat

BLOCK, UNBLOCK, CAPABILITY = (OPERATIONS[f"accounts.{name}"] for name in ("block", "unblock", "block_capability"))

LATE = 0.25
"""Seconds by which a call may outlive its deadline."""

BUSY = 0.15
"""Seconds that a machine with much to do takes for itself."""

Way = Callable[[TiliaClient, str, RequestOptions | None], Awaitable[object]]


def from_scratch(operation: Operation[object]) -> Operation[object]:
    """The declaration as somebody writes it who knows nothing of what its answer must not say."""
    return Operation(
        operation.name,
        operation.method,
        operation.service,
        operation.path,
        operation.returns,
        scopes=operation.scopes,
        repeat=Repeat.SAFE,
    )


OF_MY_OWN = Operation(
    "mine.unblock", "POST", Service.ACCOUNTS, "/v2/unblock", AccountBlocks, scopes=UNBLOCK.scopes, repeat=Repeat.SAFE
)


def capability_body(account: str) -> dict[str, str]:
    return {"account_id": account, "block_capability": "login", "block_reason": "account_close", "note": "by mail"}


BLOCKS: dict[str, Way] = {
    "typed": lambda tilia, account, options: tilia.accounts.block(account, "spam", options=options),
    "sent": lambda tilia, account, options: tilia.send(BLOCK, path={"account_id": account}, options=options),
    "sent, from scratch": lambda tilia, account, options: tilia.send(
        from_scratch(BLOCK), path={"account_id": account}, options=options
    ),
    "capability": lambda tilia, account, options: tilia.accounts.block_capability(
        account, note="by mail", options=options
    ),
    "capability, sent": lambda tilia, account, options: tilia.send(
        CAPABILITY, body=capability_body(account), options=options
    ),
    "capability, sent, from scratch": lambda tilia, account, options: tilia.send(
        from_scratch(CAPABILITY), body=capability_body(account), options=options
    ),
}
UNBLOCKS: dict[str, Way] = {
    "typed": lambda tilia, account, options: tilia.accounts.unblock(account, "appeal", options=options),
    "sent": lambda tilia, account, options: tilia.send(UNBLOCK, path={"account_id": account}, options=options),
    "sent, from scratch": lambda tilia, account, options: tilia.send(
        from_scratch(UNBLOCK), path={"account_id": account}, options=options
    ),
}
EVERY_WAY = pytest.mark.parametrize("way", BLOCKS)
DECLARED = pytest.mark.parametrize("operations", [None, "from scratch"])


def declarations(operations: str | None) -> dict[str, Operation[object]] | None:
    return None if operations is None else {each.name: from_scratch(each) for each in (BLOCK, UNBLOCK, CAPABILITY)}


def url_in(directory: Path) -> str:
    return f"sqlite:///{directory}/blocks.db"


async def listed(records: AsyncIterator[BlockRecord]) -> list[BlockRecord]:
    return [record async for record in records]


async def history_when(
    ledger: BlockLedger, account: str, holds: Callable[[list[BlockRecord]], object]
) -> list[BlockRecord]:
    """What a call has left to the ledger is written by a task of the ledger's own."""
    async with asyncio.timeout(10):
        while not holds(found := await ledger.history(account)):  # noqa: ASYNC110 - it tells nobody what it has written
            await asyncio.sleep(0.01)
    return found


def answer_of(line: str, *, opposite: bool = False) -> bytes:
    """What Tilia says to a block or unblock; or its contradiction."""
    if line.split()[1].endswith("/v2/block"):
        blocks = [] if opposite else {"account_id": "acct_1", "capability": "login", "issuer": "publisher"}
        return orjson.dumps({"account_id": "acct_1", "blocks": blocks})
    blocked = line.split()[1].endswith("/block") is not opposite
    return orjson.dumps({"status": "Success", "message": [], "codes": [], "payload": {"is_blocked": blocked}})


@attrs.define(eq=False)
class Answering:
    """A Tilia that does something when a request arrives, and answers then.

    Attributes:
        arrived: the lines of the requests.
        meanwhile: what it does.
        opposite: its answer contradicts itself.
    """

    meanwhile: Callable[[], object] | None = None
    opposite: bool = False
    silent: bool = False
    arrived: list[str] = attrs.field(factory=list)
    came: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def serve(self, connection: Connection) -> None:
        while (line := await connection.tokens()) is not None:
            self.arrived.append(line)
            if self.meanwhile is not None:
                self.meanwhile()
            self.came.set()
            if self.silent:
                await asyncio.Event().wait()
            await connection.answer(answer_of(line, opposite=self.opposite))


@asynccontextmanager
async def recorded_client(
    answering: Answering, directory: Path, **settings: object
) -> AsyncIterator[tuple[TiliaClient, BlockLedger]]:
    async with hostile_server(answering.serve) as server, BlockLedger.open(url_in(directory)) as ledger:
        async with client_of(server.template, ledger=ledger, **settings) as tilia:
            yield tilia, ledger


# --- Every way --------------------------------------------------------------------------------------------------------


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
                await tilia.send(operation, path=path, body=None if operation.reads else {"account_id": "acct_1"})
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


# --- An answer that contradicts itself --------------------------------------------------------------------------------


@pytest.mark.asyncio
@EVERY_WAY
@DECLARED
async def test_a_block_whose_answer_says_no_is_in_doubt(tmp_path: Path, way: str, operations: str | None) -> None:
    answering = Answering(opposite=True)
    async with recorded_client(answering, tmp_path, operations=declarations(operations)) as (tilia, ledger):
        with pytest.raises(errors.ResponseDecodeError) as doubted:
            await BLOCKS[way](tilia, "acct_1", None)
        (record,) = await ledger.history("acct_1")
        assert await listed(ledger.blocked()) == []
        assert [each.account_id async for each in ledger.pending()] == ["acct_1"]
    assert doubted.value.took_effect is None
    assert (record.state, record.error) == (RecordState.UNKNOWN, str(doubted.value))


@pytest.mark.asyncio
@pytest.mark.parametrize("way", UNBLOCKS)
@DECLARED
async def test_an_unblock_whose_answer_says_no_lifts_nothing(tmp_path: Path, way: str, operations: str | None) -> None:
    answering = Answering()
    async with recorded_client(answering, tmp_path, operations=declarations(operations)) as (tilia, ledger):
        await tilia.accounts.block("acct_1")
        answering.opposite = True
        with pytest.raises(errors.ResponseDecodeError) as doubted:
            await UNBLOCKS[way](tilia, "acct_1", None)
        record = (await ledger.history("acct_1"))[-1]
        assert [each.account_id async for each in ledger.blocked()] == ["acct_1"]
    assert doubted.value.took_effect is None
    assert (record.action, record.state) == (BlockAction.UNBLOCK, RecordState.UNKNOWN)


@pytest.mark.asyncio
@pytest.mark.parametrize("action", ["block", "unblock"])
@DECLARED
async def test_a_job_whose_answers_say_no_is_in_doubt(tmp_path: Path, action: str, operations: str | None) -> None:
    answering = Answering(opposite=True)
    async with recorded_client(answering, tmp_path, operations=declarations(operations)) as (tilia, ledger):
        job = tilia.bulk.block if action == "block" else tilia.bulk.unblock
        report = await job(["acct_1"], "spam", job_id="wave")
        (record,) = await ledger.history("acct_1")
        assert await listed(ledger.blocked()) == []
    assert dict(report.counts)[BulkOutcome.UNKNOWN] == 1
    assert record.state is RecordState.UNKNOWN


def every_error() -> list[type[errors.TiliaError]]:
    found = [errors.TiliaError]
    for kind in found:
        found += kind.__subclasses__()
    return [kind for kind in dict.fromkeys(found) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("structured", [True, False])
def test_what_nobody_knows_is_on_record_as_unknown_whatever_it_is_called(
    kind: type[errors.TiliaError], structured: bool
) -> None:
    error = kind.__new__(kind)
    error.__dict__.update(took_effect=None, structured=structured)
    assert error.took_effect is None
    assert state_after(error) is RecordState.UNKNOWN


# --- In time ----------------------------------------------------------------------------------------------------------


class Held:
    """Another process that writes to the ledger for a long time."""

    def __init__(self, directory: Path) -> None:
        self.database = sqlite3.connect(directory / "blocks.db", isolation_level=None)

    def hold(self) -> None:
        if not self.database.in_transaction:
            self.database.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        if self.database.in_transaction:
            self.database.execute("ROLLBACK")

    def close(self) -> None:
        self.let_go()
        self.database.close()


@pytest.mark.asyncio
@EVERY_WAY
async def test_a_ledger_that_is_slow_to_settle_holds_no_call_back_and_is_told_later(
    tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        async with recorded_client(Answering(other.hold), tmp_path) as (tilia, ledger):
            loop = asyncio.get_running_loop()
            began = loop.time()
            await BLOCKS[way](tilia, "acct_1", RequestOptions(timeout=0.5))
            assert loop.time() - began < 0.5 + LATE + BUSY
            (record,) = await ledger.history("acct_1")
            assert (record.state, record.settled_at) == (RecordState.INTENDED, None)
            assert await listed(ledger.blocked()) == []
            assert "not on record yet" in caplog.text
            other.let_go()
            (record,) = await history_when(ledger, "acct_1", lambda found: found[0].settled_at)
            assert record.state is RecordState.CONFIRMED


@pytest.mark.asyncio
@EVERY_WAY
async def test_a_call_without_an_answer_ends_in_time_whatever_the_ledger_does(tmp_path: Path, way: str) -> None:
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        async with recorded_client(Answering(other.hold, silent=True), tmp_path) as (tilia, ledger):
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(errors.TiliaError) as late:
                await BLOCKS[way](tilia, "acct_1", RequestOptions(timeout=0.5))
            assert loop.time() - began < 0.5 + LATE + BUSY
            assert late.value.took_effect is None
            other.let_go()
            (record,) = await history_when(ledger, "acct_1", lambda found: found[0].settled_at)
            assert record.state is RecordState.UNKNOWN


@pytest.mark.asyncio
@EVERY_WAY
@pytest.mark.parametrize("cancellations", [1, 2])
async def test_a_cancelled_call_ends_in_time_whatever_the_ledger_does(
    tmp_path: Path, way: str, cancellations: int
) -> None:
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        answering = Answering(other.hold, silent=True)
        async with recorded_client(answering, tmp_path) as (tilia, ledger):
            call = asyncio.ensure_future(BLOCKS[way](tilia, "acct_1", None))
            await answering.came.wait()
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _ in range(cancellations):
                call.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await call
            assert loop.time() - began < LATE + BUSY
            other.let_go()
            (record,) = await history_when(ledger, "acct_1", lambda found: found[0].settled_at)
            assert (record.state, record.error) == (RecordState.UNKNOWN, "the call was cancelled")


@pytest.mark.asyncio
async def test_a_call_that_its_caller_gives_up_waits_a_little_for_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tilia_async.ledger.calls.SETTLING_SECONDS", 10.0)
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        answering = Answering(other.hold, silent=True)
        async with recorded_client(answering, tmp_path) as (tilia, ledger):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as together:
                    together.start_soon(tilia.accounts.block, "acct_1")
                    await answering.came.wait()
                    asyncio.get_running_loop().call_later(0.3, other.let_go)
                    scope.cancel()
            (record,) = await ledger.history("acct_1")
    assert (record.state, record.error) == (RecordState.UNKNOWN, "the call was cancelled")


@pytest.mark.asyncio
async def test_what_the_ledger_took_is_no_more_there_for_the_call(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        async with recorded_client(Answering(silent=True), tmp_path) as (tilia, _):
            other.hold()
            loop = asyncio.get_running_loop()
            loop.call_later(0.7, other.let_go)
            began = loop.time()
            with pytest.raises(errors.TiliaError):
                await tilia.accounts.block("acct_1", options=RequestOptions(timeout=1.0))
            assert loop.time() - began < 1.0 + LATE + BUSY


@pytest.mark.asyncio
@EVERY_WAY
@pytest.mark.parametrize("opened", [True, False])
async def test_a_ledger_that_is_slow_to_begin_with_lets_nothing_be_sent(tmp_path: Path, way: str, opened: bool) -> None:
    answering = Answering()
    async with hostile_server(answering.serve) as server:
        ledger = BlockLedger.open(url_in(tmp_path))
        if opened:
            await ledger.history("acct_1")
        async with client_of(server.template, ledger=ledger) as tilia:
            with closing(Held(tmp_path)) as other:
                other.database.execute("BEGIN IMMEDIATE" if opened else "BEGIN EXCLUSIVE")
                loop = asyncio.get_running_loop()
                began = loop.time()
                with pytest.raises(errors.DeadlineExceededError, match="ledger") as late:
                    await BLOCKS[way](tilia, "acct_1", RequestOptions(timeout=0.3))
                assert loop.time() - began < 0.3 + LATE + BUSY
            assert late.value.took_effect is False
            assert late.value.operation in {BLOCK.name, CAPABILITY.name}
            if opened:
                (record,) = await history_when(ledger, "acct_1", lambda found: found and found[0].settled_at)
                assert record.state is RecordState.FAILED
            else:
                assert await ledger.history("acct_1") == []
        await ledger.aclose()
    assert answering.arrived == []


@pytest.mark.asyncio
async def test_what_cannot_be_settled_is_told_also_when_nobody_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(Held(tmp_path)) as other:
        async with recorded_client(Answering(other.hold), tmp_path) as (tilia, ledger):
            await tilia.accounts.block("acct_1", options=RequestOptions(timeout=0.3))
            caplog.clear()
            other.database.execute("DROP TABLE tilia_block_records")
            other.database.execute("COMMIT")
            await ledger.aclose()
    told = [each for each in caplog.records if each.levelno == logging.ERROR]
    (message,) = [each.getMessage() for each in told]
    assert message.startswith("what 1 calls left to the ledger is not on record: ")
    assert message.endswith("no such table: tilia_block_records (OperationalError)")


@pytest.mark.asyncio
async def test_a_call_that_ends_with_what_nobody_expected_is_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with recorded_client(Answering(), tmp_path) as (tilia, ledger):
        await tilia.accounts.block("acct_1")

        async def exchange(*_: object) -> object:
            raise ZeroDivisionError

        monkeypatch.setattr(type(tilia._pool), "send_once", exchange)
        with pytest.raises(ZeroDivisionError):
            await tilia.accounts.block("acct_2")
        (record,) = await history_when(ledger, "acct_2", lambda found: found and found[0].settled_at)
    assert (record.state, record.error) == (RecordState.UNKNOWN, "the call ended with ZeroDivisionError")


@pytest.mark.asyncio
async def test_a_ledger_that_is_closed_under_a_call_is_told_and_stays_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answered = asyncio.Event()
    scripted = ScriptedTilia(waits_for(answered))
    async with hostile_server(scripted.serve) as server:
        async with BlockLedger.open(url_in(tmp_path)) as ledger:
            tilia = client_of(server.template, ledger=ledger)
            call = asyncio.create_task(tilia.accounts.block("acct_1"))
            async with asyncio.timeout(10):
                while not scripted.arrived:  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0.01)
        answered.set()
        assert (await call).is_blocked
        await tilia.aclose()
    assert "stays on record as intended, although it is confirmed: the ledger is closed" in caplog.text
    assert not [each for each in threading.enumerate() if each.name == "tilia-ledger"]


def waits_for(event: asyncio.Event) -> Callable[[ScriptedTilia, str], Awaitable[Reply]]:
    async def answer(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        await event.wait()
        return DONE

    return answer


# --- Claims -----------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_job_sends_nothing_while_its_lease_is_not_live(tmp_path: Path) -> None:
    """It waits for its turn, and its lease runs out meanwhile: another run may have the accounts in hand."""
    refused = asyncio.Event()

    async def answers(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        if refused.is_set():
            return DONE
        other.hold()
        refused.set()
        return failing(429, retry_after="1")

    with closing(sqlite3.connect(tmp_path / "blocks.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    scripted = ScriptedTilia(answers)
    with closing(Held(tmp_path)) as other:
        async with hostile_server(scripted.serve) as server:
            async with BlockLedger.open(url_in(tmp_path), lease=0.4) as ledger:
                async with client_of(server.template, ledger=ledger) as tilia:
                    job = asyncio.create_task(tilia.bulk.block(ids(2), "spam", job_id="wave", concurrency=1))
                    await refused.wait()
                    await asyncio.sleep(1.8)
                    assert len(scripted.arrived) == 1
                    other.let_go()
                    report = await job
    assert report.counts[BulkOutcome.DONE] == 2
    assert len(scripted.arrived) == 3
