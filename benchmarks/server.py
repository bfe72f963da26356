"""The server that all contenders ask: a raw asyncio protocol on a core of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import attrs

from benchmarks.answers import ANSWER, BLOCKED, HELD_PATH, LATE, LATENCY, REGISTER_PATH, REGISTERED, TOKEN
from benchmarks.cores import pin
from benchmarks.loops import new_loop
from benchmarks.open_files import allow_many_open_files

BLOCK = b"/block HTTP/1.1"
REGISTER = f"POST {REGISTER_PATH} ".encode()
LATE_BLOCK = f"POST {LATE}/".encode()
HELD = f"GET {HELD_PATH} ".encode()
ISSUED = "how many tokens were issued?"
ENOUGH = "enough"


class Answers(asyncio.Protocol):
    """Answers the account to each GET, yes to each block, itself to a registration, and a token to any other POST.

    Requests come whole: they are small, and on loopback.
    """

    issued = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received.startswith(b"GET "):
            if self.received.endswith(b"\r\n\r\n"):
                held = self.received.startswith(HELD)
                self.received = b""
                if not held:
                    self.transport.write(ANSWER)
        elif BLOCK in self.received:
            if self.received.endswith(b"\r\n\r\n"):
                late = self.received.startswith(LATE_BLOCK)
                self.received = b""
                if late:
                    asyncio.get_running_loop().call_later(LATENCY, self.transport.write, BLOCKED)
                else:
                    self.transport.write(BLOCKED)
        elif b"\r\n\r\n" in self.received and not self.received.endswith(b"\r\n\r\n"):
            registers = self.received.startswith(REGISTER)
            self.received = b""
            if registers:
                self.transport.write(REGISTERED)
            else:
                Answers.issued += 1
                self.transport.write(TOKEN)


def serve(cores: frozenset[int], orders: Connection) -> None:
    """The server's process."""
    pin(cores)
    allow_many_open_files()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        # As many wait to be accepted as the largest section opens at once.
        server = await loop.create_server(Answers, "127.0.0.1", 0, backlog=4096)
        orders.send(server.sockets[0].getsockname()[1])
        while await loop.run_in_executor(None, orders.recv) == ISSUED:
            orders.send(Answers.issued)

    new_loop("uvloop").run_until_complete(main())


@attrs.frozen
class Server:
    """A server that runs.

    Attributes:
        url: without a slash at its end.
    """

    url: str
    orders: Connection

    def tokens_issued(self) -> int:
        self.orders.send(ISSUED)
        return int(self.orders.recv())


@contextmanager
def running_server(cores: frozenset[int]) -> Iterator[Server]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(cores, theirs), name="server")
    process.start()
    theirs.close()
    try:
        yield Server(f"http://127.0.0.1:{ours.recv()}", ours)
    finally:
        ours.send(ENOUGH)
        process.join(10)
        ours.close()
