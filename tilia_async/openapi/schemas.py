"""Schemas of bodies, queries and answers, from their declared types."""

# Types are values here, known at run time only.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin

import attrs

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.auth import UserToken
from tilia_async.models.payment_methods import TransactionMethods
from tilia_async.models.payouts import Payout
from tilia_async.models.refunds import RefundedPayment
from tilia_async.openapi.descriptions import description_of, descriptions_of_fields
from tilia_async.wire.fields import Field, fields_of, is_object, members, parted

_PLAIN: Final[Mapping[object, str]] = {str: "string", int: "integer", float: "number", bool: "boolean"}

_ANSWERED: Final[Mapping[object, JsonObject]] = {
    int: {
        "title": "WholeNumber",
        "description": "A whole number, which may come as a string of digits. Amounts are in the smallest unit.",
        "anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}],
    },
    bool: {
        "title": "Flag",
        "description": "True or false, which may come as a number or a string.",
        "anyOf": [{"type": "boolean"}, {"enum": [0, 1, "true", "false"]}],
    },
    datetime: {
        "title": "Time",
        "description": "A time in UTC: RFC 3339, with a blank instead of the T, without a zone, or as Go prints it. "
        "The zero time 0001-01-01T00:00:00Z and the empty string mean none.",
        "type": "string",
        "examples": ["2022-10-07T16:39:19.1Z", "2022-10-07 16:39:19.1 +0000 UTC", "2022-08-02 15:46:25"],
    },
}
"""Scalars that answers write in several ways.

Source: fact sheet "money", 0.6 and 0.8.
"""


@attrs.frozen
class Schemas:
    """Schemas of named types, collected for ``components``.

    Attributes:
        answers: what Tilia sends, which it writes in several ways; otherwise what is sent to it.
    """

    components: dict[str, JsonValue]
    answers: bool

    def of(self, kind: Any) -> JsonObject:
        """Return the schema of a type."""
        base, rules = parted(kind)
        schema = self._of_type(base)
        for rule in rules:
            schema = {**schema, **rule.keywords}
        if "enum" in schema:
            schema.pop("x-extensible-enum", None)
        return schema

    def of_payload(self, kind: Any) -> JsonObject:
        """Return the schema of an answer's payload."""
        one = self.of(kind)
        if kind is UserToken:
            token: JsonObject = {"anyOf": [one, {"type": "string"}]}
            nonce: JsonObject = {"type": ["string", "null"]}
            return {"type": "object", "properties": {"token": token, "nonce_auth_id": nonce}, "required": ["token"]}
        return {"anyOf": [one, _list_of(one, most=1)]} if kind is Payout else one

    def of_fields(self, kind: type[object]) -> dict[str, JsonObject]:
        """Return the schemas of an object's fields, by name."""
        texts = descriptions_of_fields(kind)
        return {
            field.name: _described(self._of_field(kind, field), self._text(texts.get(field.name, "")))
            for field in fields_of(kind).values()
        }

    def _text(self, text: str) -> str:
        # What follows about a field of a request is how to give it in Python.
        return text if self.answers else text.partition("\n\n")[0]

    def _of_type(self, kind: Any) -> JsonObject:
        options = members(kind)
        if options != (kind,):
            return self._of_union(options)
        if is_object(kind):
            return self._named(kind.__name__, lambda: self._of_object(kind))
        if self.answers and kind in _ANSWERED:
            written = _ANSWERED[kind]
            return self._named(str(written["title"]), lambda: {**written})
        return self._of_plain(kind)

    def _of_plain(self, kind: Any) -> JsonObject:
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in {Mapping, dict}:
            words = self.of(arguments[0])
            names: JsonObject = {"propertyNames": {"enum": words["enum"]}} if "enum" in words else {}
            return {"type": "object", "additionalProperties": self.of(arguments[1]), **names}
        if origin is not None:
            return self._of_items(arguments[0])
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"type": "string", "enum": [member.value for member in kind]}
        if kind is types.NoneType:
            return {"type": "null"}
        return {"type": _PLAIN[kind]} if kind in _PLAIN else {}

    def _of_union(self, options: tuple[Any, ...]) -> JsonObject:
        if len(options) == 1:
            return self.of(options[0])
        words = [option for option in options if isinstance(option, type) and issubclass(option, Enum)]
        if words and str in options:
            # Open: Tilia may know more words.
            return {"type": "string", "x-extensible-enum": [member.value for member in words[0]]}
        return {"anyOf": [self.of(option) for option in options]}

    def _of_items(self, kind: Any) -> JsonObject:
        one = self.of(kind)
        if not self.answers or not is_object(kind):
            return _list_of(one)
        # A list of objects may come as a map of them by id, or as the only one of them.
        return {"anyOf": [_list_of(one), {"type": "object", "additionalProperties": one}, one]}

    def _of_object(self, kind: type[object]) -> JsonObject:
        required: list[JsonValue] = [field.name for field in fields_of(kind).values() if field.required]
        return {
            "type": "object",
            "description": description_of(kind),
            "properties": {**self.of_fields(kind)},
            **({"required": required} if required else {}),
        }

    def _of_field(self, owner: type[object], field: Field) -> JsonObject:
        schema = self.of(field.kind)
        if not self.answers:
            return schema
        if owner is TransactionMethods and field.name == "balances":
            schema = _any_of({**_object_with("balances", schema), "required": ["balances"]}, schema)
        elif owner is RefundedPayment and field.name == "payment_method":
            schema = _any_of(schema, _object_with("payload", schema))
        return schema if field.required else _or_null(schema)

    def _named(self, name: str, make: Callable[[], JsonObject]) -> JsonObject:
        if name not in self.components:
            # Noted before it is made: it may hold itself.
            self.components[name] = {}
            self.components[name] = make()
        return {"$ref": f"#/components/schemas/{name}"}


def _any_of(*schemas: JsonObject) -> JsonObject:
    return {"anyOf": [*schemas]}


def _object_with(name: str, schema: JsonObject) -> JsonObject:
    return {"type": "object", "properties": {name: schema}}


def _list_of(items: JsonObject, *, most: int | None = None) -> JsonObject:
    return {"type": "array", "items": items, **({} if most is None else {"maxItems": most})}


def _or_null(schema: JsonObject) -> JsonObject:
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    options = schema.get("anyOf")
    if isinstance(options, list):
        return {**schema, "anyOf": [*options, {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]} if schema else schema


def _described(schema: JsonObject, text: str) -> JsonObject:
    return {**schema, "description": text} if text else schema
