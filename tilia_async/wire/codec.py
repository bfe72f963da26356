"""The codec from an answer's JSON to typed models.

It is tolerant exactly where the facts say.

* a field that has a default and cannot be read takes it; any other makes the answer undecodable
* an unknown value of an enumeration stays a string; unknown fields are left out
* an amount may come as an integer or as a string of digits; a float is refused
* a list in an object may come as a map of its items, which have a field of their model, and one object as a list of one
* a time comes in four forms, or not at all
"""

# The values are what a server sent: of unknown type until they are read.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar, Union, get_args, get_origin

import attrs

from tilia_async.json_model import reshaping
from tilia_async.json_value import JsonValue
from tilia_async.wire.model_reader import NOTHING, FieldRule, model_reader

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")

_Hook = Callable[[Any, Any], Any]

_MOST_ODD_ITEMS: Final = 1_000
"""Odd items of a list, at most.

A list with more than these is taken for unreadable as a whole, which costs less.
"""


class PayloadError(ValueError):
    """A payload has another shape than its model.

    The message gives the places as JSON paths.
    """


def decode(payload: JsonValue, target: type[T]) -> T:
    """Read a payload as a model.

    Raises:
        PayloadError: a required field is missing or has another type.
    """
    read: Callable[[JsonValue, type[T]], T] = _reader(target)  # type: ignore[arg-type]  # a type can be hashed
    try:
        return read(payload, target)
    except PayloadError:
        raise
    except RecursionError:
        fault = "it is nested too deeply"
    except Exception:  # noqa: BLE001 - cattrs lets through whatever the generated code meets: KeyError, AttributeError…
        fault = ""
    raise PayloadError(fault or _explain(payload, target))


def is_loaded() -> bool:
    """Return True if reading an answer loads nothing.

    What reads answers is at hand then.
    """
    return _converter.cache_info().currsize > 0


def load() -> None:
    """Load what reads answers. In any thread."""
    _converter(detailed=False)


def _explain(payload: JsonValue, target: type[object]) -> str:
    """Explain why an answer cannot be read.

    It is read again with cattrs' detailed errors, which cost too much for the answers that are well.
    """
    from cattrs import transform_error  # noqa: PLC0415 - see _converter()

    try:
        _converter(detailed=True).structure(payload, target)
    except Exception as error:  # noqa: BLE001 - as in decode()
        return "; ".join(transform_error(error)[:5])
    return f"it is no {target}"


def read_time(value: JsonValue, _: object = None) -> datetime | None:
    """Read a time in any of the documented forms.

    Returns an aware UTC datetime (fact sheet "money", 0.8).

    None for the zero time of Go, for an empty string, and for what is not a time.
    """
    if not isinstance(value, str):
        return None
    try:
        read: datetime | None = datetime.fromisoformat(value)
    except ValueError:
        read = _read_go_time(value)
    if read is None:
        return None
    if read.tzinfo is not UTC:
        try:
            read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    return None if read.year == 1 else read


def _read_go_time(value: str) -> datetime | None:
    """Read a time as Go prints it.

    ``2022-10-07 16:39:19.1 +0000 UTC m=+0.01``, or in lower case, as RFC 3339 allows.
    """
    text = value.strip().partition(" m=")[0]
    head, _, zone = text.rpartition(" ")
    if zone.isalpha() and zone.isascii() and (zone in {"UTC", "GMT"} or head[-5:-4] in {"+", "-"}):
        # The name of a zone beside its offset.
        text = head if head[-5:-4] in {"+", "-"} else f"{head}Z"
    text = text.replace(" +", "+").replace(" -", "-").replace(" Z", "Z")
    if text.endswith(("z", "Z")):
        text = text[:-1].rstrip() + "Z"
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@functools.cache
def _converter(*, detailed: bool) -> Converter:
    # Imported and built on first use: an import of the package is often not followed by a call.
    from cattrs import Converter  # noqa: PLC0415 - see above

    converter = Converter(detailed_validation=detailed)
    converter.register_structure_hook(str, _read_str)
    converter.register_structure_hook(int, _read_int)
    converter.register_structure_hook(float, _read_float)
    converter.register_structure_hook(bool, _read_bool)
    converter.register_structure_hook(datetime, _read_required_time)
    converter.register_structure_hook_func(lambda target: target is object, lambda value, _: value)
    converter.register_structure_hook_func(lambda target: target is types.NoneType, lambda _value, _: None)
    converter.register_structure_hook_factory(_is_sequence, functools.partial(_sequence_hook, converter=converter))
    converter.register_structure_hook_factory(_is_mapping, functools.partial(_mapping_hook, converter=converter))
    converter.register_structure_hook_factory(attrs.has, functools.partial(_model_hook, converter=converter))
    converter.register_structure_hook_factory(_is_union, functools.partial(_union_hook, converter=converter))
    return converter


