"""primp, in Rust: one client, the header of the token, orjson; it is made to look like browsers, and not asked to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import orjson
import primp

from benchmarks.answers import ACCOUNT_PATH, TOKEN_TEXT
from benchmarks.contenders.load import Call, Load, in_lanes

HEADERS = {"Authorization": f"Bearer {TOKEN_TEXT}"}


async def get(client: primp.AsyncClient, url: str) -> object:
    response = await client.get(url)
    response.raise_for_status()
    return orjson.loads(response.content)["payload"]


def get_blocking(client: primp.Client, url: str) -> object:
    response = client.get(url)
    response.raise_for_status()
    return orjson.loads(response.content)["payload"]


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Load]:
    async with primp.AsyncClient(headers=HEADERS) as opened:
        yield in_lanes(lambda: get(opened, url + ACCOUNT_PATH))


@contextmanager
def blocking(url: str, _threads: int) -> Iterator[Callable[[], Call]]:
    """Open one client for all threads."""
    with primp.Client(headers=HEADERS) as opened:
        yield lambda: lambda: get_blocking(opened, url + ACCOUNT_PATH)
