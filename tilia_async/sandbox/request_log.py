"""The log of requests, bounded in number and bytes."""

from __future__ import annotations

from typing import Final

import attrs
import orjson

from tilia_async.json_value import JsonValue
from tilia_async.sandbox.event_feed import Event, EventFeed
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.request_json import summary

MOST_BYTES = 67_108_864
REQUEST: Final = "request"
_REQUEST_BYTES: Final = 1_024
"""Size of a request beside its bodies, about."""


@attrs.define(eq=False)
class RequestLog:
    """The requests that arrived, in order.

    Attributes:
        record: how many of them are remembered at least.
        feed: is told of each request when it is over, and of one that waits before that, too.
    """

    record: int
    feed: EventFeed = attrs.field(factory=EventFeed, repr=False)
    requests: list[RecordedRequest] = attrs.field(factory=list[RecordedRequest])
    _bytes: int = 0
    _arrived: int = 0

    def arrive(self, request: RecordedRequest) -> None:
        """Remember a request."""
        self._arrived += 1
        request.number = self._arrived
        # Whoever empties the list begins anew.
        self._bytes = _size(request) + (self._bytes if self.requests else 0)
        self.requests.append(request)
        if len(self.requests) >= 2 * self.record:
            del self.requests[: -self.record]
            self._bytes = sum(map(_size, self.requests))
        self._keep_within_bytes()

    def wait(self, request: RecordedRequest) -> None:
        """Tell of a request that will last a while."""
        self.feed.publish(REQUEST, summary(request))

    def end(self, request: RecordedRequest, elapsed: float) -> None:
        """Note that a request is over."""
        request.elapsed = elapsed
        self._bytes += len(request.answer or b"")
        self._keep_within_bytes()
        self.feed.publish(REQUEST, summary(request))

    def clear(self) -> None:
        """Forget the requests; their numbers go on."""
        self.requests.clear()

    def find(self, number: int) -> RecordedRequest:
        """Return the request of a number.

        Raises:
            KeyError: there is none, or none any more.
        """
        for request in reversed(self.requests):
            if request.number == number:
                return request
        raise KeyError(f"there is no request {number}, or none any more")

    def ended(self, event: Event) -> RecordedRequest | None:
        """Return the request that an event says is over.

        None if it tells of something else, or the request is forgotten.
        """
        fields: JsonValue = orjson.loads(event.data)
        if event.name != REQUEST or not isinstance(fields, dict) or fields["ms"] is None:
            return None
        number = fields["number"]
        return next((each for each in reversed(self.requests) if each.number == number), None)

    def _keep_within_bytes(self) -> None:
        """Forget the oldest requests, if they are too large.

        Until half of the bytes are left.
        """
        if self._bytes <= MOST_BYTES:
            return
        self._bytes = left = sum(map(_size, self.requests))
        number = 0
        while left > MOST_BYTES // 2 and number < len(self.requests) - 1:
            left -= _size(self.requests[number])
            number += 1
        del self.requests[:number]
        self._bytes = left


def _size(request: RecordedRequest) -> int:
    return _REQUEST_BYTES + len(request.body) + len(request.path) + len(request.query) + len(request.answer or b"")
