"""Records of requests to the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs
import orjson

from tilia_async.json_value import JsonValue
from tilia_async.sandbox.faults import Fault


@attrs.define(eq=False)
class RecordedRequest:
    """A request as it arrived, and what became of it.

    ``headers``, ``body`` and ``answer`` are true, for tests; ``repr`` leaves them out. The attributes from ``status``
    on are set when the answer goes out.

    Attributes:
        operation: the name of the operation whose route it took, or None.
        service: the first segment of the URL.
        path: the rest of the path as it came, still percent-encoded.
        query: the query string as it came.
        template: the operation's path with its parameters' names, the service before it; None without an operation.
        number: counts the requests since the start, from 1.
        time: when it arrived, by the sandbox's clock.
        status: None until it is answered, and for good where the connection was dropped.
        answer: the body of the answer; None as ``status``.
        fault: the one that it met.
        lies: those that it met, besides.
        elapsed: seconds until the answer was out, or the connection dropped.
        dropped: the connection was cut, by a fault or by the client, before the answer was out.
    """

    operation: str | None
    method: str
    service: str
    path: str
    query: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    template: str | None = attrs.field(default=None, repr=False)
    number: int = 0
    time: datetime = attrs.field(factory=lambda: datetime.now(UTC), repr=False)
    status: int | None = None
    answer: bytes | None = attrs.field(default=None, repr=False)
    fault: Fault | None = None
    lies: tuple[Fault, ...] = ()
    elapsed: float | None = attrs.field(default=None, repr=False)
    dropped: bool = False

    @property
    def json(self) -> JsonValue:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        value: JsonValue = orjson.loads(self.body)
        return value
