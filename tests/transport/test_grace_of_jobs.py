"""Closing with a grace while something of several steps is under way: it ends well as one call, or is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from support.hostile import Connection, hostile_server
from support.interruption import assert_no_slot_is_held
from support.scripted import ONCE, client_of, ids

from tilia_async import TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.ledger.journal import Journal

pytestmark = pytest.mark.asyncio

FIRST_PAGE = (
    b'{"status":"Success","payload":{"total":2,"invoices":[{"invoice_id":"in_1","account_id":"acct_1",'
    b'"state":"OPEN","reference_type":"order","reference_id":"order-0","created":"2031-01-01T00:00:00Z"}]}}'
)
LAST_PAGE = b'{"status":"Success","payload":{"total":1,"invoices":[]}}'
BLOCKED = b'{"status":"Success","payload":{"is_blocked":true}}'


class Held:
    """Answers with ``body``; the request whose number is in ``stops``, only when it is told to."""

    def __init__(self, *bodies: bytes, stops: int = 1) -> None:
        self.bodies, self.stops = bodies, stops
        self.arrived, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, connection: Connection) -> None:
        while await connection.tokens() is not None:
            number = len(connection.server.requests)
            if number == self.stops:
                self.arrived.set()
                await self.go_on.wait()
            await connection.answer(self.bodies[min(number, len(self.bodies)) - 1])


@pytest_asyncio.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[BlockLedger]:
    async with BlockLedger.open(f"sqlite:///{tmp_path / 'blocks.db'}") as opened:
        yield opened


async def closing(tilia: TiliaClient, grace: float = 30) -> asyncio.Task[None]:
    """Begin to close, and let that come to where it waits."""
    task = asyncio.create_task(tilia.aclose(grace=grace))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_of_a_job_what_was_sent_settles_and_the_rest_is_left_to_its_next_run(ledger: BlockLedger) -> None:
    held = Held(BLOCKED, stops=3)
    async with hostile_server(held) as server:
        async with client_of(server.template, ledger=ledger, retry=ONCE) as tilia:
            job = asyncio.create_task(tilia.bulk.block(ids(10), concurrency=1, job_id="wave"))
            await held.arrived.wait()
            shut = await closing(tilia)
            assert not shut.done()
            held.go_on.set()
            await shut
            with pytest.raises(errors.BulkStoppedError) as caught:
                await job
            assert "the client is closed; run it again with job_id='wave'" in str(caught.value)
            assert caught.value.report.counts[BulkOutcome.DONE] == 3
            assert caught.value.took_effect is not False
            assert_no_slot_is_held(tilia)
        assert len(server.requests) == 3
        assert not [record async for record in ledger.records(state=RecordState.UNKNOWN)]
        async with client_of(server.template, ledger=ledger, retry=ONCE) as again:
            report = await again.bulk.block(ids(10), job_id="wave")
        assert (report.counts[BulkOutcome.DONE], report.counts[BulkOutcome.SKIPPED]) == (7, 3)
        assert len(server.requests) == 10


@pytest.mark.parametrize("how", ["typed", "send"])
async def test_a_recorded_block_that_waits_for_its_ledger_is_sent(
    ledger: BlockLedger, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    recording, go_on = held_up(monkeypatch)
    async with hostile_server(Held(BLOCKED, stops=0)) as server:
        async with client_of(server.template, ledger=ledger, retry=ONCE) as tilia:
            block = asyncio.create_task(block_of(tilia, how))
            await recording.wait()
            shut = await closing(tilia)
            assert not shut.done()
            with pytest.raises(errors.ClientClosedError):
                await block_of(tilia, how)
            go_on.set()
            await shut
            await block
        assert len(server.requests) == 1
    assert [record.state async for record in ledger.records()] == [RecordState.CONFIRMED]


async def test_a_recorded_block_that_waits_longer_than_the_grace_is_not_sent(
    ledger: BlockLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording, go_on = held_up(monkeypatch)
    async with hostile_server(Held(BLOCKED, stops=0)) as server:
        async with client_of(server.template, ledger=ledger, retry=ONCE) as tilia:
            block = asyncio.create_task(block_of(tilia, "typed"))
            await recording.wait()
            await tilia.aclose(grace=0.01)
            go_on.set()
            with pytest.raises(errors.ClientClosedError):
                await block
        assert server.requests == []
    assert [record.state async for record in ledger.records()] == [RecordState.FAILED]


async def test_a_look_up_of_several_requests_is_one_call() -> None:
    held = Held(FIRST_PAGE, LAST_PAGE, stops=1)
    async with hostile_server(held) as server:
        async with client_of(server.template, retry=ONCE) as tilia:
            sought = {"account_id": "acct_1", "reference_id": "order-1"}
            asked = asyncio.create_task(tilia.reconcile(OPERATIONS["invoices.create"], reference=sought))
            await held.arrived.wait()
            shut = await closing(tilia)
            assert not shut.done()
            with pytest.raises(errors.ClientClosedError):
                await tilia.reconcile(OPERATIONS["invoices.create"], reference=sought)
            held.go_on.set()
            await shut
            assert (await asked).reason
            assert_no_slot_is_held(tilia)
        assert len(server.requests) == 2


async def test_a_list_that_is_read_ends_with_an_error_at_its_next_page() -> None:
    held = Held(FIRST_PAGE, LAST_PAGE, stops=0)
    async with hostile_server(held) as server:
        async with client_of(server.template, retry=ONCE) as tilia:
            invoices = tilia.invoices.list("acct_1")
            await anext(invoices)
            shut = await closing(tilia)
            await shut
            with pytest.raises(errors.ClientClosedError):
                await anext(invoices)
        assert len(server.requests) == 1


def held_up(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Let the ledger wait with the first intent, as for another process's lock: that it waits, and the end of it."""
    recording, go_on = asyncio.Event(), asyncio.Event()
    intend = Journal.intend

    async def slowly(self: Journal, *arguments: Any) -> None:
        recording.set()
        await go_on.wait()
        await intend(self, *arguments)

    monkeypatch.setattr(Journal, "intend", slowly)
    return recording, go_on


async def block_of(tilia: TiliaClient, how: str) -> None:
    if how == "typed":
        await tilia.accounts.block("acct_1", "spam")
        return
    await tilia.send(OPERATIONS["accounts.block"], path={"account_id": "acct_1"})
