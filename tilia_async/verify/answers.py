"""Checks of answers against the models of their operations.

Nothing of what it says is kept but names of fields and forms of values.
"""

# The types are known at run time only.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final, get_args, get_origin

import attrs

from tilia_async.json_model import reshaping
from tilia_async.json_value import JsonValue
from tilia_async.text import readable
from tilia_async.verify.findings import Fact
from tilia_async.wire.codec import PayloadError, decode, read_time
from tilia_async.wire.fields import fields_of, is_object, members, parted

_ZERO_TIME: Final = "0001-01-01"
_FORMS: Final = (
    ("RFC 3339", re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")),
    ("without a zone", re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+")),
    ("as Go prints it", re.compile(r"\d{4}-\d\d-\d\d [\d:.]+ ?[+-]\d{4} .*")),
)
_WORD: Final = re.compile(r"[A-Za-z]+(?:[_-][A-Za-z]+)*")
"""A word of an enumeration, no id and no sentence."""
_LONGEST_WORD: Final = 40
_LETTER: Final = r"[^\W\d_]"
_DIGIT: Final = r"\d"


@attrs.frozen
class Observation:
    """Observation of one place in an answer.

    Attributes:
        well: the place is as declared.
        note: the form that was seen, or what is wrong.
        unknown: no field of that name is declared.
    """

    fact: Fact
    place: str
    well: bool
    note: str = ""
    unknown: bool = False


def observations(kind: Any, payload: JsonValue) -> Iterator[Observation]:
    """Yield what an answer shows about its model."""
    yield from _value(kind, payload, "")


def scalars_of(kind: Any) -> frozenset[Any]:
    """Return the types of single values in a model."""
    return frozenset(_scalars(kind, set()))


def _scalars(kind: Any, seen: set[Any]) -> Iterator[Any]:
    for option in members(parted(kind)[0]):
        if is_object(option) and option not in seen:
            seen.add(option)
            for field in fields_of(option).values():
                yield from _scalars(field.kind, seen)
        elif get_args(option):
            yield from _scalars(get_args(option)[-1], seen)
        elif not is_object(option):
            yield option


def _value(kind: Any, value: Any, place: str) -> Iterator[Observation]:
    base, _ = parted(kind)
    options = members(base)
    if value is None or not options:
        return
    words = [option for option in options if isinstance(option, type) and issubclass(option, Enum)]
    if words:
        yield _word(words[0], value, place)
        return
    only = options[0]
    if is_object(only):
        yield from _model(only, value, place)
    elif get_origin(only) in {list, tuple}:
        yield from _items(get_args(only)[0], value, place)
    elif get_origin(only) is not None:
        yield from _mapping(get_args(only)[1], value, place)
    else:
        yield from _scalar(only, value, place)


def _model(kind: Any, value: Any, place: str) -> Iterator[Observation]:
    reshape = reshaping(kind)
    shaped = value if reshape is None else reshape(value)
    only = shaped[0] if isinstance(shaped, list) and len(shaped) == 1 else shaped
    if not isinstance(only, dict):
        yield _odd(place, f"is no object but {_kind_of(only)}")
        return
    yield from _fields(kind, only, place)


def _fields(kind: Any, value: Mapping[str, Any], place: str) -> Iterator[Observation]:
    known = fields_of(kind)
    for field in known.values():
        where = f"{place}.{field.name}".removeprefix(".")
        if value.get(field.name) is None:
            if field.required:
                yield _odd(where, "is missing")
            continue
        yield from _value(field.kind, value[field.name], where)
    # Where none is known, the names may be somebody's.
    for name in () if known.keys().isdisjoint(value) else value:
        if name not in known and _WORD.fullmatch(name) and len(name) <= _LONGEST_WORD:
            yield Observation(Fact.FIELDS, f"{place}.{name}".removeprefix("."), well=True, unknown=True)


def _items(kind: Any, value: Any, place: str) -> Iterator[Observation]:
    if isinstance(value, dict):
        # As a map by id, or the only one.
        whole = is_object(kind) and any(name in value for name in fields_of(kind))
        value = [value] if whole else list(value.values())
    if not isinstance(value, list):
        yield _odd(place, f"is no list but {_kind_of(value)}")
        return
    for item in value:
        yield from _value(kind, item, f"{place}[]")


def _mapping(kind: Any, value: Any, place: str) -> Iterator[Observation]:
    if not isinstance(value, Mapping):
        yield _odd(place, f"is no object but {_kind_of(value)}")
        return
    for item in value.values():
        yield from _value(kind, item, f"{place}.*")


def _word(words: type[Enum], value: Any, place: str) -> Observation:
    if not isinstance(value, str):
        return _odd(place, f"is no text but {_kind_of(value)}")
    if not value or value in {member.value for member in words}:
        return Observation(Fact.FIELDS, place, well=True)
    shown = f"the new word {value}" if _WORD.fullmatch(value) and len(value) <= _LONGEST_WORD else "a new word"
    return _odd(place, f"has {shown}")


def _scalar(kind: Any, value: Any, place: str) -> Iterator[Observation]:
    if kind is datetime:
        yield _time(value, place)
        return
    fact = Fact.AMOUNTS if kind is int else Fact.FIELDS
    try:
        decode(value, kind)
    except PayloadError:
        yield Observation(fact, place, well=False, note=f"cannot be read: it is {_kind_of(value)}")
    else:
        yield Observation(fact, place, well=True, note=_kind_of(value) if kind is int else "")


def _time(value: Any, place: str) -> Observation:
    if not value or (isinstance(value, str) and value.startswith(_ZERO_TIME)):
        return Observation(Fact.TIMES, place, well=True, note="none")
    if read_time(value) is None:
        return Observation(Fact.TIMES, place, well=False, note=f"cannot be read: it is {_form_of(value)}")
    forms = [name for name, form in _FORMS if form.fullmatch(value)]
    return Observation(Fact.TIMES, place, well=True, note=forms[0] if forms else "another form")


def _form_of(value: Any) -> str:
    """Return the form of a time without the time itself."""
    if not isinstance(value, str):
        return _kind_of(value)
    form = re.sub(_LETTER, "a", re.sub(_DIGIT, "9", value[:_LONGEST_WORD]))
    return f"of the form {readable(form)}"


def _odd(place: str, note: str) -> Observation:
    return Observation(Fact.FIELDS, place, well=False, note=note)


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = {int: "a whole number", float: "a fraction", str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null")
