"""Parts of a request, each checked before it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from tilia_async.json_value import JsonInput

Problems = dict[str, list[str]]


class RequestPart(Protocol):
    """A part of a request."""

    def problems(self) -> Problems:
        """Return what Tilia would refuse, by field."""
        ...

    def _to_body(self) -> dict[str, JsonInput]:
        """Return the JSON to send, once there are no problems."""
        ...


def body_of(part: RequestPart) -> dict[str, JsonInput]:
    """Return a part's JSON, once there are no problems."""
    return part._to_body()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - of this module


def of_kind(value: object, kind: type) -> list[str]:
    """Return why a part is of the wrong kind.

    Nothing if it is right.
    """
    return [] if isinstance(value, kind) else [f"is {kind.__name__}, not {type(value).__name__}"]


def problems_of(field: str, parts: Iterable[RequestPart]) -> Problems:
    """Return the problems of parts, each with its place.

    E.g. ``line_items[0].recipients[1].amount``.
    """
    return {
        f"{field}[{index}].{name}": reasons
        for index, part in enumerate(parts)
        for name, reasons in part.problems().items()
    }
