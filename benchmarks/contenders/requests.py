"""requests: a session for each thread, the header of the token, orjson."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager

import orjson
import requests

from benchmarks.answers import ACCOUNT_PATH, TOKEN_TEXT
from benchmarks.contenders.load import POOL, Call, Load, shares


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


@contextmanager
def blocking(url: str, _threads: int) -> Iterator[Callable[[], Call]]:
    """Open a session for each thread, which is what they may be used for."""
    with ExitStack() as opened:

        def of_a_thread() -> Call:
            session = opened.enter_context(client())
            return lambda: get(session, url + ACCOUNT_PATH)

        yield of_a_thread
