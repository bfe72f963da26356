"""A fleet behind PgBouncer in transaction mode: no notification arrives, and nothing else changes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.fleet_worker import is_finished, scene
from support.pooler import pooled
from support.postgres import new_database
from support.scripted import ids

pytestmark = pytest.mark.asyncio


async def test_a_job_behind_a_pooler_is_submitted_steered_and_done(tmp_path: Path) -> None:
    async with new_database() as url, pooled(url, tmp_path) as through, scene(through) as fleet:
        await fleet.tilia.fleet.submit(ids(60), job_id="wave")
        await fleet.tilia.fleet.pause("wave")
        await fleet.tilia.fleet.resume("wave")
        with fleet.worker():
            await fleet.tilia.fleet.work(concurrency=4, until_idle=True)
            status = await fleet.until(is_finished)
            assert status.settled == 60
        assert Counter(fleet.scripted.arrived) == Counter(ids(60))
