"""A fleet with batches of ten, so that a few accounts are several."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from support.fleet_worker import Scene, scene
from support.postgres import new_database


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilia_async.fleet.planning.IN_A_BATCH", 10)


@pytest_asyncio.fixture
async def fleet() -> AsyncIterator[Scene]:
    async with new_database() as url, scene(url) as opened:
        yield opened
