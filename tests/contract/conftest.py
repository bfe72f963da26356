"""Fixtures of the contract tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio
from support.declared import undeclared
from support.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tilia_async import TiliaClient


@pytest_asyncio.fixture
async def api() -> AsyncIterator[Recorder]:
    """Start a recording server, to which only what is declared may be sent."""
    async with Recorder() as recorder:
        yield recorder
        assert not [found for request in recorder.calls if (found := undeclared(request))]


@pytest_asyncio.fixture
async def tilia(api: Recorder) -> AsyncIterator[TiliaClient]:
    """Make a client of the recording server that tries everything once."""
    async with api.client() as client:
        yield client
