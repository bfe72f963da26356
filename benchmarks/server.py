"""The server that all contenders ask: a raw asyncio protocol on a core of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import cast

import attrs

from benchmarks.answers import (
    ANSWER,
    BLOCKED,
    DISTANT,
    DISTANT_LATENCY,
    HELD_PATH,
    LATE,
    LATENCY,
    REGISTER_PATH,
    REGISTERED,
    TOKEN,
)
from benchmarks.cores import pin
from benchmarks.loops import new_loop
from benchmarks.open_files import allow_many_open_files

BLOCK = b"/block HTTP/1.1"
REGISTER = f"POST {REGISTER_PATH} ".encode()
LATENCIES = {f"POST {LATE}/".encode(): LATENCY, f"POST {DISTANT}/".encode(): DISTANT_LATENCY}
HELD = f"GET {HELD_PATH} ".encode()
ISSUED = "how many tokens were issued?"
BUSY = "how much was in flight so far?"
WAKE = "do not sleep"
SLEEP = "sleep when there is nothing to do"
ENOUGH = "enough"


@attrs.frozen
class Busy:
    """The blocks that were answered late.

    Attributes:
        at: seconds, on the server's clock.
        answered: how many have their answer.
        waited: seconds that they, and those in flight, have spent at the server, all together.
    """

    at: float
    answered: int
    waited: float

    def in_flight_since(self, before: Busy) -> float:
        """Return the mean number in flight between two looks."""
        return (self.waited - before.waited) / (self.at - before.at)


class Waiting:
    """Counts the blocks that wait for their answer, and for how long."""

    def __init__(self) -> None:
        self._in_flight, self._answered, self._waited, self._at = 0, 0, 0.0, 0.0

    def changed(self, now: float, by: int = 0) -> Busy:
        self._waited += self._in_flight * (now - self._at)
        self._at = now
        self._in_flight += by
        self._answered += by < 0
        return Busy(now, self._answered, self._waited)


class Answers(asyncio.Protocol):
    """Answers the account to each GET, yes to each block, itself to a registration, and a token to any other POST.

    Requests come whole: they are small, and on loopback.
    """

    issued = 0
    waiting = Waiting()

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
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
                path = self.received[: self.received.index(b"/", len(b"POST /")) + 1]
                self.received = b""
                if path in LATENCIES:
                    self.answer_late(LATENCIES[path])
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

    def answer_late(self, latency: float) -> None:
        loop = asyncio.get_running_loop()
        self.waiting.changed(loop.time(), +1)
        loop.call_later(latency, self.answer_now)

    def answer_now(self) -> None:
        self.waiting.changed(asyncio.get_running_loop().time(), -1)
        self.transport.write(BLOCKED)


class Wakefulness:
    """Keeps the server's loop awake on its own core, while it is told to.

    To wake a sleeping server is the sender's work, which in a virtual machine takes longer than to send. No client has
    that work where the server is another machine.
    """

    def __init__(self) -> None:
        self._awake = False

    def wake(self) -> None:
        self._awake = True
        self._turn()

    def sleep(self) -> None:
        self._awake = False

    def _turn(self) -> None:
        if self._awake:
            asyncio.get_running_loop().call_soon(self._turn)


def serve(cores: frozenset[int], orders: Connection) -> None:
    """The server's process."""
    pin(cores)
    allow_many_open_files()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        # As many wait to be accepted as the largest section opens at once.
        server = await loop.create_server(Answers, "127.0.0.1", 0, backlog=4096)
        orders.send(server.sockets[0].getsockname()[1])
        wakefulness = Wakefulness()
        told: dict[str, Callable[[], object]] = {
            WAKE: wakefulness.wake,
            SLEEP: wakefulness.sleep,
            ISSUED: lambda: Answers.issued,
            BUSY: lambda: Answers.waiting.changed(loop.time()),
        }
        while (order := await loop.run_in_executor(None, orders.recv)) in told:
            orders.send(told[order]())

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

    def busy(self) -> Busy:
        self.orders.send(BUSY)
        busy: Busy = self.orders.recv()
        return busy

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Keep it from sleeping, which no client is to pay for."""
        self._order(WAKE)
        try:
            yield
        finally:
            self._order(SLEEP)

    def _order(self, order: str) -> None:
        self.orders.send(order)
        self.orders.recv()


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
