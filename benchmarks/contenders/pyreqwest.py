"""pyreqwest, in Rust: one client, the header of the token, its own JSON and its own check of the status."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from pyreqwest.client import Client, ClientBuilder, SyncClient, SyncClientBuilder

from benchmarks.answers import ACCOUNT_PATH, REGISTER_PATH, REGISTRATION, TOKEN_TEXT
from benchmarks.contenders.load import POOL, Call, Load, in_lanes

HEADERS = {"Authorization": f"Bearer {TOKEN_TEXT}"}


def client() -> Client:
    return ClientBuilder().max_connections(POOL).default_headers(HEADERS).error_for_status().build()


async def get(client: Client, url: str) -> object:
    response = await client.get(url).build().send()
    return (await response.json())["payload"]


async def post(client: Client, url: str) -> object:
    response = await client.post(url).body_json(REGISTRATION).build().send()
    return (await response.json())["payload"]


def get_blocking(client: SyncClient, url: str) -> object:
    return client.get(url).build().send().json()["payload"]


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Load]:
    async with client() as opened:
        yield in_lanes(lambda: get(opened, url + ACCOUNT_PATH))


@asynccontextmanager
async def posting(url: str) -> AsyncIterator[Load]:
    """Load it with POSTs of a JSON body."""
    async with client() as opened:
        yield in_lanes(lambda: post(opened, url + REGISTER_PATH))


@contextmanager
def blocking(url: str, threads: int) -> Iterator[Callable[[], Call]]:
    """Open one client for all threads."""
    builder = SyncClientBuilder().max_connections(threads).default_headers(HEADERS).error_for_status()
    with builder.build() as opened:
        yield lambda: lambda: get_blocking(opened, url + ACCOUNT_PATH)