@functools.cache
def _reader(target: Any) -> _Hook:
    """Return the reader of an answer as a whole.

    Without cattrs' own look-up, which costs more than the reading.
    """
    read = _converter(detailed=False).get_structure_hook(target)
    if not _is_sequence(target):
        return read

    def read_list(value: Any, _: Any) -> Any:
        if isinstance(value, dict) and value:
            # Every list that is a whole payload is one in Tilia's samples, and an object there may be anything.
            raise PayloadError("expected a list, got a map")
        return read(value, target)

    return read_list


def _read_str(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {type(value).__name__}")
    return value


def _read_int(value: Any, _: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= 40 and value.isascii() and value.removeprefix("-").isdecimal():
        return int(value)
    raise TypeError(f"expected a whole number, got {type(value).__name__}")


def _read_float(value: Any, _: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise TypeError(f"expected a number, got {type(value).__name__}")


_BOOLS: Mapping[object, bool] = {1: True, 0: False, "true": True, "false": False}


def _read_bool(value: Any, _: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str) and value in _BOOLS:
        return _BOOLS[value]
    raise TypeError(f"expected true or false, got {type(value).__name__}")


def _read_required_time(value: Any, _: Any) -> datetime:
    time = read_time(value)
    if time is None:
        raise ValueError("expected a time")
    return time


def _is_sequence(target: Any) -> bool:
    return get_origin(target) in {list, tuple}


def _sequence_hook(target: Any, *, converter: Converter) -> _Hook:
    item_type, build = get_args(target)[0], get_origin(target)
    read, items = converter.get_structure_hook(item_type), _items_of(item_type)

    def read_sequence(value: Any, _: Any) -> Any:
        if value is None:
            return build()
        if not isinstance(value, list | dict):
            raise TypeError(f"expected a list or a map, got {type(value).__name__}")
        return build([read(item, item_type) for item in items(value)])

    return read_sequence


def _items_of(item_type: Any) -> Callable[[list[Any] | dict[str, Any]], Iterable[Any]]:
    """Return a function that gives a list's items.

    It takes a map, too, whose keys are the items' ids: their models' first field.

    What has no field of the model is not an item, and cannot be read: a key alone would make one of any object.
    """
    names = [field.name for field in attrs.fields(item_type)] if attrs.has(item_type) else []

    def identified(key: str, item: Any) -> Any:
        if not isinstance(item, dict) or names[0] in item:
            return item
        return None if item.keys().isdisjoint(names) else {names[0]: key, **item}

    def items(value: list[Any] | dict[str, Any]) -> Iterable[Any]:
        if not isinstance(value, dict):
            return value
        return [identified(key, item) for key, item in value.items()] if names else value.values()

    return items


def _is_mapping(target: Any) -> bool:
    return get_origin(target) in {dict, Mapping}


def _mapping_hook(target: Any, *, converter: Converter) -> _Hook:
    item_type = get_args(target)[1]
    read = converter.get_structure_hook(item_type)

    def read_mapping(value: Any, _: Any) -> Any:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise TypeError(f"expected a map, got {type(value).__name__}")
        fields: dict[str, Any] = value
        return {key: read(item, item_type) for key, item in fields.items()}

    return read_mapping


def _model_hook(target: Any, *, converter: Converter) -> _Hook:
    attrs.resolve_types(target)
    read = _explaining(target, converter) if converter.detailed_validation else _quick(target, converter)
    reshape = reshaping(target)
    return read if reshape is None else lambda value, _: read(reshape(value), target)


def _object(value: Any, _: Any) -> dict[str, Any]:
    """Read an object that may come in a list.

    It comes as a list of one, or as it should.
    """
    found = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(found, dict):
        raise TypeError(f"expected an object, got {type(found).__name__}")
    return found


def _explaining(target: Any, converter: Converter) -> _Hook:
    """Return a reader that explains every mistake.

    It reads the fields of a model as cattrs does, whose errors tell the places of all that is wrong.
    """
    from cattrs.gen import make_dict_structure_fn, override  # noqa: PLC0415 - see _converter()

    optional: dict[str, Any] = {
        field.name: override(struct_hook=_lenient(field, converter))
        for field in attrs.fields(target)
        if field.default is not attrs.NOTHING
    }
    read = make_dict_structure_fn(target, converter, **optional)
    return lambda value, _: read(_object(value, None), target)


def _quick(target: Any, converter: Converter) -> _Hook:
    """Return a quick reader of a model's fields.

    It reads the same, and takes those that have their type already without a call.
    """
    rules = (_rule(field, converter) for field in attrs.fields(target) if field.init)
    return model_reader(target, rules, _object)


def _rule(field: attrs.Attribute[Any], converter: Converter) -> FieldRule:
    keyword = field.alias if field.kw_only else None
    if field.default is attrs.NOTHING:
        return FieldRule(field.name, keyword, NOTHING, _as_it_is(field.type), _required(field, converter))
    target = _without_none(field.type)
    if target is datetime and field.default is None:
        # An odd time is none, too.
        return FieldRule(field.name, keyword, None, None, read_time)
    default = NOTHING if hasattr(field.default, "factory") else field.default
    return FieldRule(field.name, keyword, default, _as_it_is(target), _lenient(field, converter))


def _as_it_is(target: Any) -> type | None:
    """Return the type if its values need no reading.

    The type itself, if all its values are taken as they come.
    """
    return target if target in {str, bool, int, float} else None


def _required(field: attrs.Attribute[Any], converter: Converter) -> _Hook:
    target = field.type
    read = converter.get_structure_hook(target)

    def read_required(value: Any, _: Any) -> Any:
        if value is NOTHING:
            raise KeyError(field.name)
        return read(value, target)

    return read_required


def _is_union(target: Any) -> bool:
    return get_origin(target) in {Union, types.UnionType}


def _union_hook(target: Any, *, converter: Converter) -> _Hook:
    """``X | None``, ``Enumeration | str``, and both together."""
    members = [member for member in get_args(target) if member is not types.NoneType]
    enumerations = [member for member in members if isinstance(member, type) and issubclass(member, Enum)]
    if enumerations and str in members:
        read, member = _open_enum_hook(enumerations[0]), enumerations[0]
    elif len(members) == 1:
        read, member = converter.get_structure_hook(members[0]), members[0]
    else:
        raise TypeError(f"a model's field is X, X | None or Enumeration | str, not {target}")
    if types.NoneType not in get_args(target):
        return lambda value, _: read(value, member)
    return lambda value, _: None if value is None else read(value, member)


def _item_by_item(target: Any, converter: Converter) -> _Hook | None:
    """Return a reader that leaves odd items out.

    For an optional list or map: an odd item takes the others with it no more than it must.
    """
    if _is_mapping(target):
        return _map_hook(get_args(target)[1], converter)
    return _list_hook(get_origin(target), get_args(target)[0], converter) if _is_sequence(target) else None


def _map_hook(item_type: Any, converter: Converter) -> _Hook:
    read = converter.get_structure_hook(item_type)

    def read_map(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"expected a map, got {type(value).__name__}")
        try:
            return {key: read(item, item_type) for key, item in value.items()}
        except Exception:  # noqa: BLE001 - as in _lenient()
            return dict(_readable(value.items(), read, item_type))

    return read_map


def _list_hook(build: Any, item_type: Any, converter: Converter) -> _Hook:
    read, items_of = converter.get_structure_hook(item_type), _items_of(item_type)

    def read_list(value: Any, _: Any) -> Any:
        if not value and type(value) is list:
            return build()
        if not isinstance(value, list | dict):
            raise TypeError(f"expected a list or a map, got {type(value).__name__}")
        items = items_of(value)
        try:
            return build([read(item, item_type) for item in items])
        except Exception:  # noqa: BLE001 - as in _lenient()
            return build(item for _, item in _readable(enumerate(items), read, item_type))

    return read_list


def _readable(items: Iterable[tuple[Any, Any]], read: _Hook, item_type: Any) -> Iterator[tuple[Any, Any]]:
    odd = 0
    for key, item in items:
        try:
            yield key, read(item, item_type)
        except Exception:  # as in _lenient()
            odd += 1
            if odd > _MOST_ODD_ITEMS:
                raise


def _without_none(target: Any) -> Any:
    """Return ``X`` of ``X | None``.

    None is dealt with before the rest is read.
    """
    members = tuple(member for member in get_args(target) if member is not types.NoneType)
    return Union[members] if _is_union(target) else target  # noqa: UP007 - the members are known at run time only


def _open_enum_hook(enumeration: type[Enum]) -> _Hook:
    known = {member.value: member for member in enumeration}

    def read_open_enum(value: Any, _: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError(f"expected a string, got {type(value).__name__}")
        return known.get(value, value)

    return read_open_enum


def _lenient(field: attrs.Attribute[Any], converter: Converter) -> _Hook:
    default: Any = field.default
    make: Callable[[], Any] = getattr(default, "factory", lambda: default)
    target = _without_none(field.type)
    read = _item_by_item(target, converter) or converter.get_structure_hook(target)

    def read_or_default(value: Any, _: Any) -> Any:
        if value is None or value is NOTHING:
            return make()
        try:
            return read(value, target)
        except Exception:  # noqa: BLE001 - an odd optional field must not turn Tilia's yes into a failure
            return make()

    return read_or_default
