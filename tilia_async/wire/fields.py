"""Fields of declared bodies, queries and models.

Read from their annotations once, for the checks and for the OpenAPI document.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypeGuard, Union, get_args, get_origin

import attrs

from tilia_async.field_types import Rule
from tilia_async.money import Money


@attrs.frozen
class Field:
    """Field of a body, a query or a model.

    Attributes:
        kind: the annotated type, without ``NotRequired``.
        required: it has to be there on the wire.
    """

    name: str
    kind: Any
    required: bool


def is_object(kind: object) -> TypeGuard[type[object]]:
    """Return True for a type whose fields are known."""
    return typing.is_typeddict(kind) or (isinstance(kind, type) and attrs.has(kind))


def fields_of(kind: type[object]) -> Mapping[str, Field]:
    """Return the fields of a typed dictionary or model."""
    return _fields_of(kind)  # type: ignore[arg-type]  # a type can be hashed


@functools.cache
def _fields_of(kind: type[object]) -> Mapping[str, Field]:
    hints: dict[str, Any] = typing.get_type_hints(kind, include_extras=True)
    if typing.is_typeddict(kind):
        always: frozenset[str] = getattr(kind, "__required_keys__", frozenset[str]())
        return {name: _entry(name, hint, name in always) for name, hint in hints.items()}
    return {field.name: _attribute(field, hints[field.name]) for field in _attributes(kind)}


def parted(kind: Any) -> tuple[Any, tuple[Rule, ...]]:
    """Return a type without its rules, and these."""
    if get_origin(kind) is not Annotated:
        return kind, ()
    base, *more = get_args(kind)
    return base, tuple(rule for rule in more if isinstance(rule, Rule))


def members(kind: Any) -> tuple[Any, ...]:
    """Return the types of a value on the wire.

    None is not among them, nor is ``Money``, which no JSON text can hold.
    """
    options: tuple[Any, ...] = get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)
    return tuple(each for each in options if each is not types.NoneType and each is not Money)


def _entry(name: str, hint: Any, required: bool) -> Field:
    if get_origin(hint) is NotRequired:
        return Field(name, get_args(hint)[0], required=False)
    return Field(name, hint, required)


def _attributes(kind: type[object]) -> tuple[attrs.Attribute[Any], ...]:
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(kind)  # type: ignore[arg-type]  # is_object() says so
    return tuple(field for field in fields if field.init and not field.name.startswith("_"))


def _attribute(field: attrs.Attribute[Any], hint: Any) -> Field:
    _, rules = parted(hint)
    return Field(field.name, hint, field.default is attrs.NOTHING or any(rule.required for rule in rules))
