"""Fields of an operation, for its help and for shells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
import click

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.openapi.schemas import Schemas
from tilia_async.wire.fields import fields_of
from tilia_async.wire.operation import Operation
from tilia_async.wire.redactor import is_named_secret

_REFERENCE: Final = "#/components/schemas/"
_LIMITS: Final = {
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
}
_TYPES: Final = {"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list"}


@attrs.frozen
class FieldHelp:
    """Help on a field.

    Attributes:
        typed: as it is typed: ``name=`` for text, ``name:=`` for JSON, ``name=@`` for a secret, which is in a file or
            on standard input; a field of a part is its name.
        text: type and meaning.
    """

    typed: str
    text: str


def fields_of_operation(operation: Operation[object]) -> list[FieldHelp]:
    """Return the fields of a request.

    Those of the path, then of query or body.
    """
    found = [FieldHelp(f"{name}=", "required; in the path") for name in operation.parameters]
    kind = operation.query if operation.reads else operation.body
    if kind is not None:
        # What a query holds is text in any case.
        found += _fields(kind, {}, json_sign="=" if operation.reads else ":=")
    return found


def write_fields(operation: Operation[object], formatter: click.HelpFormatter) -> None:
    """Write the fields of a request and its parts."""
    _write("Fields", fields_of_operation(operation), formatter)
    kind = operation.query if operation.reads else operation.body
    if kind is None:
        return
    parts: dict[str, JsonValue] = {}
    Schemas(parts, answers=False).of_fields(kind)
    for name, part in parts.items():
        if isinstance(part, dict):
            _write(name, list(_of_schema(part, "")), formatter)


def _write(name: str, fields: list[FieldHelp], formatter: click.HelpFormatter) -> None:
    if fields:
        with formatter.section(name):
            formatter.write_dl([(each.typed, each.text) for each in fields])


def _fields(kind: type[object], parts: dict[str, JsonValue], *, json_sign: str) -> Iterator[FieldHelp]:
    required = [field.name for field in fields_of(kind).values() if field.required]
    properties: JsonObject = {**Schemas(parts, answers=False).of_fields(kind)}
    yield from _of_schema({"properties": properties, "required": [*required]}, json_sign)


def _of_schema(schema: JsonObject, json_sign: str) -> Iterator[FieldHelp]:
    properties, required = schema.get("properties"), schema.get("required") or []
    if not isinstance(properties, dict) or not isinstance(required, list):
        return
    # Those that have to be there come first.
    for name in sorted(properties, key=lambda each: each not in required):
        field = properties[name]
        if isinstance(field, dict):
            sign = "" if not json_sign else "=@" if is_named_secret(name) else "=" if _is_text(field) else json_sign
            words = [*(["required"] if name in required else []), _type(field)]
            meaning = str(field.get("description") or "").replace("`", "")
            yield FieldHelp(f"{name}{sign}", f"{'; '.join(words)}. {meaning}".rstrip())


def _is_text(schema: JsonObject) -> bool:
    words = schema.get("enum")
    return schema.get("type") == "string" or (isinstance(words, list) and all(isinstance(word, str) for word in words))


def _type(schema: JsonObject) -> str:
    """Return the type of a field in words."""
    reference, options = schema.get("$ref"), schema.get("anyOf")
    if isinstance(reference, str):
        return reference.removeprefix(_REFERENCE)
    if isinstance(options, list):
        return " or ".join(_type(each) for each in options if isinstance(each, dict))
    words, names = schema.get("enum") or schema.get("x-extensible-enum"), schema.get("propertyNames")
    if isinstance(words, list):
        return f"{', '.join(map(str, words))}{'' if 'enum' in schema else ', …'}"
    items, values = schema.get("items"), schema.get("additionalProperties")
    if isinstance(items, dict):
        return f"list of {_type(items)}"
    if isinstance(names, dict) and isinstance(values, dict):
        return f"{_type(values)} for each of {_type(names)}"
    limits = [text.format(schema[name]) for name, text in _LIMITS.items() if name in schema]
    if schema.get("minLength") == schema.get("maxLength") is not None:
        limits = [f"{schema['minLength']} characters"]
    return ", ".join([_TYPES.get(str(schema.get("type")), str(schema.get("type") or "any JSON")), *limits])
