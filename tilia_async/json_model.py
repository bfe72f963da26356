"""Models and results as JSON.

For task queues, web frameworks and pydantic.
"""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, cast, get_args, get_origin, get_type_hints, runtime_checkable

import attrs
import orjson

from tilia_async.json_value import JsonValue

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


def reshaping(model: type) -> Callable[[JsonValue], JsonValue] | None:
    """Return how a model brings its payload into one shape.

    None if it comes in one. A model whose samples disagree has a static method for it.
    """
    return getattr(model, "_reshape", None)


class JsonResult:
    """Base of what calls and jobs return.

    JSON-ready, and known to FastAPI as an answer.

    Results are attrs classes with ``eq=False, repr=False``: they compare and show their fields as attrs would have it.
    attrs would compile that for each class anew, in the import.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _names(type(self)))  # type: ignore[arg-type]  # as below

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in _hashed(type(self)))))  # type: ignore[arg-type]  # as below

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in _shown(type(self)))  # type: ignore[arg-type]  # as below
        return f"{type(self).__qualname__.rsplit('>.', 1)[-1]}({fields})"

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the fields as JSON has them.

        Times are RFC 3339 strings in UTC, members of enumerations their values, other models dictionaries. Fields
        that ``repr`` hides are included. An error is a dictionary, too: see ``TiliaError.to_dict``.
        """
        return {name: _as_json(getattr(self, name)) for name in _names(type(self))}  # type: ignore[arg-type]  # a type can be hashed

    def to_json(self) -> str:
        """Return the fields as a JSON text."""
        return orjson.dumps(self.to_dict()).decode()

    def __json__(self) -> dict[str, JsonValue]:
        """Return the fields as JSON has them, for Celery.

        kombu asks for it where a task returns the model.
        """
        return self.to_dict()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[object], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Describe the result to pydantic.

        An instance, which is written as ``to_dict`` has it.
        """
        from pydantic_core import core_schema  # noqa: PLC0415 - pydantic is the user's, and only it calls this

        written = core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())
        return core_schema.is_instance_schema(
            cls, serialization=core_schema.plain_serializer_function_ser_schema(cls.to_dict, return_schema=written)
        )


class JsonModel(JsonResult):
    """Base of the models.

    JSON-ready, and known to pydantic and FastAPI.

    pydantic is imported only when it asks for the schema of a model.
    """

    # Beside the slots of its own, it would keep readers from making models in the quick way.
    __slots__ = ("__weakref__",)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[object], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Describe the model to pydantic.

        An instance, or a mapping of its fields.
        """
        from pydantic_core import core_schema  # noqa: PLC0415 - pydantic is the user's, and only it calls this

        hints = get_type_hints(cls)
        fields = {
            field.name: core_schema.typed_dict_field(
                handler.generate_schema(hints[field.name]), required=field.default is attrs.NOTHING
            )
            for field in _fields(cls)
        }
        data = core_schema.typed_dict_schema(fields, ref=f"{cls.__module__}.{cls.__qualname__}", cls_name=cls.__name__)
        given = core_schema.no_info_after_validator_function(_reader(cls), data)
        return core_schema.json_or_python_schema(
            json_schema=given,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), given]),
            serialization=core_schema.plain_serializer_function_ser_schema(_values, return_schema=data),
        )


def _fields(model: type[object]) -> tuple[attrs.Attribute[Any], ...]:
    return attrs.fields(model)  # type: ignore[arg-type,no-any-return]  # each model is an attrs class


@functools.cache
def _names(model: type[JsonResult]) -> tuple[str, ...]:
    return tuple(field.name for field in _fields(model))


@functools.cache
def _hashed(model: type[JsonResult]) -> tuple[str, ...]:
    return tuple(field.name for field in _fields(model) if field.hash is not False)


@functools.cache
def _shown(model: type[JsonResult]) -> tuple[str, ...]:
    return tuple(field.name for field in _fields(model) if field.repr)


def _values(model: JsonModel) -> dict[str, object]:
    """Return the fields as they are.

    pydantic writes each by its own schema.
    """
    return {name: getattr(model, name) for name in _names(type(model))}  # type: ignore[arg-type]  # as above


@runtime_checkable
class _JsonReady(Protocol):
    def to_dict(self) -> dict[str, JsonValue]: ...


def _as_json(value: object) -> JsonValue:
    if isinstance(value, JsonResult):
        return value.to_dict()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return _as_json(value.value)
    if isinstance(value, Mapping):
        return {str(name): _as_json(each) for name, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in cast("Iterable[object]", value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, _JsonReady):
        return value.to_dict()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _reader(model: type[JsonModel]) -> Callable[[dict[str, Any]], JsonModel]:
    """Return a function that makes a model of its fields.

    It takes them as pydantic has read them.
    """
    members = {name: kind for name, hint in get_type_hints(model).items() if (kind := _enumeration(hint)) is not None}

    def read(fields: dict[str, Any]) -> JsonModel:
        known = {name: _member(members[name], value) for name, value in fields.items() if name in members}
        return model(**{**fields, **known})

    return read


def _enumeration(hint: object) -> type[Enum] | None:
    """Return the enumeration of a field.

    Its values may be unknown words, too.
    """
    kinds = [each for each in get_args(hint) if isinstance(each, type) and issubclass(each, Enum)]
    return kinds[0] if kinds and get_origin(hint) is not None else None


def _member(kind: type[Enum], value: object) -> object:
    """Return the member with this value.

    The value itself where there is none.
    """
    try:
        return kind(value)
    except ValueError:
        return value
