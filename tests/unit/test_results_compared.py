"""Results compare, hash and show themselves as attrs would have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

import tilia_async
from tilia_async import bulk, fleet, ledger, models, reconcile
from tilia_async.json_model import JsonModel, JsonResult
from tilia_async.money import Money

assert all((tilia_async, bulk, fleet, ledger, models, reconcile)), "imported: a class is known when its module is"


def kinds(of: type[JsonResult]) -> Iterator[type[Any]]:
    for kind in of.__subclasses__():
        yield from kinds(kind)
        if attrs.has(kind) and kind.__module__.startswith("tilia_async."):
            yield kind


KINDS = sorted(set(kinds(JsonResult)) - {Money}, key=lambda kind: kind.__qualname__)
CASES = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__qualname__)


def made(kind: type[Any], values: dict[str, object]) -> Any:
    """Return an instance with these values, whatever their types should be."""
    instance = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(instance, name, value)
    return instance


def twin(kind: type[Any]) -> type[Any]:
    """Return a class of the same fields that attrs compiles as it does by default."""
    fields = {each.name: attrs.field(repr=each.repr, hash=each.hash) for each in attrs.fields(kind)}
    compiled: type[Any] = attrs.make_class(kind.__name__, fields, frozen=True, slots=True, order=False)
    compiled.__qualname__ = kind.__qualname__
    return compiled


def numbered(kind: type[Any]) -> dict[str, object]:
    return {each.name: f"{number}" for number, each in enumerate(attrs.fields(kind))}


@CASES
def test_nothing_is_compiled_for_a_class_but_how_it_is_made(kind: type[Any]) -> None:
    assert not {"__eq__", "__hash__", "__repr__"} & set(vars(kind))
    assert all(field.eq and field.repr in {True, False} for field in attrs.fields(kind))


@CASES
def test_it_shows_what_attrs_shows(kind: type[Any]) -> None:
    values = numbered(kind)
    assert repr(made(kind, values)) == repr(made(twin(kind), values))


@CASES
def test_it_equals_its_like_alone(kind: type[Any]) -> None:
    values = numbered(kind)
    one = made(kind, values)
    assert one == made(kind, values)
    assert hash(one) == hash(made(kind, values))
    assert one != made(twin(kind), values)
    for name in values:
        assert one != made(kind, {**values, name: "another"})


@CASES
def test_it_has_a_hash_where_attrs_gives_it_one(kind: type[Any]) -> None:
    values = numbered(kind)
    for name in values:
        odd: dict[str, object] = {**values, name: [name]}
        assert has_hash(made(kind, odd)) == has_hash(made(twin(kind), odd)), name


def has_hash(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


@attrs.frozen(eq=False, repr=False)
class Holder(JsonModel):
    """A model that may hold itself."""

    held: list[object]


class Heir(Holder):
    """A subclass with nothing of its own."""


def test_what_holds_itself_is_shown_once() -> None:
    holder = Holder([])
    holder.held.append(holder)
    assert repr(holder) == "Holder(held=[...])"


def test_an_heir_is_no_like() -> None:
    assert Heir([1]) != Holder([1])
    assert Heir([1]) == Heir([1])
    assert repr(Heir([1])) == "Heir(held=[1])"


def test_a_class_in_a_function_is_shown_by_its_own_name() -> None:
    @attrs.frozen(eq=False, repr=False)
    class Inner(JsonResult):
        held: int

    assert repr(Inner(1)) == "Inner(held=1)"
