"""niquests: one session, the header of the token, orjson."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import niquests
import orjson

from benchmarks.answers import ACCOUNT_PATH, TOKEN_TEXT
from benchmarks.contenders.load import POOL, Call, Load, in_lanes


async def get(session: niquests.AsyncSession, url: str) -> object:
    response = await session.get(url)
    response.raise_for_status()
    return orjson.loads(response.content or b"")["payload"]


def get_blocking(session: niquests.Session, url: str) -> object:
    response = session.get(url)
    response.raise_for_status()
    return orjson.loads(response.content or b"")["payload"]


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Load]:
    async with niquests.AsyncSession(pool_maxsize=POOL) as opened:
        opened.headers["Authorization"] = f"Bearer {TOKEN_TEXT}"
        yield in_lanes(lambda: get(opened, url + ACCOUNT_PATH))


@contextmanager
def blocking(url: str, threads: int) -> Iterator[Callable[[], Call]]:
    """Open one session for all threads."""
    with niquests.Session(pool_maxsize=threads) as opened:
        opened.headers["Authorization"] = f"Bearer {TOKEN_TEXT}"
        yield lambda: lambda: get_blocking(opened, url + ACCOUNT_PATH)
