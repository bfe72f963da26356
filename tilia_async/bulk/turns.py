"""Who may send now."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

from tilia_async.bulk.pace import Pace
from tilia_async.bulk.stop import Stop


class Turns:
    """Lets as many workers send as the pace allows.

    Args:
        hindrance: what else keeps the next one back, on the monotonic clock: something to wait for, or None.

    Attributes:
        in_flight: how many have their turn.
    """

    def __init__(self, pace: Pace, stop: Stop, hindrance: Callable[[float], Awaitable[object] | None]) -> None:
        self.in_flight = 0
        self._pace = pace
        self._stop = stop
        self._hindrance = hindrance
        self._waiting: deque[asyncio.Future[None]] = deque()
        stop.then(lambda: self._wake(len(self._waiting)))

    async def take(self) -> bool:
        """Wait until one more may be in flight; False if nothing more is sent."""
        while not self._stop.called:
            now = monotonic()
            hold = self._pace.hold(now)
            hindrance = self._hindrance(now) if hold <= 0 else self._stop.pause(hold)
            if hindrance is not None:
                await hindrance
            elif self.in_flight < self._pace.limit:
                self.in_flight += 1
                return True
            else:
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(turn)
                await turn
        return False

    def give_back(self) -> None:
        """An answer came, or none will."""
        self.in_flight -= 1

    def let_go_on(self) -> None:
        """Wake as many as there is room for."""
        self._wake(self._pace.limit - self.in_flight)

    def _wake(self, number: int) -> None:
        while number > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                number -= 1
