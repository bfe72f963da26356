"""Agreement of an answer with its request.

It carries a result, is about the same thing, and does not say the opposite.

What an answer leaves out contradicts nothing, and neither does the other id of an account that was merged.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final, cast, get_origin

import attrs

from tilia_async.json_model import reshaping
from tilia_async.json_value import JsonValue
from tilia_async.wire.envelope import SUCCESS, Opened
from tilia_async.wire.operation import Operation, Said

_FOLDED: Final = "username"
"""Fields that are compared without regard to case.

It is not documented that letter case makes a difference in them.
"""

_MERGES: Final = "account_merge"
"""The namespace of the tags on accounts that were merged (fact sheet "accounts", C1 and C9)."""

_MERGED_FROM: Final = "merged_from"


@functools.cache
def needed(returns: type[object]) -> tuple[str, ...]:
    """Return a model's required fields; none of anything else."""
    known = _fields(returns)  # type: ignore[arg-type]  # a type can be hashed
    return () if known is None else known.required


def agrees(
    operation: Operation[object], asked: Mapping[str, str], value: object, required: tuple[str, ...], payload: JsonValue
) -> bool:
    """Return True if an answer plainly agrees.

    With its request, as most do; False: it has to be looked at.

    Where it is sure, ``refusal`` and ``shortfall`` find nothing either; they know all that an answer may say or
    lack. tests/contract/test_short_ways.py holds them together.

    Args:
        value: the answer as it was read: a model.
        required: its ``needed`` fields; there are some.
        payload: what it was read from. Its envelope says Success.
    """
    for name in required:
        if getattr(value, name) == "":
            return False
    if contradiction(operation, asked, value, payload) is not None:
        return False
    return operation.reads or (isinstance(payload, dict) and payload.keys().isdisjoint(_VERDICTS))


def shortfall(operation: Operation[object], opened: Opened, value: object) -> str | None:
    """Say what a readable answer lacks.

    None if it lacks nothing.

    An envelope that says Success is a yes. Without one, only a body that carries the result is.

    Args:
        value: the answer as it was read.
    """
    returns, payload = operation.returns, opened.payload
    known = _fields(returns)  # type: ignore[arg-type]  # a type can be hashed
    if known is not None:
        return _blank(known, value) or _empty_model(operation, known, opened, value)
    if returns is type(None) or not (operation.reads or _is_list(returns)):
        # What such an answer looks like is not known, so it takes the word.
        return None if opened.confirmed else "it does not say Success"
    if opened.confirmed and opened.has_payload:
        # An empty list is null here and there, as everywhere at Tilia.
        return None
    carries = isinstance(payload, list) if payload == [] else bool(payload)
    return None if carries else f"it says nothing of what {operation.name} returns"


@attrs.frozen
class _Fields:
    """The fields of a model, by name."""

    required: tuple[str, ...]
    all: frozenset[str]


@functools.cache
def _fields(returns: type[object]) -> _Fields | None:
    """Return the fields of a model.

    None for what is not a model.
    """
    if not attrs.has(returns):
        return None
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(returns)
    required = tuple(field.name for field in fields if field.default is attrs.NOTHING)
    return _Fields(required, frozenset(field.name for field in fields))


def _is_list(returns: object) -> bool:
    return get_origin(returns) in {list, tuple}


def _blank(fields: _Fields, value: object) -> str | None:
    """Name a required text that is empty.

    Text that is not set is empty at Tilia.
    """
    for name in fields.required:
        if getattr(value, name, None) == "":
            return f"required field {name} is empty"
    return None


def _empty_model(operation: Operation[object], fields: _Fields, opened: Opened, value: object) -> str | None:
    """Say that an answer has none of a model's fields.

    One of which all are optional can be made of anything.
    """
    if fields.required and not operation.essential and (opened.confirmed or operation.reads):
        return None
    payload = _only(opened.payload)
    given = payload if isinstance(payload, dict) else {}
    said = {name for name, each in given.items() if each is not None and each != ""}
    if reshaping(operation.returns) is not None:
        # Its fields stand elsewhere, or under other names, as they do in Tilia's own samples.
        said |= {name for name in fields.required if getattr(value, name, None) not in (None, "")}
    if not opened.confirmed:
        # What the request had says nothing of what came of it.
        said -= {name for _, names in operation.echoes for name in names}
    if said & (operation.essential or fields.all) or (opened.confirmed and (given.keys() & operation.essential)):
        return None
    # A write that Tilia says is done is done, also if its answer tells less than it should.
    if opened.confirmed and not operation.reads and said & fields.all:
        return None
    return f"it says nothing of what {operation.name} returns"


def contradiction(
    operation: Operation[object], asked: Mapping[str, str], value: object, payload: JsonValue
) -> str | None:
    """Say in what an answer contradicts its request.

    None if it does not.

    Args:
        value: the answer as it was read, or its payload if it could not be.
        payload: what it was read from; it is looked at for what the model leaves out.
    """
    if type(payload) is list:
        payload = _only(payload)
    for name, fields in operation.echoes:
        wanted = asked.get(name)
        if not wanted or getattr(value, fields[0], None) == wanted:
            # Most answers repeat it letter for letter.
            continue
        if all(_is_silent(field, value, payload) for field in fields):
            continue
        if _is_about_another(name, wanted, fields, value, payload, all_of_them=operation.reads):
            return f"it is about another {name} than the one that was asked for"
    for field, opposites in operation.denials:
        read = getattr(value, field, None)
        if (isinstance(read, bool) and read not in opposites) or _is_silent(field, value, payload):
            continue
        for said in _found(field, value, payload):
            folded = _folded(said)
            if folded in map(_folded, opposites) or (Said.ANYTHING in opposites and folded not in (False, "")):
                return f"it says yes, and that {field} is {said!r}"
    return None


