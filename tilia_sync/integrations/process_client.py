"""The one client of a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tilia_sync.client import TiliaClient

_CLIENT: Final = "client"


class ProcessClient:
    """Holder of a client.

    It makes the client with the first use, and works in parent and child after a fork, as the client does.

    Args:
        connect: makes the client.
    """

    def __init__(self, connect: Callable[[], TiliaClient]) -> None:
        self._connect = connect
        # A dictionary, because that is changed in one step. A client that comes second has opened nothing.
        self._made: dict[str, TiliaClient] = {}

    def get(self) -> TiliaClient:
        """Return the client.

        Raises:
            ConfigurationError: a setting is missing or wrong.
        """
        return self._made.get(_CLIENT) or self._made.setdefault(_CLIENT, self._connect())

    def close(self, grace: float = 0.0) -> None:
        """Close the client, if there is one.

        The next use makes another.
        """
        client = self._made.pop(_CLIENT, None)
        if client is not None:
            client.close(grace)
