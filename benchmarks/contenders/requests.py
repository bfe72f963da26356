"""requests: as many threads as calls in flight, a session for each thread, which is what they may be used for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager

import orjson
import requests

from benchmarks.answers import ACCOUNT_PATH, TOKEN_TEXT
from benchmarks.contenders.load import POOL, Load, shares


def client() -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {TOKEN_TEXT}"
    return session


def get(session: requests.Session, url: str) -> object:
    response = session.get(url)
    response.raise_for_status()
    return orjson.loads(response.content)["payload"]


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Load]:
    with ExitStack() as opened, ThreadPoolExecutor(POOL) as threads:
        sessions = [opened.enter_context(client()) for _ in range(POOL)]

        def lane(session: requests.Session, share: int) -> None:
            for _ in range(share):
                get(session, url + ACCOUNT_PATH)

        async def load(in_flight: int, calls: int) -> None:
            # Nothing else runs in this loop, so it may wait.
            for _ in threads.map(lane, sessions, shares(in_flight, calls)):
                pass

        yield load
