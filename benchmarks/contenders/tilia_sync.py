"""The SDK's synchronous package: a typed call, with its token, deadline, retries and decoding into a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.answers import ACCOUNT_ID
from benchmarks.contenders.load import Call
from tilia_async.tokens import TokenCache
from tilia_sync import TiliaClient


def client(url: str) -> TiliaClient:
    return TiliaClient("id", "secret", f"{url}/{{service}}", token_cache=TokenCache())


@contextmanager
def blocking(url: str, _threads: int) -> Iterator[Callable[[], Call]]:
    """Open one client for all threads."""
    with client(url) as opened:
        yield lambda: lambda: opened.accounts.get(ACCOUNT_ID)
