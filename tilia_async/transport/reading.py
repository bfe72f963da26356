"""Connections that resume reading only after a pause.

aiohttp has each connection resume twice for each answer, paused or not, and once its parser is run on nothing for that.
"""

from __future__ import annotations

import asyncio
import functools

import aiohttp
from aiohttp.client_proto import ResponseHandler


class PausingHandler(ResponseHandler):
    """A connection that knows whether its reading pauses."""

    _pauses = False

    def pause_reading(self) -> None:
        self._pauses = True
        super().pause_reading()

    # A release says more or less about how to resume.
    def resume_reading(self, *args: bool, **named: bool) -> None:
        """Go on reading after a pause.

        What came meanwhile may make it pause again.
        """
        if self._pauses:
            self._pauses = False
            super().resume_reading(*args, **named)


def read_by_need(connector: aiohttp.BaseConnector, loop: asyncio.AbstractEventLoop) -> None:
    """Have a connector make such connections.

    There is no public way to choose their class. One whose connections aiohttp makes in another way is left as it is:
    then reading costs more.
    """
    made: object = getattr(connector, "_factory", None)
    if isinstance(made, functools.partial) and made.func is ResponseHandler:
        setattr(connector, "_factory", functools.partial(PausingHandler, loop=loop))  # noqa: B010 - see above
