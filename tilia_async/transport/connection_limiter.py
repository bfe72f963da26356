"""The connections that may be in use at once."""

from __future__ import annotations

import asyncio
import sys


class ConnectionLimiter:
    """Limit of connections, in total and per host.

    Each limiter is for one event loop.

    A place that is given back goes to whoever has waited longest of those who may have it. It is handed over, and
    not only announced: who is cancelled with a place in hand gives it back, so that none is lost. (aiohttp announces.
    Its limits are not used, but for those of a connector that is somebody else's.)

    Args:
        in_all: 0: any number.
        per_host: 0: any number.

    Attributes:
        taken: places in use.
        limits: told in words.
    """

    def __init__(self, in_all: int, per_host: int) -> None:
        self.in_use: int = 0
        self.limits: str = f"{in_all or 'any number'} in all, {per_host or 'any number'} per host"
        self._in_all = in_all or sys.maxsize
        self._per_host = per_host or sys.maxsize
        self._taken_to: dict[str, int] = {}
        self._waiting: dict[asyncio.Future[None], str] = {}

    @property
    def waiting(self) -> int:
        """Number of waiters for a place."""
        return len(self._waiting)

    def try_acquire(self, host: str) -> bool:
        """Take a place, if one is free.

        Then nobody waits who could have it.
        """
        taken = self._taken_to.get(host, 0)
        if self.in_use >= self._in_all or taken >= self._per_host:
            return False
        self.in_use += 1
        self._taken_to[host] = taken + 1
        return True

    async def acquire(self, host: str) -> None:
        """Wait for a place, and take it.

        It is given back by another.
        """
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = host
        try:
            await turn
        except BaseException:  # cancelled, or the loop has ended
            if self._waiting.pop(turn, None) is None:
                self.release(host)
            raise

    def release(self, host: str) -> None:
        """Give a place back, or to the next."""
        taken = self._taken_to[host]
        self.in_use -= 1
        if taken == 1:
            del self._taken_to[host]
        else:
            self._taken_to[host] = taken - 1
        if self._waiting and (self.in_use + 1 == self._in_all or taken == self._per_host):
            self._hand_over()

    def _hand_over(self) -> None:
        for turn, host in self._waiting.items():
            # One that is done was cancelled a moment ago, and will see that for itself.
            if not turn.done() and self.try_acquire(host):
                del self._waiting[turn]
                turn.set_result(None)
                return
