"""Requests and routes of the sandbox's handlers.

What a handler gets, and how it is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import attrs
import orjson

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.sandbox.responses import SandboxResponse, Texts, invalid
from tilia_async.sandbox.world import World
from tilia_async.wire.field_checks import has_required, problems_of_fields, problems_of_query
from tilia_async.wire.operation import Operation

_DEEPEST = 100
"""Most levels of a body.

Far more than any real one, and far fewer than an answer could be written with.
"""


class ErrorResponse(Exception):  # noqa: N818 - not an error of the sandbox: it is the answer
    """Ends a handler with an answer."""

    def __init__(self, answer: SandboxResponse) -> None:
        super().__init__(answer.status)
        self.answer = answer


@attrs.frozen
class SandboxRequest:
    """A request, understood."""

    world: World
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = attrs.field(repr=False)

    def json(self) -> JsonObject:
        """Return the body, which has to be a JSON object.

        Raises:
            ErrorResponse: it is none, or none that an answer could repeat; the key of the error is inferred, since the
                documented sample is cut off in it.
        """
        try:
            value: JsonValue = orjson.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ErrorResponse(invalid({"request_format": ["request body is not a JSON object"]}))
        # Before anything is done: an answer that fails afterwards would hide that it was.
        if not repeatable(value):
            raise ErrorResponse(invalid({"request_format": [f"request body is nested deeper than {_DEEPEST} levels"]}))
        return value

    def check(self, route: Route) -> None:
        """Refuse a query or body that is not as declared.

        Fields that are not declared are passed over: no page says that a field too many is refused.

        Raises:
            ErrorResponse: 400 with the texts for each field; inferred where no page tells of it.
        """
        declared = route.operation.query
        if declared is not None and (wrong := problems_of_query(declared, self.query, closed=False)):
            raise ErrorResponse(invalid(wrong))
        declared = route.operation.body
        if declared is None or not (self.body or has_required(declared)):
            return
        body = self.json()
        problems = problems_of_fields(declared, body, closed=False)
        if problems and all(problems_of_fields(other, body, closed=False) for other in route.other_bodies):
            raise ErrorResponse(invalid(problems))

    def texts(self) -> Texts:
        """Draw the form of a missing message.

        How the envelope writes that there is no message: Tilia does it in all these ways, so the sandbox draws.
        """
        drawn: Texts = self.world.random.choices((*Texts,), weights=(4, 4, 1, 1))[0]
        return drawn

    def coin(self) -> bool:
        """Draw between two forms of an answer.

        Both occur.
        """
        return self.world.random.random() < 0.5


Handler: TypeAlias = Callable[[SandboxRequest], SandboxResponse]


@attrs.frozen
class Route:
    """The route to a handler.

    Attributes:
        other_bodies: what it takes instead of the body that the operation declares.
    """

    operation: Operation[object]
    handler: Handler
    other_bodies: tuple[type[object], ...] = ()


def repeatable(value: JsonValue) -> bool:
    """Return True if an answer can repeat it."""
    level: list[JsonValue] = [value]
    # Level by level and not by recursion, which would itself end at some depth.
    for _ in range(_DEEPEST):
        level = [part for each in level for part in _parts(each)]
        if not level:
            break
    else:
        return False
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def _parts(value: JsonValue) -> Iterable[JsonValue]:
    """Return the parts right in a list or object.

    The parts are lists and objects.
    """
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (each for each in inner if isinstance(each, dict | list))
