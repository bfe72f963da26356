"""The floor: a socket that blocks, the bytes of the request out, those of the answer in, and no HTTP and no JSON."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from benchmarks.answers import ANSWER
from benchmarks.contenders.load import Call
from benchmarks.contenders.raw_socket import REQUEST


def get(connection: socket.socket) -> None:
    connection.sendall(REQUEST)
    missing = len(ANSWER)
    while missing:
        missing -= len(connection.recv(missing))


@contextmanager
def blocking(url: str, _threads: int) -> Iterator[Callable[[], Call]]:
    """Open a connection for each thread."""
    parts = urlsplit(url)
    with ExitStack() as opened:

        def of_a_thread() -> Call:
            connection = opened.enter_context(socket.create_connection((parts.hostname, parts.port)))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return lambda: get(connection)

        yield of_a_thread
