"""Names of a test's own in Redis."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from support.postgres import unavailable

SERVER = os.environ.get("TILIA_TEST_REDIS", "redis://127.0.0.1:6379/0")


@asynccontextmanager
async def new_prefix() -> AsyncIterator[str]:
    """Return a beginning of names that nobody else uses.

    What begins so is deleted afterwards. Where no server answers, the test is skipped, or fails under
    ``TILIA_REQUIRE_SERVICES=1``.
    """
    prefix = f"tilia-{uuid.uuid4().hex}:"
    async with Redis.from_url(SERVER) as redis:
        try:
            await redis.ping()
        except (OSError, RedisError) as error:
            unavailable(f"no Redis answers at TILIA_TEST_REDIS: {type(error).__name__}")
        try:
            yield prefix
        finally:
            async for name in redis.scan_iter(f"{prefix}*"):
                await redis.delete(name)


async def every_entry(prefix: str) -> AsyncIterator[bytes]:
    """Return all names and contents that begin so."""
    async with Redis.from_url(SERVER) as redis:
        async for name in redis.scan_iter(f"{prefix}*"):
            yield name
            yield await redis.dump(name)
