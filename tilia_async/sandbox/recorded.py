"""Records of requests to the sandbox."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import orjson

from tilia_async.json_value import JsonValue


@attrs.frozen
class RecordedRequest:
    """A request as it arrived.

    ``headers`` and ``body`` are true, for tests; ``repr`` leaves them out.

    Attributes:
        operation: the name of the operation whose route it took, or None.
        service: the first segment of the URL.
        path: the rest of the path as it came, still percent-encoded.
        query: the query string as it came.
    """

    operation: str | None
    method: str
    service: str
    path: str
    query: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)

    @property
    def json(self) -> JsonValue:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        value: JsonValue = orjson.loads(self.body)
        return value
