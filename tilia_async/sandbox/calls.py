"""What a handler of the sandbox gets, and how it is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs
import orjson

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.sandbox.answers import Answer, invalid
from tilia_async.sandbox.world import World
from tilia_async.wire.operation import Operation


class Refused(Exception):  # noqa: N818 - not an error of the sandbox: it is the answer
    """Ends a handler with an answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@attrs.frozen
class Call:
    """One request, understood."""

    world: World
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = attrs.field(repr=False)

    def json(self) -> JsonObject:
        """The body, which has to be a JSON object.

        Raises:
            Refused: it is none; the key of the error is inferred, since the documented sample is cut off in it.
        """
        try:
            value: JsonValue = orjson.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Refused(invalid({"request_format": ["request body is not a JSON object"]}))
        return value

    def nulls(self) -> bool:
        """Whether the envelope writes null for no message: Tilia does both, so the sandbox draws."""
        return self.coin()

    def coin(self) -> bool:
        """A draw between two forms of an answer that both occur."""
        return self.world.random.random() < 0.5


Handler: TypeAlias = Callable[[Call], Answer]


@attrs.frozen
class Route:
    """Where a handler is reached.

    Attributes:
        other_paths: templates of the same operation that Tilia serves as well.
    """

    operation: Operation[object]
    handler: Handler
    other_paths: tuple[str, ...] = ()
