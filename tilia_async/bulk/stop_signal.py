"""A signal that stops a job, with its reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio


class StopSignal:
    """Nothing new is sent once it is called.

    Attributes:
        cause: why; None while the job goes on.
    """

    def __init__(self) -> None:
        self.cause: Exception | None = None
        self._called = asyncio.Event()
        self._then: list[Callable[[], None]] = []

    @property
    def called(self) -> bool:
        """Nothing new is to be sent."""
        return self._called.is_set()

    def then(self, do: Callable[[], None]) -> None:
        """Do something as soon as the job stops."""
        self._then.append(do)

    def call(self, cause: Exception) -> None:
        """Stop the job.

        The first cause is the one that is told.
        """
        if self.cause is None:
            self.cause = cause
        self._called.set()
        for do in self._then:
            do()

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than the job goes on."""
        with anyio.move_on_after(seconds):
            await self._called.wait()
