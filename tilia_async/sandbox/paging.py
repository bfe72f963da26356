"""Pages of lists (fact sheet "money", 0.9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tilia_async.sandbox.requests import ErrorResponse, SandboxRequest
from tilia_async.sandbox.responses import invalid

T = TypeVar("T")


def page_of(
    call: SandboxRequest, items: Sequence[T], sort_field: str, orders: Mapping[str, Callable[[T], int]]
) -> Sequence[T]:
    """Return the part of a list for a query.

    Newest first by default.

    Args:
        sort_field: the query's name for the field to sort by, which differs between lists.
        orders: the fields that there are.

    Raises:
        ErrorResponse: 400; that a wrong query is not simply left aside is inferred.
    """
    order = orders.get(call.query.get(sort_field, "updated"))
    sort = call.query.get("sort", "desc")
    limit, offset = _number(call, "limit", 100, least=1), _number(call, "offset", 0, least=0)
    if order is None:
        raise ErrorResponse(invalid({sort_field: [f"must be one of {', '.join(orders)}"]}))
    if sort not in ("asc", "desc"):
        raise ErrorResponse(invalid({"sort": ["must be asc or desc"]}))
    return sorted(items, key=order, reverse=sort == "desc")[offset : offset + limit]


def _number(call: SandboxRequest, name: str, default: int, *, least: int) -> int:
    text = call.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 9) or int(text) < least:
        raise ErrorResponse(invalid({name: [f"must be an integer of at least {least}"]}))
    return int(text)
