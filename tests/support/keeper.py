"""A server that ends idle connections on demand.

And the ways to end one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

from support.hostile import TOKEN, Connection


async def close(connection: Connection) -> None:
    """Send FIN, over TLS after a close_notify.

    Over TLS nothing more comes until the client answers that.
    """
    connection.writer.close()


async def abort(connection: Connection) -> None:
    """Abort without a farewell of TLS."""
    connection.writer.transport.abort()


async def complain(connection: Connection) -> None:
    """Complain as many load balancers do."""
    connection.writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.writer.close()


async def speak(connection: Connection) -> None:
    """Speak without being asked.

    It stays open, and holds what would be taken for the next answer.
    """
    await connection.answer(b'{"status":"Success","payload":{"of":"another"}}')


class Keeper:
    """A server in another thread, with idle connections.

    It ends them when it is told to.

    Attributes:
        accepted: connections in all.
    """

    def __init__(self, end: Callable[[Connection], Awaitable[None]] = close) -> None:
        self.accepted = 0
        self._end = end
        self._open: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._ended = threading.Semaphore(0)
        self._lock = threading.Lock()

    async def serve(self, connection: Connection) -> None:
        self.accepted += 1
        over = asyncio.Event()
        mine = asyncio.get_running_loop(), over
        with self._lock:
            self._open.add(mine)
        try:
            if not await self._served(connection, over):
                return
            await self._end(connection)
            for _ in range(5):
                await asyncio.sleep(0)
        finally:
            with self._lock:
                if mine in self._open:
                    self._open.remove(mine)
                else:
                    self._ended.release()
        await connection.reader.read()

    async def _served(self, connection: Connection, over: asyncio.Event) -> bool:
        """Answer until it is to be ended.

        False: the client ended it.
        """
        waiting = asyncio.ensure_future(over.wait())
        request: asyncio.Future[str | None] = waiting
        try:
            while True:
                request = asyncio.ensure_future(connection.request())
                await asyncio.wait([request, waiting], return_when=asyncio.FIRST_COMPLETED)
                if over.is_set():
                    return True
                line = request.result()
                if line is None:
                    return False
                await (connection.answer(TOKEN) if "/token" in line else connection.answer())
        finally:
            waiting.cancel()
            request.cancel()

    def end_idle(self) -> None:
        """End all idle connections.

        Blocks the loop that calls it, as a sleep would, until all are ended at this end.
        """
        with self._lock:
            ended, self._open = self._open, set()
        for loop, over in ended:
            loop.call_soon_threadsafe(over.set)
        for _ in ended:
            assert self._ended.acquire(timeout=10)
