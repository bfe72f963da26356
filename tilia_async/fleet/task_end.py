"""The end of tasks."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

_AGAIN_SECONDS: Final = 1.0
"""Seconds after which a task is cancelled once more."""


async def end(*tasks: asyncio.Task[None], grace: float = 0.0) -> None:
    """Cancel tasks, and wait for their end, whoever is cancelled.

    A driver may take being cancelled for a failure of its own, so it is said again.

    Args:
        grace: seconds that they may take for it.
    """
    left: set[asyncio.Task[None]] = set(tasks)
    while left:
        for each in left:
            each.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            _, left = await asyncio.wait(left, timeout=grace + _AGAIN_SECONDS)
