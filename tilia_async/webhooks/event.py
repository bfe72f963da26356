"""The base of all notifications, and the unknown one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final, NoReturn, TypeAlias

import attrs
import orjson

from tilia_async.json_value import JsonObject, JsonValue

EntityKey: TypeAlias = tuple[str, ...]


@attrs.frozen(kw_only=True)
class Event:
    """A notification from Tilia (fact sheet "compliance-webhooks", A.2).

    Tilia's pages call no field of a message required, so all are optional. Events that are equal have the same hash.

    Attributes:
        event_name: as it came; None if the envelope has none.
        bucket_key: of the envelope; its meaning is not documented.
        sent_at: when Tilia sent it; None if that cannot be read, and of a confirmed event.
        confirmed_at: when Tilia's API was asked, of an event that a receiver with ``confirm`` hands over; else None.
        message: the message as it came, with the fields that its class does not have. It may hold personal data. It
            cannot be changed. Of a confirmed event it has what the API says, and nothing else.
        digest: of what the event says of its entity: two deliveries that say the same have the same. It is one of the
            whole message, so that no other message is ever taken for a repetition.
    """

    NAME: ClassVar[str | None] = None
    """The documented ``event_name``.

    None where Tilia's pages do not tell it.
    """
    _SHAPE: ClassVar[frozenset[str]] = frozenset()
    """Fields that identify the message by its shape.

    They serve a message without a known ``event_name``.
    """
    _ENTITY: ClassVar[tuple[str, ...]] = ()
    """The fields that say what the event is about."""

    event_name: str | None = None
    bucket_key: str | None = None
    sent_at: datetime | None = None
    confirmed_at: datetime | None = attrs.field(default=None, eq=False)
    message: Mapping[str, JsonValue] = attrs.field(factory=dict[str, JsonValue], repr=False, hash=False)
    digest: bytes = attrs.field(
        default=attrs.Factory(lambda event: _digest(event.message), takes_self=True), init=False, repr=False, eq=False
    )

    @property
    def entity(self) -> EntityKey | None:
        """The entity that the event is about.

        E.g. ``("EscrowTransactionUpdated", "esc_…")``; None if the message does not say.
        """
        named = [getattr(self, field) for field in self._ENTITY]
        if not named or not all(isinstance(each, str) and each for each in named):
            return None
        return (type(self).__name__, *named)


def has_shape_of(kind: type[Event], message: Mapping[str, JsonValue]) -> bool:
    """Return True if a message has a class's identifying fields."""
    return message.keys() >= kind._SHAPE  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - of this module


@attrs.frozen(kw_only=True)
class UnknownEvent(Event):
    """A notification that the SDK has no class for.

    Attributes:
        message: the message if it is an object, else empty.
        raw_body: the delivery, byte for byte.
    """

    raw_body: bytes = attrs.field(default=b"", repr=False)


def _digest(message: Mapping[str, JsonValue]) -> bytes:
    return hashlib.sha256(orjson.dumps(message, option=orjson.OPT_SORT_KEYS)).digest()


def frozen_object(value: JsonObject) -> JsonObject:
    """Return the same object, which nobody can change.

    It cannot be changed at any depth. It is written as JSON and pickled like any other.
    """
    return _FrozenObject({key: _frozen(each) for key, each in value.items()})


def _frozen(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return frozen_object(value)
    return _FrozenList(_frozen(each) for each in value) if isinstance(value, list) else value


def _refuse(*_args: object, **_kwargs: object) -> NoReturn:
    raise TypeError("a notification's message cannot be changed: make a copy of it")


class _FrozenObject(dict[str, JsonValue]):
    def __reduce__(self) -> tuple[type, tuple[JsonObject]]:
        return type(self), (dict(self),)


class _FrozenList(list[JsonValue]):
    def __reduce__(self) -> tuple[type, tuple[list[JsonValue]]]:
        return type(self), (list(self),)


_CHANGES: Final = (
    (_FrozenObject, "__setitem__ __delitem__ __ior__ clear pop popitem setdefault update"),
    (
        _FrozenList,
        "__setitem__ __delitem__ __iadd__ __imul__ append clear extend insert pop remove reverse sort",
    ),
)
for _kind, _names in _CHANGES:
    for _name in _names.split():
        setattr(_kind, _name, _refuse)
