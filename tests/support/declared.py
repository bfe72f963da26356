"""The operations of recorded requests, and what they declare."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from tilia_async.api import OPERATIONS
from tilia_async.wire.field_checks import problems_of_request

if TYPE_CHECKING:
    from support.recorder import Recorded

TEMPLATES = {
    name: re.compile(rf"/{each.service}" + re.sub(r"\{\w+\}", "[^/]+", each.path) + "$")
    for name, each in OPERATIONS.items()
}


def operations_of(request: Recorded) -> list[str]:
    """Return the names of the operations with this request."""
    path = urlsplit(request.path).path
    found = [name for name, each in TEMPLATES.items() if OPERATIONS[name].method == request.method and each.match(path)]
    exact = [name for name in found if "{" not in OPERATIONS[name].path]
    return exact or found


def undeclared(request: Recorded) -> dict[str, dict[str, list[str]]]:
    """Return what of a request its declaration would refuse."""
    query = dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))
    found = {
        name: problems_of_request(OPERATIONS[name], query, request.json if request.body else None)
        for name in operations_of(request)
    }
    return {name: problems for name, problems in found.items() if problems}
