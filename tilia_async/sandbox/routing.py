"""Routing from method and path to the operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import attrs

from tilia_async.api import OPERATIONS
from tilia_async.sandbox import (
    accounts,
    auth,
    blocks,
    compliance,
    escrow,
    invoices,
    payment_methods,
    payouts,
    refunds,
    registration,
    token_exchanges,
    transfers,
    wallets,
)
from tilia_async.sandbox.fault_script import unknown_name
from tilia_async.sandbox.requests import Route
from tilia_async.sandbox.waiting_faults import KnownOperations
from tilia_async.tokens.fetch import TOKEN

ROUTES: tuple[Route, ...] = (
    *auth.ROUTES,
    *registration.ROUTES,
    *accounts.ROUTES,
    *blocks.ROUTES,
    *compliance.ROUTES,
    *wallets.ROUTES,
    *payment_methods.ROUTES,
    *token_exchanges.ROUTES,
    *invoices.ROUTES,
    *escrow.ROUTES,
    *refunds.ROUTES,
    *payouts.ROUTES,
    *transfers.ROUTES,
)


@attrs.frozen
class Match:
    """A route, and what its path parameters are."""

    route: Route
    path: Mapping[str, str]


@attrs.frozen
class _Template:
    segments: tuple[str, ...]
    route: Route


def match_path(template: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    """Return the parameters of a path.

    None if the template is another's.
    """
    if len(segments) != len(template):
        return None
    path: dict[str, str] = {}
    for expected, segment in zip(template, segments, strict=True):
        if expected.startswith("{"):
            if not segment:
                return None
            path[expected[1:-1]] = unquote(segment)
        elif expected != segment:
            return None
    return path


class Router:
    """Knows the routes of all services."""

    def __init__(self, routes: Iterable[Route] = ROUTES) -> None:
        self._templates: dict[str, list[_Template]] = {}
        for route in routes:
            for path in (route.operation.path, *route.operation.other_paths):
                template = _Template(tuple(path.split("/")), route)
                self._templates.setdefault(route.operation.service, []).append(template)
        for templates in self._templates.values():
            # "/v1/user-info/search" is not the account "search".
            templates.sort(key=lambda template: sum(segment.startswith("{") for segment in template.segments))

    def find(self, method: str, service: str, path: str) -> Match | int:
        """Return the route that serves a request.

        404 if no route has the path, 405 if none has the method.
        """
        segments = tuple(path.split("/"))
        status = 404
        for template in self._templates.get(service, ()):
            parameters = match_path(template.segments, segments)
            if parameters is None:
                continue
            if template.route.operation.method == method:
                return Match(template.route, parameters)
            status = 405
        return status


def names_of_route(name: str) -> frozenset[str]:
    """Return the operations that share its route.

    To the server they are the same.

    Raises:
        ValueError: there is no operation of that name.
    """
    if name == TOKEN.name:
        return frozenset({name})
    wanted = OPERATIONS.get(name)
    if wanted is None:
        raise ValueError(unknown_name("operation", name, (TOKEN.name, *OPERATIONS)))
    same = (wanted.method, wanted.service, wanted.path)
    return frozenset(each.name for each in OPERATIONS.values() if (each.method, each.service, each.path) == same)


KNOWN_OPERATIONS = KnownOperations(
    (TOKEN.name, *OPERATIONS),
    frozenset(name for name, operation in OPERATIONS.items() if operation.reads),
    names_of_route,
)
