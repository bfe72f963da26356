"""A stream says how far its job is, in both packages."""

from __future__ import annotations

import asyncio

import pytest
from support.hostile import hostile_server
from support.scripted import ScriptedTilia, client_of, ids

from tilia_async.bulk import BulkOutcome
from tilia_async.sandbox import Sandbox
from tilia_sync import TiliaClient as SyncClient


@pytest.mark.asyncio
async def test_a_stream_tells_how_far_it_is_before_it_begins_in_between_and_at_its_end() -> None:
    async with hostile_server(ScriptedTilia().serve) as server, client_of(server.template) as tilia:
        items = tilia.bulk.stream_block(ids(50), concurrency=4)
        assert (items.progress().total, items.progress().in_flight) == (0, 0)
        number = 0
        async for _ in items:
            number += 1
            progress = items.progress()
            assert number <= progress.total <= number + 2 * 4
            assert sum(progress.counts.values()) == progress.total
            assert 0 <= progress.in_flight <= 4
            assert 1 <= progress.limit <= 4
        end = items.progress()
        assert (end.total, end.counts[BulkOutcome.DONE], end.in_flight) == (50, 50, 0)
        assert end.elapsed > 0


@pytest.mark.asyncio
async def test_the_synchronous_stream_tells_it_too(sandbox: Sandbox) -> None:
    def drain() -> list[int]:
        with SyncClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
            items = tilia.bulk.stream_lookup([f"nobody_{number}" for number in range(20)], concurrency=4)
            totals = [items.progress().total]
            totals += [items.progress().total for _ in items]
            assert items.progress().counts[BulkOutcome.NOT_FOUND] == 20
            return totals

    totals = await asyncio.to_thread(drain)
    assert totals == sorted(totals)
    assert (totals[0], totals[-1], len(totals)) == (0, 20, 21)
