"""What all notifications have in common, and the one that nobody knows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, TypeAlias

import attrs
import orjson

from tilia_async.json_value import JsonValue

EntityKey: TypeAlias = tuple[str, ...]


@attrs.frozen(kw_only=True)
class Event:
    """A notification from Tilia (fact sheet "compliance-webhooks", A.2).

    Tilia's pages call no field of a message required, so all are optional.

    Attributes:
        event_name: as it came; None if the envelope has none.
        bucket_key: of the envelope; its meaning is not documented.
        sent_at: when Tilia sent it; None if that cannot be read.
        message: the message as it came, with the fields that its class does not have. It may hold personal data.
    """

    NAME: ClassVar[str | None] = None
    """The documented ``event_name``; None where Tilia's pages do not tell it."""
    SHAPE: ClassVar[frozenset[str]] = frozenset()
    """The fields by which a message without a known ``event_name`` is recognised."""
    ENTITY: ClassVar[tuple[str, ...]] = ()
    """The fields that say what the event is about."""

    event_name: str | None = None
    bucket_key: str | None = None
    sent_at: datetime | None = None
    message: Mapping[str, JsonValue] = attrs.field(factory=dict[str, JsonValue], repr=False)

    @property
    def entity(self) -> EntityKey | None:
        """What the event is about, e.g. ``("EscrowTransactionUpdated", "esc_…")``; None if the message does not say."""
        named = [getattr(self, field) for field in self.ENTITY]
        if not named or not all(isinstance(each, str) and each for each in named):
            return None
        return (type(self).__name__, *named)

    @property
    def digest(self) -> bytes:
        """A digest of what the event says of its entity: two deliveries that say the same have the same.

        It is one of the whole message, so that nothing new is ever taken for a repetition.
        """
        return hashlib.sha256(orjson.dumps(self.message, option=orjson.OPT_SORT_KEYS)).digest()


@attrs.frozen(kw_only=True)
class UnknownEvent(Event):
    """A notification that the SDK has no class for.

    Attributes:
        message: the message if it is an object, else empty.
        raw_body: the delivery, byte for byte.
    """

    raw_body: bytes = attrs.field(default=b"", repr=False)
