"""Keeps calls in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

POOL = 100
"""Connections that each contender may have: the default of aiohttp and of httpx."""

Call = Callable[[], object]
"""Ask, and wait for the answer."""
Load = Callable[[int, int], Awaitable[object]]
"""Make calls, so many in flight, so many in all."""


def shares(in_flight: int, calls: int) -> list[int]:
    """Number of calls that each lane makes."""
    return [calls // in_flight + (lane < calls % in_flight) for lane in range(in_flight)]


def in_lanes(call: Callable[[], Awaitable[object]]) -> Load:
    """A task for each call in flight, which makes one call after the other."""

    async def load(in_flight: int, calls: int) -> None:
        async def lane(share: int) -> None:
            for _ in range(share):
                await call()

        async with asyncio.TaskGroup() as group:
            for share in shares(in_flight, calls):
                group.create_task(lane(share))

    return load
