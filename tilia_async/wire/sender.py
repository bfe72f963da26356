"""The protocol between services and the transport.

What a service needs of the transport.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from tilia_async.config import RequestOptions
from tilia_async.json_value import Body
from tilia_async.wire.operation import Operation

T = TypeVar("T")


class Sender(Protocol):
    """Sends operations under a deadline, and returns their typed values."""

    @property
    def timeout(self) -> float:
        """Seconds for a whole call whose options do not say."""
        ...

    def under_way(self, operation: str) -> AbstractContextManager[Sender]:
        """Count a call of several steps as under way.

        Yields what sends its requests until the client's grace ends.

        Raises:
            ClientClosedError: the client is closed.
        """
        ...

    async def value(
        self,
        operation: Operation[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Body | None = None,
        options: RequestOptions | None = None,
    ) -> T:
        """Send an operation and return the value of its answer.

        Raises:
            TiliaError: the call failed, or may have.
        """
        ...
