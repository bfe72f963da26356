"""The way from a delivery's bytes to its event."""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

from tilia_async.errors import WebhookError, attributed
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.webhooks.event import Event, UnknownEvent, frozen_object, has_shape_of
from tilia_async.webhooks.events import BY_NAME, DOCUMENTED
from tilia_async.wire import json_reader
from tilia_async.wire.codec import PayloadError, decode, read_time

RawBody: TypeAlias = bytes | bytearray | memoryview | str
"""A body as servers hand it over."""

MOST_CONTAINERS: Final = 50_000
"""Lists and objects in a notification.

To read a megabyte of nothing else takes most of a second, in one piece.
"""

_NAMELESS: Final = tuple(kind for kind in DOCUMENTED if kind.NAME is None)


def parse_event(raw: RawBody) -> Event:
    """Read a delivery.

    The class is that of the documented ``event_name``. Under a name that is not documented, the two notifications
    whose name Tilia's pages do not tell (payout, KYB) are known by the shape of their message; without a name, all are.
    What cannot be told is an ``UnknownEvent``. A field that cannot be read is None.

    Args:
        raw: the body of the request, as it came: UTF-8, with or without a byte order mark.

    Raises:
        WebhookError: it is not a notification, whatever it is. Its text holds nothing of the body. No other error is
            raised.

    Source: fact sheet "compliance-webhooks", A.2 to A.4.
    """
    with attributed("webhooks.parse_event"):
        return _parsed(bytes_of(raw))


def _parsed(body: bytes) -> Event:
    envelope = _envelope(body)
    name, message = envelope.get("event_name"), envelope.get("message")
    if isinstance(message, dict):
        message = frozen_object(message)
    if name is not None and not isinstance(name, str):
        raise WebhookError("the notification's event_name is no string")
    if not name and "message" not in envelope:
        raise WebhookError("the notification has neither an event_name nor a message")
    kind = _kind(name, message)
    if kind is None:
        event: Event = UnknownEvent(raw_body=body)
    else:
        event = _decoded(message, kind)
    bucket_key = envelope.get("bucket_key")
    return attrs.evolve(
        event,
        event_name=name or None,
        bucket_key=bucket_key if isinstance(bucket_key, str) else None,
        sent_at=read_time(envelope.get("sent_at")),
        message=message if isinstance(message, dict) else {},
    )


def bytes_of(raw: RawBody) -> bytes:
    """Return the bytes of a body.

    In whatever form it was handed over.

    Raises:
        WebhookError: it is not a body, or a text that is not Unicode.
    """
    # Not raised where it is found: the error's context would hold the whole body.
    try:
        return raw.encode() if isinstance(raw, str) else bytes(memoryview(raw))
    except TypeError:
        fault = f"it is neither bytes nor a text but {type(raw).__name__}"
    except UnicodeEncodeError:
        fault = "it holds half a surrogate pair"
    except ValueError:
        fault = "the view of it was released"
    raise WebhookError(f"the notification cannot be read: {fault}")


def _envelope(body: bytes) -> JsonObject:
    if _openings(body) > MOST_CONTAINERS and _openings(_without_texts(body)) > MOST_CONTAINERS:
        raise WebhookError(f"the notification has more than {MOST_CONTAINERS:,} lists and objects in it")
    fault = ""
    envelope: JsonValue = None
    try:
        envelope = json_reader.loads(body)
    except ValueError as error:
        # Not raised here: the error's context would hold the whole body.
        fault = str(error)
    if fault:
        raise WebhookError(f"the notification cannot be read: {fault}")
    if not isinstance(envelope, dict):
        raise WebhookError("the notification is no JSON object")
    return envelope


def _openings(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _without_texts(body: bytes) -> bytes:
    """JSON without what stands between quotes, where brackets are text."""
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(unescaped.split(b'"')[::2])


def _kind(name: str | None, message: JsonValue) -> type[Event] | None:
    if name and name in BY_NAME:
        return BY_NAME[name]
    if not isinstance(message, dict):
        return None
    fitting = [kind for kind in (_NAMELESS if name else DOCUMENTED) if has_shape_of(kind, message)]
    return fitting[0] if len(fitting) == 1 else None


def _decoded(message: JsonValue, kind: type[Event]) -> Event:
    if isinstance(message, dict):
        try:
            return decode(message, kind)
        except PayloadError:
            pass
    raise WebhookError(f"the message of {kind.NAME or kind.__name__} is no object")