def _is_silent(field: str, value: object, payload: JsonValue) -> bool:
    """Return True if an object plainly has no such field.

    Then ``_found`` finds nothing, at more cost.
    """
    first = field.partition(".")[0]
    return type(payload) is dict and payload.get(first) is None and getattr(value, first, None) is None


def refusal(operation: Operation[object], opened: Opened) -> str | None:
    """Say in what an answer refuses a write.

    It says no beside its yes; None if it does not.

    A model has fields of its own for that, and a documented failure in them is an answer. Where there is no model,
    nobody but this looks at the answer.
    """
    if operation.reads:
        return None
    payload = _only(opened.payload)
    if isinstance(payload, str) and payload and operation.returns is not str:
        # One of the shapes of a refusal (fact sheet "accounts", D3).
        return "it says yes, and carries a text where refusals have theirs"
    if isinstance(payload, dict) and any(_is_no(payload[name]) for name in payload.keys() & _VERDICTS):
        return "it says yes, and that it is no success"
    returns = operation.returns
    return _failure_in(opened.body) if _fields(returns) is None else None  # type: ignore[arg-type]  # as above


_VERDICTS: Final = ("success", "succeeded", "ok")
_STATES: Final = frozenset({"status", "state"})
_FAILED: Final = (
    "failed", "failure", "rejected", "error", "declined", "denied", "refused", "canceled", "cancelled",
)  # fmt: skip
_FAILS: Final = ("fail", "error", "reject")


def _failure_in(body: JsonValue) -> str | None:
    """Name what says at any depth that something failed."""
    left = [body]
    while left:
        part = left.pop()
        if isinstance(part, list):
            left += part
        elif isinstance(part, dict):
            for name, value in part.items():
                names = _named(name)
                if names is not None and _fails(names, value):
                    return f"it says yes, and has {name[:60]} in it"
            left += part.values()
    return None


class _Names(Enum):
    """The meanings that a field's name may have."""

    STATE = "a state"
    VERDICT = "a verdict"
    FAILURE = "a failure"


@functools.lru_cache
def _named(name: str) -> _Names | None:
    """Return the meaning of a field that may refuse.

    Hardly any field does.
    """
    folded = name.casefold()
    if folded in _STATES:
        return _Names.STATE
    if folded in _VERDICTS:
        return _Names.VERDICT
    return _Names.FAILURE if folded.startswith(_FAILS) else None


def _fails(names: _Names, value: JsonValue) -> bool:
    if names is _Names.STATE:
        return isinstance(value, str) and value != SUCCESS and any(word in value.casefold() for word in _FAILED)
    if names is _Names.VERDICT:
        return _is_no(value)
    return _folded(value) not in _NOTHING


def _is_no(value: JsonValue) -> bool:
    folded = _folded(value)
    return isinstance(folded, int | float) and not folded


_NOTHING: Final = (None, False, 0, "", ())


def _only(payload: JsonValue) -> JsonValue:
    """Return the object that came as a list of one."""
    return payload[0] if isinstance(payload, list) and len(payload) == 1 else payload


def _is_about_another(
    name: str, wanted: str, fields: tuple[str, ...], value: object, payload: JsonValue, *, all_of_them: bool
) -> bool:
    """Return True if the answer is about another.

    None of the ids is the one that was asked for, or not every one of those that a read lists.
    """
    given = [said for field in fields for said in _found(field, value, payload)]
    # Where one of several fields has it, each that is missing may be the one.
    unsaid = len(fields) > 1 and len(given) < len(fields)
    ids = [said for said in given if isinstance(said, str) and said]
    enough = all if all_of_them and len(fields) == 1 else any
    if not ids or unsaid or enough(_same(name, wanted, each) for each in ids):
        return False
    return not _was_merged(name, wanted, payload)


def _same(name: str, wanted: str, given: str) -> bool:
    if wanted == given:
        return True
    folded = given.casefold()
    return wanted.casefold() == folded and (name == _FOLDED or _is_uuid(folded))


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _was_merged(name: str, wanted: str, payload: JsonValue) -> bool:
    """Return True if the account was merged into this.

    The account that was asked for.

    Of a name the answer does not say which.
    """
    tags = payload.get("tags") if isinstance(payload, dict) else None
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, dict) and tag.get("namespace") == _MERGES:
            merged = tag.get("tag") == _MERGED_FROM if name == _FOLDED else tag.get("resource_id") == wanted
            if merged:
                return True
    return False


def _found(field: str, value: object, payload: JsonValue) -> Iterator[object]:
    """Yield the values of a field.

    Mostly one, of a list several, none if it is left out.
    """
    if isinstance(value, list | tuple):
        for each in cast("Iterable[object]", value):
            yield from _found(field, each, None)
        return
    first, _, rest = field.partition(".")
    found = _part(value, first)
    if found is None:
        found = _part(payload, first)
    if rest:
        yield from _found(rest, found, None)
    elif found is not None:
        yield _plain(found)


def _part(whole: object, name: str) -> object:
    if isinstance(whole, dict):
        return cast("dict[str, object]", whole).get(name)
    return getattr(whole, name, None) if attrs.has(type(whole)) else None


def _plain(value: object) -> object:
    """Return the text of a member of an enumeration."""
    return str.__str__(value) if isinstance(value, str) else value


_WORDS: Final[Mapping[str, object]] = {"true": True, "false": False}


def _folded(value: object) -> object:
    """Return one form for all ways to write it.

    A state, a truth value, or nothing in a list.
    """
    if isinstance(value, str):
        text = str.__str__(value).casefold()
        return _WORDS.get(text, text)
    return () if value in ([], {}) else value
