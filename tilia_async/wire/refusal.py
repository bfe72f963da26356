"""Refusal of bad input before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from tilia_async import checks
from tilia_async.errors import InvalidRequestError
from tilia_async.models.request_part import of_kind

T = TypeVar("T")


def refuse(operation: str, problems: Mapping[str, Iterable[str]]) -> None:
    """Raise if any field has problems.

    Return if none has any.

    Raises:
        InvalidRequestError: with every problem of every field.
    """
    # A check that found nothing returns an empty list; of an iterator only its end can tell.
    if not any(problems.values()):
        return
    found = {field: listed for field, reasons in problems.items() if (listed := list(reasons))}
    if found:
        raise InvalidRequestError(found, operation=operation)


def listed(operation: str, field: str, values: Iterable[T], kind: type[T]) -> tuple[T, ...]:
    """Return a caller's items as a list.

    What a caller gives as several is iterated over once, whatever can be iterated.

    Raises:
        InvalidRequestError: it cannot, is a text, or holds something of another kind.
    """
    refuse(operation, {field: checks.several(values)})
    items = tuple(values)
    refuse(operation, {f"{field}[{index}]": of_kind(item, kind) for index, item in enumerate(items)})
    return items
