"""What Tilia would tell the publisher by webhook."""

from __future__ import annotations

import attrs

from tilia_async.json_value import JsonObject

MOST_NOTICES = 10_000


@attrs.frozen
class Notice:
    """One notification.

    Attributes:
        event_name: None where the documentation does not state it.
        message: what is told, without the envelope of the delivery.
    """

    event_name: str | None
    message: JsonObject
