"""The floor: the bytes of the request out, the bytes of the answer in, and no task, no HTTP and no JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

from benchmarks.answers import ACCOUNT_PATH, ANSWER, TOKEN_TEXT
from benchmarks.contenders.load import Load, shares

REQUEST = f"GET {ACCOUNT_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN_TEXT}\r\n\r\n".encode()


class Lane(asyncio.Protocol):
    """A connection that asks again as soon as it is answered."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.missing = 0

    def run(self, calls: int) -> asyncio.Future[None]:
        self.left = calls
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ask()
        return self.done

    def ask(self) -> None:
        if not self.left:
            self.done.set_result(None)
            return
        self.left -= 1
        self.missing = len(ANSWER)
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if not self.missing:
            self.ask()


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Load]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 0
    lanes: list[Lane] = []

    async def load(in_flight: int, calls: int) -> None:
        while len(lanes) < in_flight:
            _, lane = await asyncio.get_running_loop().create_connection(Lane, host, port)
            lanes.append(lane)
        await asyncio.gather(*(lane.run(share) for lane, share in zip(lanes, shares(in_flight, calls), strict=False)))

    try:
        yield load
    finally:
        for lane in lanes:
            lane.transport.close()
