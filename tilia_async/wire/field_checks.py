"""Checks of hand-made bodies and queries against their declarations."""

# The values are what a caller gave, and the types what an annotation says: both are known at run time only.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin

from tilia_async.field_types import Rule
from tilia_async.secret import MASK, Secret
from tilia_async.wire.fields import Field, fields_of, is_object, members, parted
from tilia_async.wire.operation import Operation

Problems = dict[str, list[str]]
_Found = Iterator[tuple[str, str]]

_FLAGS: Final[Mapping[object, bool]] = {"true": True, "false": False}
_MOST_DIGITS: Final = 18
_WORDS: Final[Mapping[type, str]] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def problems_of_request(
    operation: Operation[object], query: Mapping[str, object] | None, body: Mapping[str, object] | None
) -> Problems:
    """Return why a request made by hand would be refused.

    By field. Of what the operation does not declare nothing is known.
    """
    found: Problems = {}
    if operation.query is not None:
        found |= problems_of_query(operation.query, query or {})
    if operation.body is not None and (body is not None or has_required(operation.body)):
        found |= problems_of_fields(operation.body, body or {})
    return found


def problems_of_query(kind: type[object], query: Mapping[str, object], *, closed: bool = True) -> Problems:
    """Return what is wrong with a query of texts."""
    return problems_of_fields(kind, _from_texts(kind, query), closed=closed)


def problems_of_fields(kind: type[object], values: Mapping[str, object], *, closed: bool = True) -> Problems:
    """Return what is wrong with the fields, by place.

    E.g. ``line_items[0].recipients[1].amount``. No value of a secret is repeated.

    Args:
        closed: a field that is not declared is wrong, too.
    """
    found: Problems = {}
    for place, why in _of_object(kind, values, "", closed=closed):
        found.setdefault(place, []).append(why)
    return found


def has_required(kind: type[object]) -> bool:
    """Return True if some field has to be there."""
    return any(field.required for field in fields_of(kind).values())


def _of_object(kind: type[object], values: Mapping[str, object], prefix: str, *, closed: bool) -> _Found:
    known = fields_of(kind)
    for field in known.values():
        value = values.get(field.name)
        if value is None:
            if field.required:
                yield f"{prefix}{field.name}", "is missing"
            continue
        yield from _of_value(field.kind, value, f"{prefix}{field.name}", closed=closed)
    if closed:
        yield from ((f"{prefix}{name}", _unknown(known)) for name in values if name not in known)


def _unknown(known: Mapping[str, Field]) -> str:
    return f"is no field; known are {', '.join(sorted(known))}" if known else "is no field; there are none"


def _of_value(kind: Any, value: object, place: str, *, closed: bool) -> _Found:
    base, rules = parted(kind)
    found = list(_of_type(base, value, place, closed=closed))
    yield from found
    if not found:
        yield from ((place, why) for rule in rules for why in _reasons(rule, value))


def _reasons(rule: Rule, value: object) -> list[str]:
    if not isinstance(value, Secret):
        return rule.check(value)
    return [_masked(why, value) for why in rule.check(value.reveal())]


def _masked(why: str, value: Secret) -> str:
    """Return a reason without the value.

    A reason quotes a value as Python writes it, with what cannot be printed escaped.
    """
    return why.replace(repr(value.reveal())[1:-1] or MASK, MASK).replace(value.reveal() or MASK, MASK)


def _of_type(kind: Any, value: object, place: str, *, closed: bool) -> _Found:
    origin = get_origin(kind)
    options = members(kind)
    if options != (kind,):
        tried = [list(_of_value(option, value, place, closed=closed)) for option in options]
        # One of them is enough: an open enumeration takes any text.
        yield from () if any(not found for found in tried) else tried[-1]
    elif is_object(kind):
        yield from _of_mapping(kind, value, place, closed=closed)
    elif origin is Literal:
        yield from _of_words(get_args(kind), value, place)
    elif origin is Mapping:
        names, values = get_args(kind)
        yield from _of_entries(names, values, value, place, closed=closed)
    elif origin is not None:
        yield from _of_items(get_args(kind)[0], value, place, closed=closed)
    elif issubclass(kind, Enum):
        yield from _of_words([member.value for member in kind], value, place)
    elif kind in _WORDS and not _fits(kind, value):
        yield place, f"is {_WORDS[kind]}, not {type(value).__name__}"


def _of_words(known: Sequence[object], value: object, place: str) -> _Found:
    if value not in known:
        yield place, f"is one of {', '.join(map(str, known))}, not {value!r}"


def _of_mapping(kind: type[object], value: object, place: str, *, closed: bool) -> _Found:
    if isinstance(value, Mapping):
        yield from _of_object(kind, value, f"{place}.", closed=closed)
    else:
        yield place, f"is an object, not {type(value).__name__}"


def _of_entries(names: Any, kind: Any, value: object, place: str, *, closed: bool) -> _Found:
    if not isinstance(value, Mapping):
        yield place, f"is an object, not {type(value).__name__}"
        return
    known = [member.value for member in names] if issubclass(names, Enum) else None
    for name, item in value.items():
        if known is None or name in known:
            yield from _of_value(kind, item, f"{place}.{name}", closed=closed)
        else:
            yield f"{place}.{name}", f"is none of {', '.join(known)}"


def _of_items(kind: Any, value: object, place: str, *, closed: bool) -> _Found:
    if not isinstance(value, list | tuple):
        yield place, f"is a list, not {type(value).__name__}"
        return
    items: Sequence[object] = value
    for index, item in enumerate(items):
        yield from _of_value(kind, item, f"{place}[{index}]", closed=closed)


def _fits(kind: type, value: object) -> bool:
    if kind is str:
        return isinstance(value, str | Secret)
    if kind is bool:
        return isinstance(value, bool)
    return isinstance(value, int | float if kind is float else int) and not isinstance(value, bool)


def _from_texts(kind: type[object], query: Mapping[str, object]) -> Mapping[str, object]:
    """Return a query with its texts read."""
    known = fields_of(kind)
    return {name: _from_text(known[name], value) if name in known else value for name, value in query.items()}


def _from_text(field: Field, value: object) -> object:
    base, _ = parted(field.kind)
    if not isinstance(value, str):
        return value
    if base is int and len(value) <= _MOST_DIGITS and value.isascii() and value.isdecimal():
        return int(value)
    return _FLAGS.get(value, value) if base is bool else value
