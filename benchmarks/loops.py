"""The event loops that are compared."""

from __future__ import annotations

import asyncio
from typing import Literal

Loop = Literal["asyncio", "uvloop"]


def new_loop(kind: Loop) -> asyncio.AbstractEventLoop:
    if kind == "asyncio":
        return asyncio.SelectorEventLoop()
    import uvloop  # noqa: PLC0415 - a process with asyncio's loop does without it

    return uvloop.new_event_loop()
