"""pycurl: one handle, the header of the token, a buffer for each answer, orjson."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import orjson
import pycurl

from benchmarks.answers import ACCOUNT_PATH, TOKEN_TEXT
from benchmarks.contenders.load import Call


def handle(url: str) -> pycurl.Curl:
    made = pycurl.Curl()
    made.setopt(pycurl.URL, url)
    made.setopt(pycurl.HTTPHEADER, [f"Authorization: Bearer {TOKEN_TEXT}"])
    # A status of 400 or more is an error; and no signals, for threads.
    made.setopt(pycurl.FAILONERROR, 1)
    made.setopt(pycurl.NOSIGNAL, 1)
    return made


def get(curl: pycurl.Curl) -> object:
    received = io.BytesIO()
    curl.setopt(pycurl.WRITEDATA, received)
    curl.perform()
    return orjson.loads(received.getvalue())["payload"]


@contextmanager
def blocking(url: str, _threads: int) -> Iterator[Callable[[], Call]]:
    """Open a handle for each thread, which is all that may use it."""
    with ExitStack() as opened:

        def of_a_thread() -> Call:
            curl = opened.enter_context(closing(handle(url + ACCOUNT_PATH)))
            return lambda: get(curl)

        yield of_a_thread
