"""A way to a server that falls silent on demand.

To PostgreSQL, or to another one; it can be cut as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import attrs


@attrs.define
class Relay:
    """A relay between a test and a server.

    It has a thread of its own, and outlives the event loops of the test.

    Attributes:
        url: the server through it.
        cut: closes what is connected; new connections are made as before.
        connections: how many there were.
        is_silent: nothing that is sent arrives any more, and nobody is told.
        is_mute: what is sent arrives, and no answer comes back.
        delay: seconds by which each answer is late.
    """

    url: str
    cut: Callable[[], object] = attrs.field(init=False)
    connections: int = 0
    is_silent: bool = False
    is_mute: bool = False
    delay: float = 0.0


@contextmanager
def relayed(url: str, port: int = 5432) -> Iterator[Relay]:
    """Open a relay to a server.

    Args:
        port: of a URL that names none.
    """
    opened: Future[tuple[Relay, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(url, port, opened)))
    thread.start()
    relay, loop, enough = opened.result(10)
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(enough.set)
        thread.join()


async def _serve(url: str, port: int, opened: Future[tuple[Relay, asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    parts, enough = urlsplit(url), asyncio.Event()
    relay = Relay(url)
    ways: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65536):
                    if back and relay.delay:
                        await asyncio.sleep(relay.delay)
                    if not relay.is_silent and not (back and relay.is_mute):
                        writer.write(data)
        finally:
            writer.close()

    async def relay_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(parts.hostname, parts.port or port)
        relay.connections += 1
        ways.update(
            {asyncio.create_task(carry(reader, back, back=False)), asyncio.create_task(carry(there, writer, back=True))}
        )

    async with await asyncio.start_server(relay_one, "127.0.0.1", 0) as server:
        here = server.sockets[0].getsockname()[1]
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        relay.url = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{here}"))
        loop = asyncio.get_running_loop()

        def cut() -> None:
            for way in ways:
                way.cancel()

        relay.cut = partial(loop.call_soon_threadsafe, cut)
        opened.set_result((relay, loop, enough))
        await enough.wait()
        cut()
        await asyncio.gather(*ways, return_exceptions=True)
