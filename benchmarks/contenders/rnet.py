"""rnet, in Rust: one client, the header of the token, orjson."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import orjson
import rnet

from benchmarks.answers import ACCOUNT_PATH, TOKEN_TEXT
from benchmarks.contenders.load import POOL, Call, Load, in_lanes

HEADERS = {"Authorization": f"Bearer {TOKEN_TEXT}"}


class RefusedError(Exception):
    """An answer that is none of success; rnet leaves it to its user to see that."""


async def get(client: rnet.Client, url: str) -> object:
    response = await client.get(url)
    if not response.ok:
        raise RefusedError
    return orjson.loads(await response.bytes())["payload"]


def get_blocking(client: rnet.BlockingClient, url: str) -> object:
    response = client.get(url)
    if not response.ok:
        raise RefusedError
    return orjson.loads(response.bytes())["payload"]


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Load]:
    opened = rnet.Client(default_headers=HEADERS, pool_max_size=POOL, http1_only=True)
    yield in_lanes(lambda: get(opened, url + ACCOUNT_PATH))


@contextmanager
def blocking(url: str, threads: int) -> Iterator[Callable[[], Call]]:
    """Open one client for all threads."""
    opened = rnet.BlockingClient(default_headers=HEADERS, pool_max_size=threads, http1_only=True)
    yield lambda: lambda: get_blocking(opened, url + ACCOUNT_PATH)
