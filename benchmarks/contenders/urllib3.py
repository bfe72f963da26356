"""urllib3: one pool manager, the header of the token, orjson."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import orjson
import urllib3

from benchmarks.answers import ACCOUNT_PATH, TOKEN_TEXT
from benchmarks.contenders.load import Call


class RefusedError(Exception):
    """An answer that is none of success; urllib3 leaves it to its user to see that."""


def get(manager: urllib3.PoolManager, url: str) -> object:
    response = manager.request("GET", url)
    if response.status != 200:
        raise RefusedError
    return orjson.loads(response.data)["payload"]


@contextmanager
def blocking(url: str, threads: int) -> Iterator[Callable[[], Call]]:
    """Open one pool for all threads."""
    with urllib3.PoolManager(maxsize=threads, headers={"Authorization": f"Bearer {TOKEN_TEXT}"}) as opened:
        yield lambda: lambda: get(opened, url + ACCOUNT_PATH)
