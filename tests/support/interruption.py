"""Interruption of a coroutine.

Ways to do so at its n-th suspension, and to see what a client has left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from ssl import SSLContext
from typing import Any, TypeVar

import attrs

from support.hostile import HostileServer, Script, hostile_server
from tilia_async import TiliaClient

T = TypeVar("T")


@attrs.define(eq=False)
class Interrupted(Awaitable[T]):
    """An awaitable that strikes at the n-th suspension.

    It awaits a call.

    Attributes:
        late: strike in the tick in which what it waits for has arrived, and not before.
        suspensions: how many there were.
    """

    call: Coroutine[Any, Any, T]
    at: int
    strike: Callable[[], object]
    late: bool = False
    suspensions: int = 0

    def __await__(self) -> Generator[Any, Any, T]:
        resume = partial(self.call.send, None)
        while True:
            try:
                waits_for = resume()
            except StopIteration as end:
                return end.value
            self.suspensions += 1
            if self.suspensions == self.at:
                self._strike(waits_for)
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the call's
                resume = partial(self.call.throw, error)
            else:
                resume = partial(self.call.send, sent)

    def _strike(self, waits_for: asyncio.Future[Any] | None) -> None:
        if not self.late:
            self.strike()
        elif waits_for is None:
            asyncio.get_running_loop().call_soon(self.strike)
        else:
            # Called before the task's own callback, which is added after this.
            waits_for.add_done_callback(lambda _: self.strike())


@contextmanager
def elsewhere(script: Script, tls: SSLContext | None = None) -> Iterator[HostileServer]:
    """Run a hostile server in a thread of its own.

    All tasks of this loop are the client's then.
    """
    started: list[HostileServer] = []
    ready = threading.Event()
    ended: list[Callable[[], object]] = []

    async def serve() -> None:
        end = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with hostile_server(script, tls) as server:
            started.append(server)
            ended.append(lambda: loop.call_soon_threadsafe(end.set))
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield started[0]
    finally:
        ended[0]()
        thread.join()


_others: set[int] = set()
"""Inodes of sockets that earlier tests left.

They have no peer, and wait for the garbage collector.
"""


def forget_sockets() -> None:
    """Leave out sockets without a peer from now on."""
    _others.clear()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found = os.fstat(int(name))
            if stat.S_ISSOCK(found.st_mode):
                with socket.socket(fileno=os.dup(int(name))) as one:
                    if one.family == socket.AF_INET and _peer(one) is None:
                        _others.add(found.st_ino)


def sockets_to(port: int) -> int:
    """Count the sockets that lead to that port.

    Sockets of this process that are connected to it, were, or are connecting.
    """
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            status = os.fstat(int(name))
            if not stat.S_ISSOCK(status.st_mode) or status.st_ino in _others:
                continue
            copy = os.dup(int(name))
        except OSError:
            # The one that listed them, or one of a server that has been closed meanwhile.
            continue
        with socket.socket(fileno=copy) as one:
            if one.family == socket.AF_INET and not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                found += _peer(one) in {port, None}
    return found


def _peer(connected: socket.socket) -> int | None:
    try:
        port: int = connected.getpeername()[1]
    except OSError:
        return None
    return port


async def settled(*, port: int, idle: int) -> None:
    """Wait, but not long, for sockets to close.

    Until no more are open than there are idle connections.
    """
    for turn in range(400):
        if sockets_to(port) <= idle:
            return
        # A transport closes its socket one turn of the loop after it is told to; TLS says goodbye before.
        await asyncio.sleep(0 if turn < 20 else 0.005)
    raise AssertionError(f"{sockets_to(port)} sockets are open, {idle} connections are idle")


def tasks_left() -> set[asyncio.Task[Any]]:
    """Return all tasks but the one that asks."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task() and not task.done()}


def flights_left() -> set[asyncio.Task[Any]]:
    """Return the tasks that fetch a token.

    They belong to the cache.
    """
    return {task for task in tasks_left() if task.get_name() == "tilia token"}


def assert_no_slot_is_held(tilia: TiliaClient) -> int:
    """Assert that nothing waits and nothing is in use.

    Returns how many connections are idle.
    """
    pool = tilia._pool
    assert (pool.waiting, pool.busy, pool.running) == (0, 0, 0)
    idle = 0
    for part in pool._parts.values():
        assert not part.places._taken_to
        if part.session is None:
            continue
        connector = part.session.connector
        assert connector is not None
        if part.direct is not None:
            # What is at hand for the rest of this turn of the loop would be given back in the next.
            part.direct.give_back()
        assert not connector._acquired
        assert not any(connector._acquired_per_host.values())
        assert not any(connector._waiters.values())
        idle += sum(map(len, connector._conns.values()))
    return idle
